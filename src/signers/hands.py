"""Where a hand is, how it is turned and what shape it has: the words that glosses are written in.

Positions are of the wrist, in metres from the middle of the shoulders: x to the hand's own side, y to the
back, z up; both hands read the same words, mirrored.
"""

from typing import NamedTuple

import numpy as np

Vector = tuple[float, float, float]

PLACES: dict[str, Vector] = {
    "neutral": (0.17, -0.28, -0.13),
    "chest": (0.06, -0.22, -0.13),
    "chin": (0.07, -0.23, 0.00),
    "forehead": (0.13, -0.23, 0.15),
    "cheek": (0.14, -0.22, 0.06),
    "side": (0.23, -0.24, 0.02),
    "belly": (0.05, -0.24, -0.21),
    "high": (0.22, -0.24, 0.17),
    "cross": (-0.12, -0.26, -0.08),
    "forward": (0.10, -0.40, -0.06),
}

ORIENTATIONS: dict[str, tuple[Vector, Vector]] = {  # where the fingers point, where the palm looks
    "out": ((0, -0.1, 1), (0, -1, 0)),
    "in": ((-0.5, -0.1, 0.85), (0, 1, 0.1)),
    "down": ((-0.5, -0.85, 0.05), (0, 0, -1)),
    "up": ((-0.35, -0.9, 0.1), (0, 0.1, 1)),
    "side": ((0, -0.6, 0.8), (-1, 0, 0)),
    "across": ((-1, -0.1, 0.15), (0, 1, 0)),
    "ahead": ((-0.15, -1, 0.1), (-1, 0, 0)),
    "rest": ((-0.9, -0.35, -0.15), (0, 0.5, -1)),
}

BENDS: dict[str, Vector] = {  # degrees of a finger's three joints
    "open": (0, -12, -4),
    "closed": (82, 88, 60),
    "half": (40, 45, 30),
    "flat": (75, 0, 0),
    "slight": (20, 15, 10),
}
_OPEN, _CLOSED = BENDS["open"], BENDS["closed"]


def _shape(thumb: Vector, fingers: list[Vector], spread: float) -> np.ndarray:
    return np.array([*thumb, *np.ravel(fingers), spread], float)


# Degrees: thumb (opposition, two bends), index to little finger (three bends each), spread between fingers.
SHAPES: dict[str, np.ndarray] = {
    "flat": _shape((10, 0, 0), [_OPEN] * 4, 0),
    "five": _shape((-18, -5, 0), [_OPEN] * 4, 12),
    "fist": _shape((48, 25, 35), [_CLOSED] * 4, 0),
    "one": _shape((52, 30, 40), [_OPEN, _CLOSED, _CLOSED, _CLOSED], 0),
    "two": _shape((52, 30, 40), [_OPEN, _OPEN, _CLOSED, _CLOSED], 11),
    "ell": _shape((-25, -8, -5), [_OPEN, _CLOSED, _CLOSED, _CLOSED], 0),
    "why": _shape((-25, -8, -5), [_CLOSED, _CLOSED, _CLOSED, _OPEN], 5),
    "horns": _shape((50, 30, 40), [_OPEN, _CLOSED, _CLOSED, _OPEN], 5),
    "three": _shape((-20, -5, 0), [_OPEN, _OPEN, _CLOSED, _CLOSED], 11),
    "thumb": _shape((-28, -10, -8), [_CLOSED] * 4, 0),
    "claw": _shape((5, 10, 20), [(15, 45, 35)] * 4, 10),
    "bunch": _shape((45, 10, 10), [(52, 25, 15)] * 4, -4),
    "cup": _shape((30, 5, 10), [(35, 30, 20)] * 4, 0),
    "ring": _shape((45, 20, 20), [(58, 48, 25), _OPEN, _OPEN, _OPEN], 8),
    "hook": _shape((52, 30, 40), [(15, 80, 45), _CLOSED, _CLOSED, _CLOSED], 0),
    "little": _shape((52, 30, 40), [_CLOSED, _CLOSED, _CLOSED, _OPEN], 0),
    "four": _shape((50, 25, 30), [_OPEN] * 4, 8),
    "bent": _shape((10, 0, 0), [(78, 0, 0)] * 4, 0),
    "double": _shape((50, 28, 35), [(15, 70, 40), (15, 70, 40), _CLOSED, _CLOSED], 8),
    "middle": _shape((5, 5, 10), [_OPEN, (55, 20, 10), _OPEN, _OPEN], 8),
}


class Hand(NamedTuple):
    """One hand at one moment: wrist, where the fingers point, where the palm looks (3 each), shape (16)."""

    wrist: np.ndarray
    direction: np.ndarray
    palm: np.ndarray
    shape: np.ndarray


def hand(place: str, orientation: str, shape: str, x: float = 0, y: float = 0, z: float = 0) -> Hand:
    """Return a hand at a place, moved by (x, y, z) metres."""
    direction, palm = ORIENTATIONS[orientation]
    return Hand(np.add(PLACES[place], (x, y, z)), np.array(direction, float), np.array(palm, float), SHAPES[shape])


def mix(first: Hand, second: Hand, share: float) -> Hand:
    """Return the hand on the way from the first (share 0) to the second (share 1)."""
    return Hand._make(a * (1 - share) + b * share for a, b in zip(first, second, strict=True))


_DIRECTION, _PALM = ORIENTATIONS["rest"]
REST = Hand(np.array([0.10, -0.22, -0.42]), np.array(_DIRECTION), np.array(_PALM), SHAPES["cup"])
