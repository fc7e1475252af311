"""The two hands of a person: a slot for each wrist of the body, followed from frame to frame."""

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from calse.landmarks.body import ELBOWS, INDICES, LITTLES, NOSE, SHOULDERS, WRISTS
from calse.landmarks.crops import Frame, Square, cut, into_picture, part_of, rotation, square_around, upwards, window
from calse.landmarks.detector import Detector
from calse.landmarks.record import HAND_POINTS, Floats
from calse.landmarks.tflite import Network

_MIN_PRESENCE = 0.5
_EVERY = 3  # frames from one search for a missing hand to the next: it costs as much as two that are followed
LOOKS_BACK = _EVERY - 1  # frames that are filled in late
# Side of the crop over the palm's box, the hand's steady points, the distance from a body's wrist to its knuckles.
_PALM_SQUARE, _HAND_SQUARE, _BODY_SQUARE = 2.6, 2.0, 5.4
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # wrist, thumb, and each finger's two lowest joints
_WRIST, _INDEX, _MIDDLE, _RING = 0, 5, 9, 13
_FROM_BODY = 0.6  # shoulder widths between the wrist of a hand and that of its body
# Shoulder widths from wrist or knuckles to the face, beyond which no hand is in front of it: .35 at most in 94 frames
# of four people in which one was.
_NEAR = 0.6
_OUTSIDE = 0.3  # shoulder widths beyond the picture's edge where no hand is sought any more
_BESIDE, _ABOVE, _BELOW = 0.35, 0.8, 1.2  # shoulder widths around the arms, over the nose, under the shoulders
_FROM_FACE = 3.0  # side of the region where palms are sought without a body, over the face's extent
_ONE_HAND = 0.25  # of a hand's extent: two hands whose middles are closer are one, found twice


class Hand(NamedTuple):
    """A hand: points `21 x 3` in pixels of the picture and in metres, presence 0..1, and whether it is a left one."""

    points: Floats
    world: Floats
    presence: float
    left: bool


