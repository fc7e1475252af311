"""Which files a person offers for import, and what their names say: gloss, signer, take."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, reduce
from pathlib import Path

from calse.data.clips import JOINERS, normalise_gloss
from calse.data.tables import read_table
from calse.runtime.errors import CalseError

_TAKE = re.compile(r"(?P<gloss>.+?)(?:_(?P<take>\d{1,6})|[-_ ]take[-_ ]?(?P<named>\d{1,6}))", re.IGNORECASE)
_FIELDS = {"{gloss}": r"(?P<gloss>[^/]+?)", "{signer}": r"(?P<signer>[^/]+?)", "{take}": r"(?P<take>\d{1,6})"}

TABLES = (".csv", ".tsv", ".tab", ".txt")
# What `calse.video.untrusted.decode.FORMATS` reads, by the names that such files have.
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".gif", ".ogv", ".wmv", ".asf", ".flv"),
    *(".mpg", ".mpeg", ".m2v", ".vob", ".mts", ".m2ts", ".ts", ".dv", ".mxf", ".y4m"),
)
Template = list[re.Pattern[str]]


@dataclass(frozen=True)
class Offer:
    """One file and what its name says; `name` is its path in the folder, `refusal` why it is not taken."""

    path: Path
    name: str
    gloss: str = ""
    signer: str = ""
    take: int | None = None
    sha256: str = ""
    refusal: str = ""

    def refused(self, why: str) -> "Offer":
        """Return this offer with a reason why it is not taken; the first one stays, an empty one changes nothing."""
        return replace(self, refusal=self.refusal or why)


def offers_of(folder: Path, pattern: str | None) -> list[Offer]:
    """List every file of a folder, or of a table, sorted by name; a video alone is a folder of one.

    A table has the columns `file` (relative to it) and `gloss`, and may have `signer` and `take` (see
    `tables.read_table`). A `pattern` such as `{gloss}/{signer}_{take}.mp4` is held against the whole path in the
    folder: `{gloss}`, `{signer}` and `*` stand for any text without a slash, `{take}` for a number. Beside a table it
    supplies what the table lacks. Without one, `GLOSS/anything.mp4`, `GLOSS.mp4`, `GLOSS_2.mp4` and
    `GLOSS-take2.mp4` are understood. Raises CalseError when there is no such folder, no file in it, or the
    pattern is wrong.
    """
    is_table, is_video = (folder.is_file() and folder.suffix.lower() in some for some in (TABLES, SUFFIXES))
    if not is_table and not is_video and not folder.is_dir():
        if not os.path.lexists(folder):
            raise CalseError(f"{folder} is missing; name a folder of videos, one video, or a table of them")
        raise CalseError(
            f"{folder} is neither a folder, a video ({', '.join(SUFFIXES)}) nor a CSV (columns file, gloss); "
            "save a table as CSV"
        )
    template = None if pattern is None else _compiled(pattern, needs_gloss=not is_table)
    if is_table:
        offers = _listed(folder, template)
    else:
        parent, files = (folder.parent, [folder]) if is_video else (folder, _files(folder))
        offers = (_named(parent, path, template) for path in files)
    found = sorted(offers, key=lambda offer: offer.name)
    if not found:
        raise CalseError(f"{folder} {'lists' if is_table else 'holds'} no files")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, and links to folders, which are refused later."""
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        yield from (Path(where) / name for name in files + links)


def _listed(table: Path, template: Template | None) -> Iterator[Offer]:
    """Yield an offer for every row of a table."""
    listing = cache(_composed_names)
    for row in read_table(table, ["file", "gloss"]):
        if not row["file"]:
            yield Offer(table, "(no file)").refused(f"is a row of gloss {row['gloss']!r} that names no file")
            continue
        offer = Offer(_located(table.parent, row["file"], listing), row["file"])
        found = _match(template, row["file"].replace("\\", "/")) if template else {}
        if found is None:
            yield offer.refused("does not match the pattern")
            continue
        gloss, signer, take = (row.get(name) or found.get(name) or "" for name in ("gloss", "signer", "take"))
        if _is_outside(offer.path, table.parent):
            yield offer.refused("lies outside the table's folder")
        elif take and not re.fullmatch(r"\d{1,6}", take):
            yield offer.refused(f"its take {take[:20]!r} is not a number of up to 6 digits")
        else:
            yield _with_names(offer, gloss, signer, int(take) if take else None)


