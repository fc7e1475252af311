"""Copying a person's videos into the raw data, with a reason for every file left behind."""

import dataclasses
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from calse.config.consistency import RESERVED, flaw_of_name
from calse.config.params import Source
from calse.corpus.glossary import one_spelling, read_glossary
from calse.corpus.import_report import ImportReport
from calse.corpus.naming import SUFFIXES, Offer, offers_of
from calse.corpus.raw import RawVideo, read_index, source_folders, write_index
from calse.corpus.repeats import check_ids, listed_once, without_copies
from calse.corpus.takes import limited, numbered
from calse.data.clips import clip_ids
from calse.data.donors import person
from calse.data.forgotten import name_digest, read_forgotten
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError, one_line
from calse.runtime.files import atomic_folder
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.untrusted.opening import first_frames

SECONDS_TO_OPEN = 30
LARGEST = 4 * 1024**3  # bytes of a file; a sign takes a hundredth


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
    declared: Mapping[str, Source] | None = None,
    donor: bool = False,
) -> ImportReport:
    """Copy the videos of a folder (or of a CSV) to `data/raw/<corpus>/<source>` in one step; originals stay untouched.

    Layouts and `pattern`: see `calse.corpus.naming.offers_of`. The corpus's glossary is `glossary` when given, else
    what its only source brings, else what stands; files of other glosses are refused unless `add_glosses`, and those
    beyond a signer's first `takes` of a gloss. A gloss or a signer keeps the spelling that it was first imported with.
    `declared` are the corpus's sources in params.yaml: a donor there, or a new one (`donor`), is taken whatever its
    signs, leaves the glossary alone and counts for nothing in it. When no file can be taken, nothing is written.
    Raises CalseError.
    """
    target, standing, declared = layout.raw(corpus) / source, layout.glossary(corpus), declared or {}
    donors = {name for name, settings in declared.items() if settings.kind == "donor"}
    is_donor = donor or source in donors
    if is_donor and (glossary is not None or add_glosses):
        raise CalseError(f"source {source} is a donor and leaves the glossary alone: drop --glossary and --add-glosses")
    _check_request(layout, corpus, source, declared, replace)
    others = {one.name: read_index(one) for one in source_folders(target.parent) if one != target}
    studied = {name: videos for name, videos in others.items() if name not in donors}
    offers = offers_of(folder, pattern)
    glosses = _vocabulary(standing, glossary, offers, only_source=not studied, is_donor=is_donor, any_gloss=add_glosses)
    people = _one_name([*(v.signer for videos in others.values() for v in videos), *(o.signer for o in offers)])
    named = [
        dataclasses.replace(offer, gloss=glosses.spelled[offer.gloss], signer=people[offer.signer] or source)
        for offer in offers
    ]
    forgotten = read_forgotten(layout)
    named = [offer.refused(_flaw(offer, glosses.allowed, forgotten)) for offer in listed_once(named)]
    named = limited(numbered(without_copies(_opened(named, f"open {source}"), others, forgotten)), takes)
    taken = {offer.gloss for offer in named if not offer.refusal}
    listed = glosses.known if is_donor else list(dict.fromkeys([*glosses.known, *sorted(taken)]))
    if taken:
        _store(target, source, named, others)
        if not is_donor:
            write_rows(standing, ["gloss"], ({"gloss": gloss} for gloss in listed))
    signed = {glosses.spelled.get(video.gloss, video.gloss) for videos in studied.values() for video in videos}
    return ImportReport(
        corpus=corpus,
        source=source,
        folder=target,
        glossary=standing,
        glosses=len(listed),
        offers=named,
        spellings=_respelled(offers, named, "gloss"),
        signers=_respelled(offers, named, "signer"),
        donor=is_donor,
        theirs=sorted(taken & {*glosses.known} - signed) if is_donor and studied else [],
    )


@dataclasses.dataclass(frozen=True)
class _Vocabulary:
    """The glosses of a corpus before an import, how each offered one is spelled, and which may come; None for any."""

    known: list[str]
    spelled: dict[str, str]
    allowed: frozenset[str] | None


