"""Which repetition every offered file is: takes are counted by gloss and signer."""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterator

from calse.corpus.naming import Offer
from calse.data.clips import slug


def numbered(offers: list[Offer]) -> list[Offer]:
    """Refuse a take that is there already; give files without a take the lowest free ones of their gloss and signer."""
    used: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    result = []
    for offer in offers:
        if not offer.refusal and offer.take is not None:
            first = used[counted_together(offer)].setdefault(offer.take, offer.name)
            if first != offer.name:
                offer = offer.refused(f"is take {offer.take} of {offer.gloss} by {offer.signer}, as is {first}")
        result.append(offer)
    free: dict[tuple[str, str], Iterator[int]] = defaultdict(lambda: itertools.count(1))
    for position, offer in enumerate(result):
        if not offer.refusal and offer.take is None:
            takes = used[counted_together(offer)]
            take = next(number for number in free[counted_together(offer)] if number not in takes)
            result[position] = dataclasses.replace(offer, take=take)
    return result


def counted_together(offer: Offer) -> tuple[str, str]:
    """Return whose takes of what are numbered together.

    Glosses or signers whose file names would be equal share their numbers, so that no file replaces another, not even
    where capitals do not count in a file's name.
    """
    return slug(offer.gloss).casefold(), slug(offer.signer).casefold()


def limited(offers: list[Offer], takes: int | None) -> list[Offer]:
    """Refuse what goes beyond a signer's first `takes` of a gloss."""
    order: dict[tuple[str, str], list[int]] = defaultdict(list)
    for offer in offers:
        if not offer.refusal:
            order[counted_together(offer)].append(offer.take or 0)
    allowed = {counted: frozenset(sorted(numbers)[:takes]) for counted, numbers in order.items()}
    return [
        offer.refused(f"is beyond --takes {takes} of {offer.gloss} by {offer.signer}")
        if not offer.refusal and offer.take not in allowed[counted_together(offer)]
        else offer
        for offer in offers
    ]
