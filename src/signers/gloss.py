"""What a gloss is: keyframes of both hands, mouth and brows; and the ways in which two hands move together."""

from dataclasses import dataclass

import numpy as np

from signers.hands import Hand


@dataclass(frozen=True)
class Key:
    """Where both hands are at a time in 0..1 of the movement; a left hand of None rests."""

    time: float
    right: Hand
    left: Hand | None = None


@dataclass(frozen=True)
class Gloss:
    """One sign: at least two keyframes from time 0 to 1, letters of `face.MOUTHS`, one of `face.BROWS`."""

    name: str
    keys: tuple[Key, ...]
    mouth: str
    brows: str = "flat"


def one_hand(*hands: Hand) -> tuple[Key, ...]:
    """The right hand goes through positions at an even pace."""
    return tuple(Key(float(time), right) for time, right in zip(np.linspace(0, 1, len(hands)), hands, strict=True))


def both_hands(*hands: Hand) -> tuple[Key, ...]:
    """Both hands do the same, mirrored."""
    return tuple(Key(key.time, key.right, key.right) for key in one_hand(*hands))


def over_base(base: Hand, *hands: Hand) -> tuple[Key, ...]:
    """The right hand moves, the left one is held still."""
    return tuple(Key(key.time, key.right, base) for key in one_hand(*hands))


def in_turn(first: Hand, second: Hand, times: int) -> tuple[Key, ...]:
    """The hands change places again and again."""
    pairs = [(first, second), (second, first)]
    return tuple(Key(i / times, *pairs[i % 2]) for i in range(times + 1))
