"""Glosses composed by a seed: handshape, place, orientation, movement, hands and face, as sign languages combine them.

Any two compositions differ in at least APART of these six, except minimal pairs: every PAIR_EVERY-th one repeats an
earlier one in all but a single parameter, each of the six in its turn. docs/corpus.md tells more.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from signers.face import BROWS, MOUTHS
from signers.gloss import Gloss, both_hands, in_turn, one_hand, over_base
from signers.hands import ORIENTATIONS, PLACES, SHAPES, Hand, Vector, hand

APART, PAIR_EVERY, SEED = 2, 10, 1789
MANNERS = {"one": 0.45, "both": 0.27, "base": 0.18, "turn": 0.10}  # what the hands do, and how often
CROSSING = ("cross", "across")  # a place and a movement that two hands alike would collide in
OUTWARDS = [name for name in ORIENTATIONS if name != "rest"]
STEADY = ("open", "close", "wiggle", "twist", "nod", "shake", "tap")  # what the hands can do in turn


def _moved_by(hand: Hand, *steps: Vector) -> list[Hand]:
    """Return a hand moved by each of some steps."""
    return [hand._replace(wrist=hand.wrist + step) for step in steps]


def _turned(hand: Hand, axis: np.ndarray, *degrees: float) -> list[Hand]:
    """Return a hand turned about an axis by each of some angles."""
    turns = Rotation.from_rotvec(np.outer(np.radians(degrees), axis / np.linalg.norm(axis))).as_matrix()
    return [hand._replace(direction=turn @ hand.direction, palm=turn @ hand.palm) for turn in turns]


def _circle(hand: Hand) -> list[Hand]:
    """Return a hand on its way round a circle, twice."""
    angles = np.linspace(0, 4 * np.pi, 13)
    return [hand._replace(wrist=hand.wrist + 0.06 * np.array([np.sin(a), 0, np.cos(a)])) for a in angles]


def _wiggle(hand: Hand) -> list[Hand]:
    """Return a hand whose fingers bend and stretch in turn."""
    bends = np.array([0, 0, 0, *[30, 10, 10, -5, 0, 0] * 2, 0])
    return [hand._replace(shape=hand.shape + bends * sign) for sign in (1, -0.4, 1, -0.4, 1, -0.4, 1)]


MOVEMENTS: dict[str, Callable[[Hand], list[Hand]]] = {
    "away": lambda h: _moved_by(h, (0, 0.03, 0), (0, -0.13, 0)),
    "up": lambda h: _moved_by(h, (0, 0, -0.06), (0, 0, 0.10)),
    "down": lambda h: _moved_by(h, (0, 0, 0.06), (0, 0, -0.10)),
    "aside": lambda h: _moved_by(h, (-0.02, 0, 0), (0.14, 0, 0)),
    "across": lambda h: _moved_by(h, (0.06, 0, 0), (-0.10, 0, 0)),
    "arc": lambda h: _moved_by(h, (-0.03, 0, 0), (0.02, 0, 0.10), (0.10, 0, 0.10), (0.15, 0, 0)),
    "circle": _circle,
    "tap": lambda h: _moved_by(h, (0.04, -0.09, 0), (0, 0, 0), (0.04, -0.09, 0), (0, 0, 0), (0.04, -0.09, 0)),
    "shake": lambda h: _moved_by(h, *[(-0.05, 0, 0), (0.05, 0, 0)] * 3),
    "nod": lambda h: _turned(h, np.cross(h.direction, h.palm), -20, 45, -20, 45, -20),
    "twist": lambda h: _turned(h, h.direction, -50, 50, -50, 50, -50),
    "open": lambda h: [h, h, h._replace(shape=SHAPES["five"]), h._replace(shape=SHAPES["five"])],
    "close": lambda h: [h, h, h._replace(shape=SHAPES["fist"]), h._replace(shape=SHAPES["fist"])],
    "wiggle": _wiggle,
}


class Composition(NamedTuple):
    """The six parameters of a gloss; `face` is a mouth pattern and brows."""

    shape: str
    place: str
    orientation: str
    movement: str
    hands: str
    face: tuple[str, str]

    def gloss(self, name: str) -> Gloss:
        """Return the gloss as keyframes."""
        way = MOVEMENTS[self.movement](hand(self.place, self.orientation, self.shape))
        base = hand("belly", "up", "flat", 0.03, -0.02, 0.02)
        keys = {
            "one": lambda: one_hand(*way),
            "both": lambda: both_hands(*way),
            "base": lambda: over_base(base, *way),
            "turn": lambda: in_turn(way[0], way[-1] if way[1] is way[0] else way[1], 6),
        }[self.hands]()
        return Gloss(name, keys, *self.face)


def differing(one: Composition, other: Composition) -> int:
    """Return in how many parameters two compositions differ; faces only when brows do, or no letter is shared."""
    faces = one.face[1] != other.face[1] or not set(one.face[0]) & set(other.face[0])
    return faces + sum(a != b for a, b in zip(one[:-1], other[:-1], strict=True))


def compositions(count: int) -> list[Composition]:
    """Return the first `count` compositions: the same ones in the same order, always."""
    return list(_composed(-(-max(count, 0) // 100) * 100)[: max(count, 0)])


@cache
def _composed(count: int) -> tuple[Composition, ...]:
    """Compose glosses until there are so many."""
    rng, found = np.random.default_rng(SEED), [_drawn(np.random.default_rng(SEED + 1))]
    while len(found) < count:
        pairs, place = divmod(len(found), PAIR_EVERY)
        twin = found[rng.integers(len(found))] if place == 0 else None
        new = _drawn(rng) if twin is None else _but_for(twin, Composition._fields[pairs % 6], rng)
        apart = all(differing(new, other) >= APART for other in found if other is not twin)
        if _feasible(new) and apart and (twin is None or differing(new, twin) == 1):
            found.append(new)
    return tuple(found)


def _drawn(rng: np.random.Generator) -> Composition:
    """Draw a composition, feasible or not."""

    def one_of(names: Any, odds: Any = None) -> str:
        """Draw one of some values."""
        return str(rng.choice(list(names), p=odds))

    mouth = "".join(one_of(MOUTHS) for _ in range(rng.integers(1, 4)))
    return Composition(
        shape=one_of(SHAPES),
        place=one_of(PLACES),
        orientation=one_of(OUTWARDS),
        movement=one_of(MOVEMENTS),
        hands=one_of(MANNERS, list(MANNERS.values())),
        face=(mouth, one_of(BROWS, [0.5, 0.25, 0.25])),
    )


def _but_for(twin: Composition, parameter: str, rng: np.random.Generator) -> Composition:
    """Return a composition that shares all but one parameter; a face differs in brows and in every letter."""
    new = _drawn(rng)
    face = new.face if new.face[1] != twin.face[1] and not set(new.face[0]) & set(twin.face[0]) else twin.face
    changes: dict[str, Any] = {parameter: face if parameter == "face" else getattr(new, parameter)}
    return twin._replace(**changes)


def _feasible(one: Composition) -> bool:
    """Tell whether two hands would not collide, and whether the movement shows."""
    alike = one.hands in ("both", "turn")
    collide = alike and (one.place in CROSSING or one.movement in CROSSING)
    still = (one.movement, one.shape) in (("open", "five"), ("open", "flat"), ("close", "fist"), ("wiggle", "fist"))
    return not collide and not still and (one.hands != "turn" or one.movement in STEADY)