class HandMesh:
    """The landmark model of a hand."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, frame: Frame, square: Square) -> Hand:
        """Return what the model takes for a hand in the square; presence tells whether it is one."""
        size = self._network.size
        points, presence, right, world = self._network(cut(frame, square, size))
        metres = world.reshape(HAND_POINTS, 3).copy()
        metres[:, :2] = metres[:, :2] @ rotation(square.angle).T
        into = into_picture(points.reshape(HAND_POINTS, 3), square, size)
        return Hand(into, metres, float(presence[0]), bool(right[0] < 0.5))


@dataclass
class Found:
    """What is found in one frame: points and presence of the face and the body, the hands at left and right wrist."""

    face: tuple[Floats, float] | None
    body: tuple[Floats, float] | None
    hands: list[Hand | None] = field(default_factory=lambda: [None, None])

    def place(self, slot: int) -> Floats | None:
        """Return where the body has the wrist of a slot, `2`."""
        return None if self.body is None else self.body[0][WRISTS[slot], :2]

    @property
    def missing(self) -> list[int]:
        """The slots without a hand."""
        return [slot for slot, hand in enumerate(self.hands) if hand is None]


class HandFollower:
    """Finds the hands in one frame after the other, each by the first way that succeeds.

    Where it was before; where the body's arm ends; where palms are seen. A missing hand is not sought in every frame:
    one that is found is followed back through the frames before.
    """

    def __init__(self, palms: Detector, mesh: HandMesh) -> None:
        self._palms, self._mesh = palms, mesh
        self._before: deque[tuple[Frame, Found]] = deque(maxlen=LOOKS_BACK)
        self._missed = [0, 0]  # frames since the hand of a slot was there

    def __call__(self, frame: Frame, found: Found, wanted: Collection[int] = (0, 1)) -> None:
        """Fill in the hands of the next frame, and those of earlier ones that are found late; none without a person.

        Only hands of the `wanted` slots are sought.
        """
        if found.body is not None or found.face is not None:
            for slot in (0, 1):
                found.hands[slot] = self._tracked(frame, found, slot) if slot in wanted else None
                is_missed = slot in wanted and found.hands[slot] is None
                self._missed[slot] = self._missed[slot] + 1 if is_missed else 0
            # A missing hand is sought at once, and when that did not help, now and then.
            due = [slot for slot in found.missing if self._missed[slot] <= _EVERY or self._missed[slot] % _EVERY == 0]
            sought = [slot for slot in due if slot in wanted and not _is_outside(frame, found, slot)]
            for slot in sought:
                self._fill(found, slot, self._at_wrist(frame, found, slot))
            if any(slot in found.missing for slot in sought):
                self._look(frame, found)
            _drop_twin(found)
        self._before.append((frame, found))

    def _fill(self, found: Found, slot: int, hand: Hand | None) -> None:
        """Give a hand to a slot and follow it back to where it was sought last."""
        found.hands[slot] = hand
        for frame, earlier in reversed(self._before):
            if hand is None or slot not in earlier.missing:
                break
            again = self._hand(frame, earlier, slot, square_of_hand(hand.points))
            hand = earlier.hands[slot] = again or self._at_wrist(frame, earlier, slot)

    def _tracked(self, frame: Frame, found: Found, slot: int) -> Hand | None:
        """Look where the hand was in the frame before."""
        before = self._before[-1][1].hands[slot] if self._before else None
        return None if before is None else self._hand(frame, found, slot, square_of_hand(before.points))

    def _at_wrist(self, frame: Frame, found: Found, slot: int) -> Hand | None:
        """Look where the body's arm ends, and then again closer at what is there."""
        if found.body is None:
            return None
        points = found.body[0][:, :2]
        knuckles = (2 * points[INDICES[slot]] + points[LITTLES[slot]]) / 3
        wrist = points[WRISTS[slot]]
        side = max(1.0, _BODY_SQUARE * float(np.linalg.norm(knuckles - wrist)))
        square = Square(float(knuckles[0]), float(knuckles[1]), side, upwards(wrist, knuckles)).moved_up(0.1)
        first = self._hand(frame, found, slot, square)
        return None if first is None else self._hand(frame, found, slot, square_of_hand(first.points))

    def _look(self, frame: Frame, found: Found) -> None:
        """Detect palms around arms or face, and give the hands there to the slots that miss one."""
        rows, columns = _region(frame, found)
        corner = np.array([columns.start, rows.start], np.float32)
        for palm in self._palms(part_of(frame, rows, columns)):
            around = square_around(palm.box.reshape(2, 2) + corner, 0, 1)
            turned = around._replace(angle=upwards(palm.points[0], palm.points[2]))  # wrist, the middle finger's root
            square = turned.moved_up(0.5)._replace(side=around.side * _PALM_SQUARE)
            if not found.missing or any(hand is not None and _is_about(square, hand) for hand in found.hands):
                continue
            hand = self._mesh(frame, square)
            slot = _slot(found, hand)
            if slot is not None:
                self._fill(found, slot, hand)

    def _hand(self, frame: Frame, found: Found, slot: int, square: Square) -> Hand | None:
        """Return the hand in a square when it is the person's."""
        hand = self._mesh(frame, square)
        return hand if _belongs(found, slot, hand) else None


def square_of_hand(points: Floats) -> Square:
    """Return where to look for a hand, `21 x 2 or 3`, again."""
    knuckles = (points[_MIDDLE] + (points[_INDEX] + points[_RING]) / 2) / 2
    square = square_around(points[_STEADY, :2], upwards(points[_WRIST, :2], knuckles[:2]), 1)
    return square.moved_up(0.1)._replace(side=max(1.0, square.side * _HAND_SQUARE))


def near_face(found: Found) -> set[int]:
    """Return the slots whose hand may be in front of the face, as the body's arms say; all without face or body."""
    if found.body is None or found.face is None:
        return {0, 1}
    low, high = found.face[0][:, :2].min(axis=0), found.face[0][:, :2].max(axis=0)
    hands = found.body[0][list(zip(WRISTS, LITTLES, INDICES, strict=True)), :2]
    away = np.linalg.norm(np.maximum(0, np.maximum(low - hands, hands - high)), axis=2).min(axis=1)
    return set(np.flatnonzero(away <= _NEAR * _shoulder_width(found.body[0])).tolist())


