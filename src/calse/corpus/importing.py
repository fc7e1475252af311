"""Copying a person's videos into the raw data, with a reason for every file left behind."""

import dataclasses
import itertools
import re
import shutil
import stat
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from calse.clips import clip_id, read_glossary, slug, write_rows
from calse.corpus.naming import Offer, offers_of
from calse.corpus.raw import RawVideo, read_index, write_index
from calse.errors import CalseError
from calse.files import folder_written_aside, sha256_of
from calse.layout import Layout
from calse.video.decode import iterate_frames
from calse.video.sandbox import Refused, map_sandboxed

SUFFIXES = (".mp4", ".webm", ".avi", ".mov", ".gif", ".mkv", ".m4v")
SECONDS_TO_OPEN = 30
LARGEST = 4 * 1024**3  # bytes of a file; a sign takes a hundredth
LONGEST_LIST = 40


@dataclass(frozen=True)
class ImportReport:
    """What became of every file of a source; `folder` is where the taken ones lie."""

    corpus: str
    source: str
    folder: Path
    glossary: Path
    glosses: int
    offers: list[Offer]

    @property
    def taken(self) -> list[Offer]:
        """The files that are now raw data."""
        return [offer for offer in self.offers if not offer.refusal]


def import_folder(
    folder: Path,
    layout: Layout,
    corpus: str,
    source: str,
    pattern: str | None = None,
    glossary: Path | None = None,
    add_glosses: bool = False,
    replace: bool = False,
    takes: int | None = None,
) -> ImportReport:
    """Copy the videos of a folder (or of a CSV) to `data/raw/<corpus>/<source>` in one step; originals stay untouched.

    Layouts and `pattern`: see `calse.corpus.naming.offers_of`. The corpus's glossary is `glossary` when given, else
    what its only source brings, else what stands; files of other glosses are refused unless `add_glosses`, and those
    beyond the first `takes` of a gloss. When no file can be taken, nothing is written. Raises CalseError.
    """
    target, standing = layout.raw(corpus) / source, layout.glossary(corpus)
    _check_request(corpus, source, target, replace)
    before = _imported_before(layout.raw(corpus), source)
    known = _known_glosses(standing, glossary, alone=not before)
    offers = [_screened(offer, None if add_glosses else known) for offer in offers_of(folder, pattern)]
    offers = _numbered(_without_copies(_opened(offers, f"open {source}"), before))
    offers = _limited(offers, takes)
    taken = [offer for offer in offers if not offer.refusal]
    glosses = list(dict.fromkeys([*(known or []), *sorted(offer.gloss for offer in taken)]))
    if taken:
        _store(target, source, offers)
        write_rows(standing, ["gloss"], ({"gloss": gloss} for gloss in glosses))
    return ImportReport(corpus, source, target, standing, len(glosses), offers)


