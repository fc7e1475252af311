"""What an import would have twice: a file that a table lists again, a content, a clip id of another source."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from calse.corpus.naming import Offer
from calse.corpus.raw import RawVideo, ids_of
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of


def listed_once(offers: list[Offer]) -> list[Offer]:
    """Refuse a file that a table lists again; where the rows contradict each other all of them, as none can be trusted.

    Rows contradict each other when gloss, signer or take differ.
    """
    rows: dict[str, list[Offer]] = defaultdict(list)
    for offer in offers:
        if not offer.refusal:
            rows[os.path.normpath(offer.path)].append(offer)
    result, listed = [], set()
    for offer in offers:
        path = os.path.normpath(offer.path)
        if not offer.refusal and len(rows[path]) > 1:
            why = _contradiction(rows[path])
            if why or path in listed:
                offer = offer.refused(f"is listed twice{why}")
            listed.add(path)
        result.append(offer)
    return result


def _contradiction(rows: Sequence[Offer]) -> str:
    """Return in what rows about one file differ; nothing when they agree."""
    for what in ("gloss", "signer", "take"):
        values = list(dict.fromkeys(str(getattr(row, what) or "none") for row in rows))
        if len(values) > 1:
            return f", as {'' if what == 'gloss' else f'{what} '}{' and '.join(values)}; keep the right row"
    return ""


def without_copies(
    offers: list[Offer], others: Mapping[str, Iterable[RawVideo]], forgotten: frozenset[str] = frozenset()
) -> list[Offer]:
    """Hash what is left and refuse a file whose bytes came already, here or in another source, or were forgotten."""
    known = {video.sha256: f"{source}/{video.file}" for source, videos in others.items() for video in videos}
    result = []
    for offer in offers:
        if not offer.refusal:
            offer = dataclasses.replace(offer, sha256=sha256_of(offer.path))
            if offer.sha256 in forgotten:
                offer = offer.refused("shows somebody who was forgotten")
            elif offer.sha256 in known:
                offer = offer.refused(f"has the same content as {known[offer.sha256]}")
            known.setdefault(offer.sha256, offer.name)
        result.append(offer)
    return result


def check_ids(source: str, videos: Sequence[RawVideo], others: Mapping[str, Sequence[RawVideo]]) -> None:
    """Refuse a source whose clips would be called as those of another: `B-C` of `A` is `A-B-C-1`, as is `C` of `A-B`.

    Raises CalseError naming both.
    """
    taken = {
        name.casefold(): (other, video)
        for other, theirs in others.items()
        for name, video in zip(ids_of(other, theirs), theirs, strict=True)
    }
    for name, video in zip(ids_of(source, videos), videos, strict=True):
        if name.casefold() in taken:
            other, twin = taken[name.casefold()]
            raise CalseError(
                f"--source {source}: its gloss {video.gloss} would be clip {name}, as is gloss {twin.gloss} of source "
                f"{other}; choose another name for the source"
            )