def _belongs(found: Found, slot: int, hand: Hand) -> bool:
    """Tell whether it is a hand and that of the person: its wrist at the body's, or without a body near the face."""
    if hand.presence < _MIN_PRESENCE:
        return False
    if found.body is not None:
        return _away(found, slot, hand) <= _FROM_BODY * _shoulder_width(found.body[0])
    return found.face is not None and _is_near(hand.points, found.face[0])


def _slot(found: Found, hand: Hand) -> int | None:
    """Return the slot that a hand fills, the nearer wrist's or without a body the one it looks like; None if none."""
    slots = [slot for slot in found.missing if _belongs(found, slot, hand)]
    if found.body is not None:
        return min(slots, key=lambda slot: _away(found, slot, hand), default=None)
    return min(slots, key=lambda slot: (slot == 0) != hand.left, default=None)


def _away(found: Found, slot: int, hand: Hand) -> float:
    """Return the distance from a hand's wrist to the body's; 0 without a body."""
    place = found.place(slot)
    return 0.0 if place is None else float(np.linalg.norm(hand.points[_WRIST, :2] - place))


def _drop_twin(found: Found) -> None:
    """Empty the slot whose wrist is farther when both hold the same hand."""
    left, right = found.hands
    if left is None or right is None:
        return
    apart = np.linalg.norm(left.points[_STEADY, :2].mean(axis=0) - right.points[_STEADY, :2].mean(axis=0))
    if apart < _ONE_HAND * max(_extent(left), _extent(right)):
        found.hands[0 if _away(found, 0, left) > _away(found, 1, right) else 1] = None


def _is_about(square: Square, hand: Hand) -> bool:
    """Tell whether a square is about a hand that is known already."""
    middle = hand.points[_STEADY, :2].mean(axis=0)
    return math.hypot(square.x - middle[0], square.y - middle[1]) < _extent(hand) / 2


def _extent(hand: Hand) -> float:
    return float(np.ptp(hand.points[:, :2], axis=0).max())


def _is_outside(frame: Frame, found: Found, slot: int) -> bool:
    """Tell whether the body has the wrist of a slot so far out of the picture that no hand can be seen."""
    place = found.place(slot)
    if found.body is None or place is None:
        return False
    margin = _OUTSIDE * _shoulder_width(found.body[0])
    return bool((place < -margin).any() or (place > np.array(frame.shape[1::-1]) + margin).any())


def _region(frame: Frame, found: Found) -> tuple[slice, slice]:
    """Return rows and columns of the part of the frame in which palms are sought: around the arms, or the face."""
    if found.body is not None:
        points = found.body[0][:, :2]
        width = _shoulder_width(points)
        shoulders = points[list(SHOULDERS)]
        arms = points[[NOSE, *SHOULDERS, *ELBOWS, *WRISTS]]
        low, high = arms.min(axis=0) - _BESIDE * width, arms.max(axis=0) + _BESIDE * width
        low[1] = min(low[1], points[NOSE, 1] - _ABOVE * width)
        high[1] = max(high[1], shoulders[:, 1].mean() + _BELOW * width)
        return window(frame, low, high)
    if found.face is None:
        return slice(0, frame.shape[0]), slice(0, frame.shape[1])
    square = square_around(found.face[0][:, :2], 0, _FROM_FACE)
    middle = np.array([square.x, square.y])
    return window(frame, middle - square.side / 2, middle + square.side / 2)


def _shoulder_width(body: Floats) -> float:
    """Return the distance between the shoulders in pixels."""
    left, right = body[list(SHOULDERS), :2]
    return float(np.linalg.norm(left - right))


def _is_near(hand: Floats, face: Floats) -> bool:
    """Tell whether the boxes of a hand and a face come within a quarter of the face's width of each other."""
    low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
    margin = (high[0] - low[0]) / 4
    return bool((hand[:, :2].max(axis=0) > low - margin).all() and (hand[:, :2].min(axis=0) < high + margin).all())
