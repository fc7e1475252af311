"""Copying a person's videos into the raw data, with a reason for every file left behind."""

import dataclasses
import itertools
import re
import shutil
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from calse.corpus.glossary import one_spelling, read_glossary
from calse.corpus.naming import Offer, offers_of
from calse.corpus.raw import RawVideo, read_index, write_index
from calse.corpus.takes import counted_together, limited, numbered
from calse.data.clips import clip_ids
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import folder_written_aside, sha256_of
from calse.video.untrusted.decode import iterate_frames
from calse.video.untrusted.sandbox import Refused, map_sandboxed

# What `calse.video.untrusted.decode.FORMATS` reads, by the names that such files have.
SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".gif", ".ogv", ".wmv", ".asf", ".flv"),
    *(".mpg", ".mpeg", ".m2v", ".vob", ".mts", ".m2ts", ".ts", ".dv", ".mxf", ".y4m"),
)
SECONDS_TO_OPEN = 30
LARGEST = 4 * 1024**3  # bytes of a file; a sign takes a hundredth
LONGEST_LIST = 40


@dataclass(frozen=True)
class ImportReport:
    """What became of every file of a source; `folder` is where the taken ones lie.

    `spellings` are the glosses that go by another spelling, which came first.
    """

    corpus: str
    source: str
    folder: Path
    glossary: Path
    glosses: int
    offers: list[Offer]
    spellings: dict[str, str]

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
    beyond a signer's first `takes` of a gloss. A gloss keeps the spelling that it was first imported with. When no
    file can be taken, nothing is written. Raises CalseError.
    """
    target, standing = layout.raw(corpus) / source, layout.glossary(corpus)
    _check_request(corpus, source, target, replace)
    before = _imported_before(layout.raw(corpus), source)
    stood = read_glossary(standing) if standing.is_file() else []
    given = read_glossary(glossary) if glossary is not None else None
    known = given if given is not None else stood if before else []  # what its only source brings may be anything
    offers = offers_of(folder, pattern)
    # What other sources were imported with stays; a corpus's only source may be spelled anew.
    spelled = one_spelling([*(stood if before else known), *known, *stood, *(offer.gloss for offer in offers)])
    known = [spelled[gloss] for gloss in known]
    allowed = None if add_glosses or (given is None and not before) else frozenset(known)
    named = [dataclasses.replace(offer, gloss=spelled[offer.gloss], signer=offer.signer or source) for offer in offers]
    named = [_screened(offer, allowed) for offer in named]
    named = limited(numbered(_without_copies(_opened(named, f"open {source}"), before)), takes)
    taken = [offer for offer in named if not offer.refusal]
    glosses = list(dict.fromkeys([*known, *sorted(offer.gloss for offer in taken)]))
    if taken:
        _store(target, source, named)
        write_rows(standing, ["gloss"], ({"gloss": gloss} for gloss in glosses))
    pairs = zip(offers, named, strict=True)
    spellings = {offer.gloss: one.gloss for offer, one in pairs if offer.gloss != one.gloss and not one.refusal}
    return ImportReport(corpus, source, target, standing, len(glosses), named, spellings)


def _check_request(corpus: str, source: str, target: Path, replace: bool) -> None:
    for option, name in (("--corpus", corpus), ("--source", source)):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise CalseError(f"{option} {name!r}: use letters, digits, - and _ only")
    if target.exists() and not replace:
        raise CalseError(f"{target} is there already; --replace imports source {source} anew")


def _screened(offer: Offer, glosses: frozenset[str] | None) -> Offer:
    """Refuse what need not be opened."""
    return offer.refused(offer.refusal or _flaw(offer, glosses))


def _flaw(offer: Offer, glosses: frozenset[str] | None) -> str:
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


def _store(target: Path, source: str, offers: list[Offer]) -> None:
    """Copy the taken files and write the index and the report, in one step."""
    taken = [offer for offer in offers if not offer.refusal]
    names = clip_ids(source, [(offer.gloss, offer.signer, offer.take or 0) for offer in taken])
    with folder_written_aside(target) as folder:
        videos = [_copied(offer, folder, name) for offer, name in zip(taken, names, strict=True)]
        write_index(folder, videos)
        rows = (
            {"file": _plain(offer.name), "gloss": offer.gloss, "refused because it": offer.refusal} for offer in offers
        )
        write_rows(folder / "import-report.csv", ["file", "gloss", "refused because it"], rows)


def _copied(offer: Offer, folder: Path, name: str) -> RawVideo:
    file = name + offer.path.suffix.lower()
    shutil.copyfile(offer.path, folder / file)
    return RawVideo(file, offer.gloss, offer.signer, offer.take or 0, offer.sha256)


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
    if report.spellings:
        shown_first = [f"{written} is {gloss}" for written, gloss in itertools.islice(report.spellings.items(), 8)]
        rest = len(report.spellings) - len(shown_first)
        console.print(f"glosses in another spelling: {', '.join(shown_first)}{f' and {rest} more' if rest else ''}")
    glosses, signers = ({getattr(offer, name) for offer in report.taken} for name in ("gloss", "signer"))
    by = f" by {len(signers)} signers" if len(signers) > 1 else ""
    console.print(f"took {len(report.taken)} videos of {len(glosses)} glosses{by}, refused {len(refused)} files")
    console.print(_next_steps(report))


def _next_steps(report: ImportReport) -> str:
    return (
        f"\nNext:\n  dvc add {report.folder}\n  git add {report.folder}.dvc {report.glossary}\n"
        "and in params.yaml:\n"
        f"  corpus.name: {report.corpus}\n  corpus.glosses: {report.glosses}\n"
        f"  corpus.sources.{report.source}.clips_per_gloss: {_clips_per_gloss(report.taken)}"
    )


def _clips_per_gloss(taken: list[Offer]) -> str:
    """Return what the gate can be told to expect of every gloss, and whether fewer takes would make them even."""
    counts, takes = Counter(offer.gloss for offer in taken), Counter(map(counted_together, taken))
    least, most = min(counts.values()), max(counts.values())
    if least == most:
        return str(least)
    fewest = min(takes.values())
    evened = Counter[str]()
    for (gloss, _), number in takes.items():
        evened[gloss] += min(number, fewest)
    if len(set(evened.values())) > 1:
        return f"null  (glosses have {least} to {most} clips)"
    return f"{min(evened.values())}  (some have up to {most}; to even them: --takes {fewest} --replace)"


def _plain(name: str) -> str:
    """Return a name on one line, whatever is in it and however long a table makes it."""
    return (name if name.isprintable() else repr(name))[:300]
