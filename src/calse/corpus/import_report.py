"""What became of every file of an import, and what to do next: on the screen."""

import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from calse.corpus.naming import Offer
from calse.corpus.takes import counted_together
from calse.runtime.errors import CalseError, counted, one_line

LONGEST_LIST = 40


@dataclass(frozen=True)
class ImportReport:
    """What became of every file of a source; `folder` is where the taken ones lie.

    `spellings` are the glosses, and `signers` the signers, that go by another spelling, which came first. A `donor`
    leaves the glossary alone; `theirs` are the glosses of it that no source but a donor has.
    """

    corpus: str
    source: str
    folder: Path
    glossary: Path
    glosses: int
    offers: list[Offer]
    spellings: dict[str, str]
    signers: dict[str, str]
    donor: bool
    theirs: list[str]

    @property
    def taken(self) -> list[Offer]:
        """The files that are now raw data."""
        return [offer for offer in self.offers if not offer.refusal]


def print_report(report: ImportReport) -> None:
    """Say on the screen what was refused and why, what was taken, and what to do next.

    Raises CalseError when nothing was taken.
    """
    refused = [offer for offer in report.offers if offer.refusal]
    shown = refused[:LONGEST_LIST] if report.taken else refused  # then there is no file that has the rest
    for offer in shown:
        print(f"refused {one_line(offer.name)[:300]}: {offer.refusal}")
    if len(refused) > len(shown):
        print(f"... and {len(refused) - len(shown)} more, all in {report.folder}/import-report.csv")
    if not report.taken:
        raise CalseError(f"source {report.source}: no video was taken, {counted(len(refused), 'file')} refused")
    for what, spellings in (("glosses", report.spellings), ("signers", report.signers)):
        if spellings:
            shown_first = [f"{written} is {kept}" for written, kept in itertools.islice(spellings.items(), 8)]
            rest = len(spellings) - len(shown_first)
            print(f"{what} in another spelling: {', '.join(shown_first)}{f' and {rest} more' if rest else ''}")
    if report.theirs:
        print(f"{report.glossary} lists what no source but a donor has; remove: {', '.join(report.theirs)}")
    glosses, signers = ({getattr(offer, name) for offer in report.taken} for name in ("gloss", "signer"))
    by = f" by {len(signers)} signers" if len(signers) > 1 else ""
    print(
        f"took {counted(len(report.taken), 'video')} of {counted(len(glosses), 'gloss')}{by}, "
        f"refused {counted(len(refused), 'file')}"
    )
    print(_next_steps(report))


def _next_steps(report: ImportReport) -> str:
    """Return the commands and the lines of params.yaml that come next."""
    add, name = f"\nNext:\n  dvc add {report.folder}\n  git add {report.folder}.dvc", f"corpus.name: {report.corpus}"
    source = f"corpus.sources.{report.source}"
    if report.donor:
        return f"{add}\nand in params.yaml:\n  {name}\n  {source}.kind: donor\n  {source}.clips_per_gloss: null"
    return (
        f"{add} {report.glossary}\nand in params.yaml:\n  {name}\n  corpus.glosses: {report.glosses}\n"
        f"  {source}.clips_per_gloss: {_clips_per_gloss(report.taken)}"
    )


def _clips_per_gloss(taken: list[Offer]) -> str:
    """Return how many clips of every gloss the gate can expect, and whether fewer takes would make them even."""
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
