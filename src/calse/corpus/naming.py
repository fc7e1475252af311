"""Which files a person offers for import, and what their names say: gloss, signer, take."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from calse.clips import normalise_gloss, read_rows
from calse.errors import CalseError

_TAKE = re.compile(r"(?P<gloss>.+?)(?:_(?P<take>\d{1,6})|[-_ ]take[-_ ]?(?P<named>\d{1,6}))", re.IGNORECASE)
_FIELDS = {"{gloss}": r"(?P<gloss>[^/]+?)", "{signer}": r"(?P<signer>[^/]+?)", "{take}": r"(?P<take>\d{1,6})"}


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
        """Return this offer with the reason why it is not taken."""
        return replace(self, refusal=why)


def offers_of(folder: Path, pattern: str | None) -> list[Offer]:
    """List every file of a folder, or of a CSV, sorted by name.

    A CSV has the columns `file` (relative to it) and `gloss`, and may have `signer` and `take`. A `pattern` such as
    `{gloss}/{signer}_{take}.mp4` is held against the whole path in the folder: `{gloss}`, `{signer}` and `*` stand for
    any text without a slash, `{take}` for a number. Without one, `GLOSS/anything.mp4`, `GLOSS.mp4`, `GLOSS_2.mp4`
    and `GLOSS-take2.mp4` are understood. Raises CalseError when there is no such folder or the pattern is wrong.
    """
    if folder.is_file() and folder.suffix.lower() == ".csv":
        if pattern is not None:
            raise CalseError(f"{folder} is a CSV and names its glosses itself; leave out --pattern")
        return sorted(_listed(folder), key=lambda offer: offer.name)
    if not folder.is_dir():
        raise CalseError(f"{folder} is neither a folder nor a CSV (columns file, gloss); check the path")
    template = _compiled(pattern) if pattern is not None else None
    return sorted((_named(folder, path, template) for path in _files(folder)), key=lambda offer: offer.name)


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        yield from (Path(where) / name for name in files + links)


def _listed(table: Path) -> Iterator[Offer]:
    for row in read_rows(table, ["file", "gloss"]):
        take = row.get("take", "").strip()
        offer = Offer(table.parent / row["file"], row["file"])
        if _is_outside(offer.path, table.parent):
            yield offer.refused("lies outside the table's folder")
        elif take and not re.fullmatch(r"\d{1,6}", take):
            yield offer.refused(f"its take {take[:20]!r} is not a number of up to 6 digits")
        else:
            yield _with_names(offer, row["gloss"], row.get("signer", ""), int(take) if take else None)


def _named(folder: Path, path: Path, template: re.Pattern[str] | None) -> Offer:
    """Read one file's name."""
    relative = os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace")
    offer = Offer(path, relative)
    if _is_outside(path, folder):
        return offer.refused("is a link to something outside the folder")
    if template is None:
        return _by_layout(offer)
    match = template.fullmatch(relative)
    if match is None:
        return offer.refused("does not match the pattern")
    found = match.groupdict()
    take = int(found["take"]) if "take" in found else None
    return _with_names(offer, found["gloss"], found.get("signer") or "", take)


def _is_outside(path: Path, folder: Path) -> bool:
    """Tell whether a path, all links followed, leads out of a folder."""
    try:
        return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a NUL in the name
        return True


def _by_layout(offer: Offer) -> Offer:
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
    gloss = normalise_gloss(gloss)
    signer = " ".join(signer.split())
    if not gloss or not gloss.isprintable() or "\ufffd" in gloss:
        return offer.refused(f"no gloss can be read from {gloss!r}; rename it, or list it in a CSV")
    if not signer.isprintable() or "\ufffd" in signer:
        return offer.refused(f"no signer can be read from {signer!r}; rename it, or list it in a CSV")
    return replace(offer, gloss=gloss, signer=signer, take=take)


def _compiled(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\}|\*)", pattern)
    unknown = [part for part in parts if part.startswith("{") and part not in _FIELDS]
    if unknown or parts.count("{gloss}") != 1 or any(parts.count(field) > 1 for field in _FIELDS):
        raise CalseError(f"--pattern {pattern!r}: use {{gloss}} once, and {{signer}}, {{take}} once at most, and *")
    return re.compile("".join(_FIELDS.get(part) or ("[^/]*" if part == "*" else re.escape(part)) for part in parts))
