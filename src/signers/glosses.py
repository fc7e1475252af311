"""Glosses as data. The movements are invented: the names are real words, the signs are nobody's LSE.

A gloss is keyframes of both hands, a mouth pattern and brows. On purpose there are pairs that differ only in the
face (JUGAR, BROMEAR), only in the handshape (COMER, BEBER), only in the place (PENSAR, SENTIR), and glosses that
put hands over the face (CASA, MADRE).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from signers.face import BROWS, MOUTHS
from signers.hands import ORIENTATIONS, PLACES, REST, SHAPES, Hand, hand


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


def _one(*hands: Hand) -> tuple[Key, ...]:
    """The right hand goes through positions at an even pace."""
    return tuple(Key(float(time), right) for time, right in zip(np.linspace(0, 1, len(hands)), hands, strict=True))


def _both(*hands: Hand) -> tuple[Key, ...]:
    """Both hands do the same, mirrored."""
    return tuple(Key(key.time, key.right, key.right) for key in _one(*hands))


def _over(base: Hand, *hands: Hand) -> tuple[Key, ...]:
    """The right hand moves, the left one is held still."""
    return tuple(Key(key.time, key.right, base) for key in _one(*hands))


def _in_turn(first: Hand, second: Hand, times: int) -> tuple[Key, ...]:
    """The hands change places again and again."""
    pairs = [(first, second), (second, first)]
    return tuple(Key(i / times, *pairs[i % 2]) for i in range(times + 1))


def _to_mouth(shape: str) -> tuple[Key, ...]:
    near, far = hand("chin", "in", shape, 0.02, -0.02, -0.05), hand("neutral", "in", shape, -0.02, 0, -0.06)
    return _one(far, near, far, near)


def _tap(place: str, shape: str) -> tuple[Key, ...]:
    near, far = hand(place, "in", shape, 0.03), hand(place, "in", shape, 0.10, -0.08)
    return _one(far, near, far, near)


_GAME = _in_turn(hand("neutral", "in", "why", 0, 0, 0.08), hand("neutral", "out", "why", 0.03, 0, -0.06), 4)

HAND_WRITTEN: tuple[Gloss, ...] = (
    Gloss(
        "HOLA",
        _one(
            hand("forehead", "out", "flat"),
            hand("high", "out", "flat"),
            hand("forehead", "out", "flat", 0.02),
            hand("high", "out", "flat"),
        ),
        "oa",
        "up",
    ),
    Gloss(
        "NO", _one(*(hand("neutral", "out", "one", x, 0, 0.12) for x in (-0.06, 0.09, -0.06, 0.09, -0.06))), "o", "down"
    ),
    Gloss(
        "AÑO",
        _over(
            hand("belly", "in", "fist"),
            *(
                hand("chest", "in", "fist", x, -0.03, z)
                for x, z in ((0, 0), (0.12, 0.07), (0, 0.14), (-0.1, 0.07), (0, 0))
            ),
        ),
        "ao",
    ),
    Gloss(
        "CASA",
        _both(
            hand("cheek", "side", "flat", -0.11, 0, 0.02),
            hand("side", "side", "flat", -0.02, 0, 0),
            hand("side", "side", "flat", -0.02, 0, -0.2),
        ),
        "aa",
    ),
    Gloss(
        "MADRE",
        _one(*(hand("chin", "across", "flat", 0.03, y, z) for y, z in ((-0.03, 0.14), (-0.17, 0.05), (-0.03, 0.14)))),
        "mae",
    ),
    Gloss(
        "DÍA",
        _over(
            hand("belly", "up", "flat"),
            hand("cross", "in", "one", 0.02, 0, -0.04),
            hand("neutral", "in", "one", -0.10, -0.04, 0.10),
            hand("side", "in", "one", 0.02, 0, -0.04),
        ),
        "ia",
    ),
    Gloss("JUGAR", _GAME, "ua", "up"),
    Gloss("BROMEAR", _GAME, "fi", "down"),
    Gloss("COMER", _to_mouth("bunch"), "oe"),
    Gloss("BEBER", _to_mouth("thumb"), "ee"),
    Gloss("PENSAR", _tap("forehead", "one"), "ea", "down"),
    Gloss("SENTIR", _tap("chest", "one"), "ei"),
    Gloss(
        "GRANDE",
        _both(hand("chest", "side", "five", -0.02), hand("side", "side", "five", 0.02, -0.02, 0.02)),
        "ae",
        "up",
    ),
    Gloss(
        "SUBIR", _both(hand("belly", "up", "flat", 0.05), hand("high", "up", "flat", 0.01, -0.04, -0.02)), "ui", "up"
    ),
    Gloss(
        "AMIGO",
        _both(
            hand("chest", "across", "cup", 0.03, -0.04),
            hand("chest", "across", "cup", -0.02, -0.04, 0.04),
            hand("chest", "across", "cup", 0.03, -0.04),
        ),
        "aio",
    ),
    Gloss("LIBRO", _both(hand("chest", "ahead", "flat", -0.03, -0.04), hand("chest", "up", "flat", 0.06, -0.04)), "io"),
    Gloss("AGUA", _one(*(hand("chin", "in", "three", x, -0.03, -0.02) for x in (0, 0.06, 0, 0.06))), "aua"),
    Gloss(
        "MIRAR",
        _one(hand("cheek", "ahead", "two", 0, -0.02), hand("forward", "ahead", "two", 0.08, 0, 0.10)),
        "ia",
        "up",
    ),
    Gloss(
        "ENFADADO",
        _both(
            hand("chest", "in", "claw", 0.04, 0, -0.06),
            hand("chest", "in", "claw", 0.08, 0, 0.12),
            hand("chest", "in", "fist", 0.08, 0, 0.12),
        ),
        "fa",
        "down",
    ),
    Gloss(
        "GORDO", _both(hand("cheek", "side", "claw", 0.02), hand("cheek", "side", "claw", 0.08, 0, -0.02)), "p", "up"
    ),
    Gloss("BUENO", _one(hand("chin", "in", "bunch"), hand("forward", "up", "five", 0.06, 0, 0.06)), "ueo", "up"),
    Gloss("QUÉ", _both(*(hand("neutral", "up", "five", x) for x in (0, 0.07, 0, 0.07))), "e", "down"),
    Gloss("LLAMAR", _one(*(hand("cheek", "side", "why", x) for x in (0.0, 0.06, 0.0))), "aa"),
    Gloss("NIÑO", _one(*(hand("side", "down", "flat", 0, 0, z) for z in (-0.12, -0.18, -0.12, -0.18))), "io"),
)


def _drawn(names: Iterable[str], rng: np.random.Generator) -> str:
    return str(rng.choice([name for name in names if name != "rest"]))


def _drawn_hand(rng: np.random.Generator, shape: str) -> Hand:
    return hand(_drawn(PLACES, rng), _drawn(ORIENTATIONS, rng), shape, *rng.uniform(-0.05, 0.05, 3))


def drawn_gloss(number: int) -> Gloss:
    """Return the procedural gloss `SIGNO-<number>`: the same one for the same number, always."""
    rng = np.random.default_rng([1789, number])
    first, last = _drawn(SHAPES, rng), _drawn(SHAPES, rng)
    hands = [_drawn_hand(rng, first) for _ in range(rng.integers(1, 4))] + [_drawn_hand(rng, last)]
    way = rng.integers(3)
    keys = _one(*hands) if way == 0 else _both(*hands) if way == 1 else _over(_drawn_hand(rng, last), *hands)
    mouth = "".join(_drawn(MOUTHS, rng) for _ in range(rng.integers(1, 4)))
    return Gloss(f"SIGNO-{number:04d}", keys, mouth, _drawn(BROWS, rng))


def glosses(count: int) -> list[Gloss]:
    """Return the first `count` glosses: the hand-written ones in their order, then procedural ones."""
    return [*HAND_WRITTEN[:count], *(drawn_gloss(number) for number in range(len(HAND_WRITTEN) + 1, count + 1))]


# What a donor says to the camera: all that a signer's face may do, and no hand before it.
SCRIPT = (("aeoi", "flat"), ("uaem", "up"), ("ofai", "down"), ("eoua", "up"), ("iaoe", "down"))


def speech(take: int) -> Gloss:
    """Return what every donor says in a take, 1 or more: spoken with resting hands, and no sign."""
    mouth, brows = SCRIPT[(take - 1) % len(SCRIPT)]
    return Gloss("SPEECH", (Key(0, REST, REST), Key(1, REST, REST)), mouth, brows)