def _vocabulary(
    standing: Path, glossary: Path | None, offers: list[Offer], only_source: bool, is_donor: bool, any_gloss: bool
) -> _Vocabulary:
    """Return the vocabulary by the glossary that is given (`glossary`), else by the one that stands."""
    stood = read_glossary(standing) if standing.is_file() else []
    given = read_glossary(glossary) if glossary is not None else None
    known = [] if only_source and not is_donor else stood
    known = known if given is None else given
    # What other sources were imported with stays; a corpus's only source may be spelled anew.
    first = known if only_source else stood
    spelled = one_spelling([*first, *known, *stood, *(offer.gloss for offer in offers)])
    known = [spelled[gloss] for gloss in known]
    anything = is_donor or any_gloss or (given is None and only_source)
    return _Vocabulary(known, spelled, None if anything else frozenset(known))


def _one_name(signers: list[str]) -> dict[str, str]:
    """Return each signer's name in the spelling that came first."""
    first: dict[str, str] = {}
    return {signer: first.setdefault(person(signer), signer) for signer in signers}


def offered_videos(folder: Path, pattern: str | None) -> tuple[list[Offer], list[Offer]]:
    """Return which files of a folder, or of a table, look like videos of a gloss, and which do not, with the reason.

    Raises CalseError when there is no file at all.
    """
    offers = [offer.refused(_flaw(offer, None)) for offer in listed_once(offers_of(folder, pattern))]
    return [offer for offer in offers if not offer.refusal], [offer for offer in offers if offer.refusal]


def _respelled(offers: list[Offer], named: list[Offer], what: str) -> dict[str, str]:
    """Return which glosses, or signers, of the taken files go by a spelling that came before theirs."""
    pairs = ((getattr(offer, what), one) for offer, one in zip(offers, named, strict=True) if not one.refusal)
    return {written: getattr(one, what) for written, one in pairs if written not in ("", getattr(one, what))}


def _check_request(layout: Layout, corpus: str, source: str, declared: Iterable[str], replace: bool) -> None:
    """Raise CalseError when corpus or source cannot be called so, or when the source is there already."""
    raw = layout.raw(corpus)
    corpora, sources = ([path.name.removesuffix(".dvc") for path in folder.glob("*")] for folder in (raw.parent, raw))
    for option, name, others, reserved in (
        ("--corpus", corpus, corpora, frozenset[str]()),
        ("--source", source, [*sources, *declared], RESERVED),
    ):
        flaw = flaw_of_name(name, others, reserved)
        if flaw:
            raise CalseError(f"{option} {name!r:.80}: {flaw}")
    if (raw / source).exists() and not replace:
        raise CalseError(f"{raw / source} is there already; --replace imports source {source} anew")


def _flaw(offer: Offer, glosses: frozenset[str] | None, forgotten: frozenset[str] = frozenset()) -> str:
    """Return why a file need not be opened to be refused; nothing when it must be."""
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
        return f"gloss {offer.gloss} is not in the glossary; --add-glosses adds it, and a donor (--donor) needs none"
    if name_digest("signer", person(offer.signer)) in forgotten:  # under whichever spelling
        return "shows somebody who was forgotten"
    return ""


def _opened(offers: list[Offer], description: str) -> list[Offer]:
    """Refuse what does not open or does not move."""
    able = [offer for offer in offers if not offer.refusal]
    results = map_sandboxed(first_frames, [offer.path for offer in able], description, SECONDS_TO_OPEN)
    pairs = zip(able, results, strict=True)
    why = {offer.path: result.reason for offer, result in pairs if isinstance(result, Refused)}
    return [offer.refused(why.get(offer.path, "")) for offer in offers]


def _store(target: Path, source: str, offers: list[Offer], others: Mapping[str, list[RawVideo]]) -> None:
    """Copy the taken files and write the index and the report, in one step."""
    taken = [offer for offer in offers if not offer.refusal]
    names = clip_ids(source, [(offer.gloss, offer.signer, offer.take or 0) for offer in taken])
    videos = [
        RawVideo(name + offer.path.suffix.lower(), offer.gloss, offer.signer, offer.take or 0, offer.sha256)
        for offer, name in zip(taken, names, strict=True)
    ]
    check_ids(source, videos, others)
    with atomic_folder(target) as folder:
        for offer, video in zip(taken, videos, strict=True):
            shutil.copyfile(offer.path, folder / video.file)
        write_index(folder, videos)
        rows = (
            {"file": one_line(offer.name)[:300], "gloss": offer.gloss, "refused because it": offer.refusal}
            for offer in offers
        )
        write_rows(folder / "import-report.csv", ["file", "gloss", "refused because it"], rows)