def _check_request(corpus: str, source: str, target: Path, replace: bool) -> None:
    for option, name in (("--corpus", corpus), ("--source", source)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise CalseError(f"{option} {name!r}: use letters, digits, - and _ only")
    if target.exists() and not replace:
        raise CalseError(f"{target} is there already; --replace imports source {source} anew")


def _known_glosses(standing: Path, given: Path | None, alone: bool) -> list[str] | None:
    """Return the glosses that may be imported; None when this is the corpus's only source and anything may."""
    if given is not None:
        return read_glossary(given)
    return None if alone or not standing.is_file() else read_glossary(standing)


def _screened(offer: Offer, glosses: Sequence[str] | None) -> Offer:
    """Refuse what need not be opened."""
    return offer.refused(offer.refusal or _flaw(offer, glosses))


def _flaw(offer: Offer, glosses: Sequence[str] | None) -> str:
    try:
        status = offer.path.stat()
    except (OSError, ValueError):  # also a name that no file can have
        return "is missing"
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file"
    if offer.path.suffix.lower() not in SUFFIXES:
        return f"is not a video ({', '.join(SUFFIXES)})"
    if status.st_size == 0:
        return "is empty"
    if status.st_size > LARGEST:
        return f"is larger than {LARGEST // 1024**3} GiB; cut it into signs"
    if glosses is not None and offer.gloss not in glosses:
        return f"gloss {offer.gloss} is not in the glossary; --add-glosses adds it"
    return ""


def _opened(offers: list[Offer], description: str) -> list[Offer]:
    """Refuse what does not open or does not move."""
    able = [offer for offer in offers if not offer.refusal]
    answers = map_sandboxed(first_frames, [offer.path for offer in able], description, SECONDS_TO_OPEN)
    pairs = zip(able, answers, strict=True)
    why = {offer.path: answer.reason for offer, answer in pairs if isinstance(answer, Refused)}
    return [offer.refused(offer.refusal or why.get(offer.path, "")) for offer in offers]


def first_frames(path: Path) -> None:
    """Decode the first two frames. Raises CalseError when they are not there."""
    try:
        if len(list(itertools.islice(iterate_frames(path), 2))) < 2:
            raise CalseError("is a still picture")
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{path}: ")) from None


def _imported_before(raw: Path, source: str) -> dict[str, str]:
    """Return the files of the corpus's other sources, by sha256."""
    before = {}
    for folder in sorted(index.parent for index in raw.glob("*/clips.csv")):
        if folder.name != source:
            before.update({video.sha256: f"{folder.name}/{video.file}" for video in read_index(folder)})
    return before


def _without_copies(offers: list[Offer], before: dict[str, str]) -> list[Offer]:
    """Hash what is left and refuse a file whose bytes were seen already."""
    seen, result = dict(before), []
    for offer in offers:
        if not offer.refusal:
            offer = dataclasses.replace(offer, sha256=sha256_of(offer.path))
            if offer.sha256 in seen:
                offer = offer.refused(f"has the same content as {seen[offer.sha256]}")
            seen.setdefault(offer.sha256, offer.name)
        result.append(offer)
    return result


def _numbered(offers: list[Offer]) -> list[Offer]:
    """Refuse a take that is there already; give files without a take the lowest free ones of their gloss.

    Two glosses whose file names would be equal share their numbers, so that no file replaces another.
    """
    used: dict[str, dict[int, str]] = defaultdict(dict)
    result = []
    for offer in offers:
        if not offer.refusal and offer.take is not None:
            first = used[slug(offer.gloss)].setdefault(offer.take, offer.name)
            if first != offer.name:
                offer = offer.refused(f"is take {offer.take} of {offer.gloss}, as is {first}")
        result.append(offer)
    for position, offer in enumerate(result):
        if not offer.refusal and offer.take is None:
            takes = used[slug(offer.gloss)]
            take = next(number for number in itertools.count(1) if number not in takes)
            takes[take] = offer.name
            result[position] = dataclasses.replace(offer, take=take)
    return result


def _limited(offers: list[Offer], takes: int | None) -> list[Offer]:
    """Refuse what goes beyond the first `takes` of a gloss."""
    order: dict[str, list[int]] = defaultdict(list)
    for offer in offers:
        if not offer.refusal:
            order[offer.gloss].append(offer.take or 0)
    allowed = {gloss: sorted(numbers)[:takes] for gloss, numbers in order.items()}
    return [
        offer.refused(f"is beyond the first {takes} takes of {offer.gloss}")
        if not offer.refusal and offer.take not in allowed[offer.gloss]
        else offer
        for offer in offers
    ]


def _store(target: Path, source: str, offers: list[Offer]) -> None:
    """Copy the taken files and write the index and the report, in one step."""
    with folder_written_aside(target) as folder:
        videos = [_copied(offer, folder, source) for offer in offers if not offer.refusal]
        write_index(folder, videos)
        rows = (
            {"file": _plain(offer.name), "gloss": offer.gloss, "refused because it": offer.refusal} for offer in offers
        )
        write_rows(folder / "import-report.csv", ["file", "gloss", "refused because it"], rows)


def _copied(offer: Offer, folder: Path, source: str) -> RawVideo:
    take = offer.take or 0
    name = clip_id(source, offer.gloss, take) + offer.path.suffix.lower()
    shutil.copyfile(offer.path, folder / name)
    return RawVideo(name, offer.gloss, offer.signer or source, take, offer.sha256)


def print_report(report: ImportReport) -> None:
    """Say on the screen what was refused and why, what was taken, and what to do next.

    Raises CalseError when nothing was taken.
    """
    console = Console(soft_wrap=True, highlight=False, markup=False)
    refused = [offer for offer in report.offers if offer.refusal]
    shown = refused[:LONGEST_LIST] if report.taken else refused  # then there is no file that has the rest
    for offer in shown:
        console.print(f"refused {_plain(offer.name)}: {offer.refusal}")
    if len(refused) > len(shown):
        console.print(f"... and {len(refused) - len(shown)} more, all in {report.folder}/import-report.csv")
    if not report.taken:
        raise CalseError(f"source {report.source}: no video was taken, {len(refused)} files were refused")
    counts = Counter(offer.gloss for offer in report.taken)
    console.print(f"took {len(report.taken)} videos of {len(counts)} glosses, refused {len(refused)} files")
    console.print(_next_steps(report, set(counts.values())))


def _next_steps(report: ImportReport, counts: set[int]) -> str:
    uneven = f"  (some have up to {max(counts)}; to even them: --takes {min(counts)} --replace)"
    many = f"{min(counts)}{uneven if len(counts) > 1 else ''}"
    return (
        f"\nNext:\n  dvc add {report.folder}\n  git add {report.folder}.dvc {report.glossary}\n"
        "and in params.yaml:\n"
        f"  corpus.name: {report.corpus}\n  corpus.glosses: {report.glosses}\n"
        f"  corpus.sources.{report.source}.clips_per_gloss: {many}"
    )


def _plain(name: str) -> str:
    """Return a name on one line, whatever is in it and however long a table makes it."""
    return (name if name.isprintable() else repr(name))[:300]
