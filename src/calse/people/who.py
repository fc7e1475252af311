"""Who is to be forgotten: signers by name, sources, clips; and who is known."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from calse.data.donors import person
from calse.data.forgotten import name_digest
from calse.runtime.errors import CalseError


@dataclass(frozen=True)
class Who:
    """Signers, by any spelling that is one person's name, sources and ids of filmed clips."""

    signers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()

    def includes(self, source: str, signer: str, clip: str) -> bool:
        """Say whether a filmed clip is to be forgotten. A donor without a name goes by that of the source."""
        names = {person(name) for name in self.signers}
        return person(signer) in names or source in self.sources or clip in self.clips

    @property
    def digests(self) -> list[str]:
        """A hash of each name, by which a certificate can be held against a name without holding it."""
        named = [("signer", person(name)) for name in self.signers]
        named += [("source", name) for name in self.sources] + [("clip", name) for name in self.clips]
        return sorted({name_digest(what, name) for what, name in named})

    def __str__(self) -> str:
        sources, clips = (f"source {name}" for name in self.sources), (f"clip {name}" for name in self.clips)
        return ", ".join([*self.signers, *sources, *clips])


@dataclass(frozen=True)
class Filmed:
    """A filmed clip as some version of the study listed it; `content` is of its frames, where that is known."""

    source: str
    signer: str
    clip: str
    content: str


def as_known(who: Who, filmed: Iterable[Filmed], exactly: bool) -> Who:
    """Return the same people by every spelling that the study has of them.

    Raises CalseError for a name that no version of the study lists, and for a person who may have another name too.
    The latter is a name that differs in accents alone, or under which the same recording is listed; `exactly` lets both
    pass.
    """
    filmed = list(filmed)
    signers = sorted({one.signer for one in filmed})
    known = {person(name): name for name in signers}
    for name in who.signers:
        if person(name) not in known:
            raise CalseError(
                f"no version of the study has a signer {name!r}; those are: {', '.join(signers) or 'none'}"
            )
    sources, clips = sorted({one.source for one in filmed}), {one.clip for one in filmed}
    for name in who.sources:
        if name not in sources:
            raise CalseError(
                f"no version of the study has a source {name!r}; those are: {', '.join(sources) or 'none'}"
            )
    for name in who.clips:
        if name not in clips:
            raise CalseError(f"no version of the study has a filmed clip {name!r}; see data/manifests/sources")
    if not exactly:
        _check_other_names(who, filmed)
    wanted = {person(name) for name in who.signers}
    return replace(who, signers=tuple(name for name in signers if person(name) in wanted))


def _check_other_names(who: Who, filmed: list[Filmed]) -> None:
    """Raise CalseError when a wanted person may go by another name too, which was not named."""
    wanted = {person(name) for name in who.signers}
    letters: dict[str, set[str]] = defaultdict(set)
    recordings: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for one in filmed:
        letters[_without_accents(one.signer)].add(one.signer)
        if one.content:
            recordings[one.content].add((one.source, one.signer))
    for name in who.signers:
        others = sorted(other for other in letters[_without_accents(name)] if person(other) not in wanted)
        if others:
            _ask(who, name, others)
    for one in filmed:
        if who.includes(one.source, one.signer, one.clip) and one.content:
            others = sorted(
                signer for source, signer in recordings[one.content] if not who.includes(source, signer, one.clip)
            )
            if others:
                _ask(who, one.signer, others, f"; clip {one.clip} is listed under both")


def _ask(who: Who, name: str, others: list[str], why: str = "") -> None:
    """Raise CalseError asking to name all spellings, or to say --exactly."""
    both = " ".join(repr(other) for other in dict.fromkeys([*who.signers, *others]))
    raise CalseError(
        f"signer {name!r} may be {', '.join(map(repr, others))} too{why}; name all: calse forget {both}, or one "
        "alone: --exactly"
    )


def _without_accents(name: str) -> str:
    """Return the letters and digits of a name alone."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if unicodedata.category(char)[0] in "LN")
    return plain.casefold()