def _located(folder: Path, name: str, listing: Callable[[Path], dict[str, str]]) -> Path:
    """Return the path of a table's file, however its accents are composed and whichever way its slashes lean."""

    def step(where: Path, part: str) -> Path:
        """Go one folder down, to the name as the disk composes it."""
        if os.path.lexists(where / part):
            return where / part
        return where / listing(where).get(unicodedata.normalize("NFC", part), part)

    for text in (name, name.replace("\\", "/")):
        path = reduce(step, Path(text).parts, folder)
        if os.path.lexists(path):
            return path
    return folder / name


def _composed_names(folder: Path) -> dict[str, str]:
    """Return the names of a folder by their composed form: a Mac's disk may hold them decomposed, a table either."""
    try:
        return {unicodedata.normalize("NFC", name): name for name in sorted(os.listdir(folder))}
    except (OSError, ValueError):  # no folder, or no name of one
        return {}


def _named(folder: Path, path: Path, template: Template | None) -> Offer:
    """Read one file's name."""
    relative = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
    offer = Offer(path, relative)
    if _is_outside(path, folder):
        return offer.refused("is a link to something outside the folder")
    if path.name.startswith("."):  # `._AÑO.mp4` is a Mac's note about `AÑO.mp4`
        return offer.refused("is a hidden file")
    if template is None:
        return _by_layout(offer)
    found = _match(template, relative)
    if found is None:
        return offer.refused("does not match the pattern")
    take = int(found["take"]) if "take" in found else None
    return _with_names(offer, found["gloss"], found.get("signer", ""), take)


def _is_outside(path: Path, folder: Path) -> bool:
    """Say whether a path, all links followed, leads out of a folder."""
    try:
        return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a NUL in the name
        return True


def _by_layout(offer: Offer) -> Offer:
    """Read gloss and take from where a file lies and what it is called: GLOSS/anything.mp4 or GLOSS_2.mp4."""
    *parents, file = offer.name.split("/")
    if len(parents) == 1:
        return _with_names(offer, parents[0], "", None)
    if parents:
        return offer.refused("lies deeper than GLOSS/file: say with --pattern where its gloss is")
    stem = Path(file).stem
    match = _TAKE.fullmatch(stem)
    if match is None:
        return _with_names(offer, stem, "", None)
    return _with_names(offer, match["gloss"], "", int(match["take"] or match["named"]))


def _with_names(offer: Offer, gloss: str, signer: str, take: int | None) -> Offer:
    """Return the offer with its names normalised, or refused when one cannot be read."""
    gloss, signer = normalise_gloss(gloss), normalise_gloss(signer)
    if not gloss or not _is_readable(gloss):
        return offer.refused(f"no gloss can be read from {gloss!r}; rename it, or list it in a CSV")
    if not _is_readable(signer):
        return offer.refused(f"no signer can be read from {signer!r}; rename it, or list it in a CSV")
    return replace(offer, gloss=gloss, signer=signer, take=take)


def _is_readable(name: str) -> bool:
    """Say whether a name has nothing invisible in it, and no letter that was lost."""
    return all(char.isprintable() or char in JOINERS for char in name) and "\ufffd" not in name


def _compiled(pattern: str, needs_gloss: bool) -> Template:
    """Return the regular expressions that a name is held against, one after the other.

    In `{gloss}_{signer}.mp4` the first takes `BUENOS_DIAS_ana` for `BUENOS_DIAS` of `ana`: no signer's name holds what
    stands beside `{signer}`, unless no other reading is left.
    """
    parts = re.split(r"(\{[^}]*\}|\*)", unicodedata.normalize("NFC", pattern))
    unknown = [part for part in parts if part.startswith("{") and part not in _FIELDS]
    if unknown or parts.count("{gloss}") < needs_gloss or any(parts.count(field) > 1 for field in _FIELDS):
        raise CalseError(f"--pattern {pattern!r}: use {{gloss}} once, and {{signer}}, {{take}} once at most, and *")
    fields = [_FIELDS | {"*": "[^/]*"}]
    if "{signer}" in parts:
        place = parts.index("{signer}")
        beside = re.escape(parts[place - 1][-1:] + parts[place + 1][:1])
        fields.insert(0, fields[0] | {"{signer}": f"(?P<signer>[^/{beside}]+?)"})
    return [re.compile("".join(field.get(part, re.escape(part)) for part in parts)) for field in fields]


def _match(template: Template, name: str) -> dict[str, str] | None:
    """Return what the first expression that fits reads in a name; None when none fits."""
    name = unicodedata.normalize("NFC", name)
    return next((found.groupdict() for expression in template if (found := expression.fullmatch(name))), None)
