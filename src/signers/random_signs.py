"""Random signs beyond any vocabulary: what an encoder of movements learns to tell apart. Nobody's language."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from signers.hands import BENDS, ORIENTATIONS, PLACES, SHAPES, Hand

FINGERS = ("open", "closed", "half", "flat", "slight")  # of BENDS
FINGER_ODDS = (0.38, 0.34, 0.12, 0.08, 0.08)
THUMBS = np.array([(10, 0, 0), (-18, -5, 0), (48, 25, 35), (52, 30, 40), (-25, -8, -5), (30, 5, 10)])
SPACE = ((-0.15, -0.42, -0.24), (0.30, -0.20, 0.20))  # where a wrist may be: least and greatest (x, y, z) metres
MOVEMENTS = {"path": 0.30, "repeated": 0.27, "circle": 0.13, "wiggle": 0.15, "twist": 0.10, "hold": 0.05}
MANNERS = {"one": 0.50, "alike": 0.27, "base": 0.17, "in turn": 0.06}  # what the two hands do

Keys = Sequence[tuple[Hand, Hand | None]]  # right and left hand at even times; a left hand of None rests


def random_sign(rng: np.random.Generator) -> Keys:
    """Return the keyframes of a random sign, two or more."""
    hands = _moved(rng.choice(list(MOVEMENTS), p=list(MOVEMENTS.values())), rng)
    manner = rng.choice(list(MANNERS), p=list(MANNERS.values()))
    if manner == "one":
        return [(hand, None) for hand in hands]
    if manner == "alike":
        return [(hand, hand) for hand in hands]
    if manner == "base":
        base = _hand(_shape(rng), rng)
        return [(hand, base) for hand in hands]
    return [(hand, hands[len(hands) - 1 - i]) for i, hand in enumerate(hands)]


def _moved(movement: str, rng: np.random.Generator) -> list[Hand]:
    """Return one hand's way."""
    first = _hand(_shape(rng), rng)
    if movement == "hold":
        return [first, first]
    rounds = int(rng.integers(1, 3))
    if movement == "circle":
        axes = rng.normal(size=(2, 3)) * rng.uniform(0.03, 0.09) / 1.7
        angles = np.linspace(0, 2 * np.pi * rounds, 8 * rounds + 1)
        steps = np.outer(np.cos(angles), axes[0]) + np.outer(np.sin(angles), axes[1])
        return [first._replace(wrist=first.wrist + step) for step in steps]
    if movement == "wiggle":
        away = rng.normal(0, 18, (2, 16)) * ([1] * 15 + [0])
        return [first._replace(shape=first.shape + away[i % 2]) for i in range(2 * rounds + 3)]
    if movement == "twist":
        axis = first.direction / np.linalg.norm(first.direction)
        turns = Rotation.from_rotvec(np.outer(rng.uniform(0.4, 1.1) * np.array([-1, 1]), axis)).as_matrix()
        return [first._replace(palm=turns[i % 2] @ first.palm) for i in range(2 * rounds + 2)]
    second = _next(first, rng)
    if movement == "path":
        return [first, second] if rng.random() < 0.6 else [first, second, _next(second, rng)]
    return [first, second] * (rounds + 1)


def _next(hand: Hand, rng: np.random.Generator) -> Hand:
    """Return where a hand goes: elsewhere, and at times it opens, closes or turns on the way."""
    there = _hand(_shape(rng) if rng.random() < 0.25 else hand.shape, rng)
    if rng.random() < 0.6:  # a short way
        there = there._replace(wrist=hand.wrist + rng.normal(0, 0.07, 3))
    return there if rng.random() < 0.3 else there._replace(direction=hand.direction, palm=hand.palm)


def _hand(shape: np.ndarray, rng: np.random.Generator) -> Hand:
    """Return a hand of a shape somewhere in the signing space."""
    wrist = np.array(PLACES[rng.choice(list(PLACES))]) + rng.normal(0, 0.04, 3)
    if rng.random() < 0.25:
        wrist = rng.uniform(*SPACE)
    direction, palm = ORIENTATIONS[rng.choice([name for name in ORIENTATIONS if name != "rest"])]
    turn = Rotation.from_rotvec(rng.normal(0, np.radians(25), 3)).as_matrix()
    return Hand(wrist, turn @ direction, turn @ palm, shape)


def _shape(rng: np.random.Generator) -> np.ndarray:
    """Return the angles of a hand's joints: a named shape, or each finger for itself."""
    if rng.random() < 0.35:
        shape = SHAPES[rng.choice(list(SHAPES))]
    else:
        fingers = rng.choice(FINGERS, 4, p=FINGER_ODDS)
        if rng.random() < 0.45:
            fingers[:] = fingers[0]
        thumb = THUMBS[rng.integers(len(THUMBS))]
        shape = np.concatenate([thumb, *(BENDS[finger] for finger in fingers), [rng.choice((0, 6, 12))]])
    return np.asarray(shape + rng.normal(0, 5, 16))
