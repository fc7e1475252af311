"""What people allow to be done with their videos: a source in params.yaml, single signers in data/consent/CORPUS.csv.

The clock is read and never written: after the last day of a grant no stage runs, so no output depends on the day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from calse.config.params import Params, Source
from calse.data.clips import Clip
from calse.data.donors import person
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.data.tables import read_table
from calse.runtime.errors import CalseError

Use = Literal["train", "swap", "show", "share"]
USES: tuple[Use, ...] = get_args(Use)
COLUMNS = ["source", "signer", *USES, "until", "licence", "consent"]
WORDS = {"": True, "yes": True, "true": True, "no": False, "false": False}  # a cell left empty takes nothing back


@dataclass(frozen=True)
class Grant:
    """What a signer of a source allows, or with an empty `signer` everybody in it; `until` is the last day, if any."""

    source: str
    signer: str
    train: bool
    swap: bool
    show: bool
    share: bool
    until: date | None
    licence: str
    consent: str

    def allows(self, use: Use, today: date) -> bool:
        """Say whether this allows a use on that day."""
        return bool(getattr(self, use)) and not self.is_over(today)

    def is_over(self, today: date) -> bool:
        """Say whether the last day has passed."""
        return self.until is not None and today > self.until

    @property
    def whose(self) -> str:
        """The source, and the signer where it is one's own."""
        return f"source {self.source}" + (f", signer {self.signer}" if self.signer else "")


@dataclass(frozen=True)
class Consent:
    """Every grant of a corpus: what sources allow, and what single signers take back of it; `file` lists the latter."""

    file: Path
    sources: dict[str, Grant]
    signers: tuple[Grant, ...]

    def permits(self, clip: Clip, use: Use) -> bool:
        """Say whether all who have a say in a clip allow a use of it today."""
        found = self.grants_of(clip.source, clip.signer)
        return bool(found) and all(grant.allows(use, date.today()) for grant in found)

    def grants_of(self, source: str, signer: str) -> list[Grant]:
        """Return the grants that a signer's clips need, all of them; none where nobody has allowed anything.

        That is an unknown source, or a signer who is not listed while others of the same source are.
        """
        listed = [grant for grant in self.signers if grant.source == source]
        own = [grant for grant in listed if person(grant.signer) in ("", person(signer))]
        if source not in self.sources or (listed and not own):
            return []
        return [self.sources[source], *own]

    def denied_sources(self, use: Use) -> frozenset[str]:
        """Return the sources of which somebody does not allow a use today."""
        grants = [*self.sources.values(), *self.signers]
        return frozenset(grant.source for grant in grants if not grant.allows(use, date.today()))


def read_consent(params: Params, layout: Layout) -> Consent:
    """Return what the people of the corpus allow. Raises CalseError naming what is wrong in the table of signers."""
    sources = {name: _grant_of(name, source) for name, source in params.corpus.sources.items()}
    file = layout.consent(params.corpus.name)
    rows = read_table(file, COLUMNS) if file.is_file() else []
    signers = tuple(_row_of(row, file) for row in rows)
    first: dict[tuple[str, str], Grant] = {}
    for grant in signers:
        if grant.source not in sources:
            raise CalseError(
                f"{file}: {grant.source!r} is no source of corpus {params.corpus.name}; those are: {', '.join(sources)}"
            )
        twin = first.setdefault((grant.source, person(grant.signer)), grant)
        if twin is not grant:
            raise CalseError(f"{file}: {grant.whose} is listed twice, also as {twin.signer!r}; keep one row")
    return Consent(file, sources, signers)


def _grant_of(name: str, source: Source) -> Grant:
    """Return what a source allows by params.yaml."""
    until = date.fromisoformat(source.until) if source.until else None
    uses = (source.train, source.swap, source.show, source.share)
    return Grant(name, "", *uses, until, source.licence, source.consent)


def _row_of(row: dict[str, str], file: Path) -> Grant:
    """Return what a row of the table allows. Raises CalseError naming a cell that cannot be read."""
    where = f"{file}: source {row['source']}" + (f", signer {row['signer']}" if row["signer"] else "")
    uses = {}
    for use in USES:
        if row[use].casefold() not in WORDS:
            raise CalseError(f"{where}: {use} is {row[use]!r:.40}; write yes or no, or leave it empty")
        uses[use] = WORDS[row[use].casefold()]
    try:
        until = date.fromisoformat(row["until"]) if row["until"] else None
    except ValueError:
        raise CalseError(f"{where}: until is {row['until']!r:.40}; write a day as 2027-12-31") from None
    return Grant(row["source"], row["signer"], **uses, until=until, licence=row["licence"], consent=row["consent"])


def needed_uses(params: Params, source: str) -> list[Use]:
    """Return what the study does with a source, sharing and showing apart: those are left out where not allowed.

    A source that is only ever tested needs nothing; whose clips are swapped is known by the sets alone (`require`).
    """
    if params.corpus.sources[source].kind == "donor":
        return ["swap"]
    return ["train"] if params.test_sources != (source,) else []


def require(params: Params, layout: Layout, sources: Iterable[str], use: Use) -> None:
    """Raise CalseError naming the first signer of these ingested sources who does not allow a use today."""
    consent = read_consent(params, layout)
    for source in sources:
        for clip in read_manifest(layout.source_manifest(source)):
            if not consent.permits(clip, use):
                raise CalseError(
                    f"source {source}, signer {clip.signer}: {use} is not allowed; `calse consent` shows what is"
                )


def check_dates(params: Params, layout: Layout) -> None:
    """Raise CalseError when a grant has ended: nothing more is made of a corpus before that is settled."""
    consent, today = read_consent(params, layout), date.today()
    over = [grant for grant in (*consent.sources.values(), *consent.signers) if grant.is_over(today)]
    if over:
        what = f"calse forget {over[0].signer!r}" if over[0].signer else f"calse forget --source {over[0].source}"
        where = consent.file if over[0] in consent.signers else f"corpus.sources.{over[0].source}.until"
        more = f" (and {len(over) - 1} more)" if over[1:] else ""
        raise CalseError(f"{over[0].whose}: consent ended on {over[0].until}{more}; renew it in {where}, or: {what}")


def terms_of(source: Source) -> str:
    """Return what is said of a source, in one line: licence, consent, its end and what is not allowed."""
    stated = {"licence": source.licence, "consent": source.consent, "until": source.until}
    terms = [f"{name}: {text}" for name, text in stated.items() if text]
    denied = {"train": "trained on", "swap": "swapped", "show": "shown", "share": "shared"}
    return "; ".join([*terms, *(f"not to be {done}" for use, done in denied.items() if not getattr(source, use))])
