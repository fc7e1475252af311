"""Hands near a face, looked for only when something moves in front of it."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.landmarks.crops import Square, cut, into_picture, square_around
from calse.landmarks.detector import Detection, Detector
from calse.landmarks.mesh import square_of_landmarks
from calse.landmarks.record import HAND_POINTS, Floats, Landmarks
from calse.landmarks.tflite import Network

MOST = 2
_MIN_PRESENCE = 0.5
_REACH = 3.0  # side of the region looked at over the face's extent: a hand on the chin shows its palm
_CLOSE = 0.8  # side of the square where movement counts over that in which the face is tracked: the face, some ground
_EVERY = 3  # frames from one detection of palms to the next while something moves
_GRID, _MOVED = 8, 0.6  # cells a side of that square's thumbnail; by how many of its deviations one must change
_PALM_SQUARE, _HAND_SQUARE = 2.6, 2.0  # side of the crop over the palm's box, over the hand's steady points
_HALF_HAND = 0.4  # of such a crop's side: how far a hand may reach from its middle
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # wrist, thumb, and each finger's two lowest joints
_WRIST, _MIDDLE = 0, 9


class HandMesh:
    """The landmark model of a hand."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, picture: NDArray[np.uint8], square: Square) -> tuple[Floats, float]:
        """Return points `21 x 3` in pixels of the picture and the presence 0..1 of a hand in the square."""
        size = self._network.size
        points, presence = self._network(cut(picture, square, size))[:2]
        return into_picture(points.reshape(HAND_POINTS, 3), square, size), float(presence[0])


class HandFollower:
    """Finds and follows the hands near one face through the frames of a clip.

    Palms cost six times as much as the face, so they are detected only while a hand is missing and what is seen of the
    face changes, and then not in every frame: a hand that is found late is followed back through the frames before.
    """

    def __init__(self, palms: Detector, mesh: HandMesh) -> None:
        self._palms, self._mesh = palms, mesh
        self._seen: Floats | None = None
        self._wait = 0

    def __call__(self, frames: NDArray[np.uint8], landmarks: Floats) -> Floats:
        """Return the hands near the face, `T x 2 x 21 x 3`, NaN where there is none.

        Frames are `T x H x W x 3`, landmarks `T x 468 x 3`, NaN without a face: no hands are sought there.
        """
        hands = np.full((len(frames), MOST, HAND_POINTS, 3), np.nan, np.float32)
        for number in np.flatnonzero(~np.isnan(landmarks[:, 0, 0])).tolist():
            self._wait -= 1
            if number:
                self._follow(frames[number], landmarks[number], hands[number - 1], hands[number])
            missing = np.isnan(hands[number]).any()
            if missing and self._wait <= 0 and self._changed(frames[number], landmarks[number]):
                self._look(frames, landmarks, number, hands)
        return hands

    def _changed(self, frame: NDArray[np.uint8], face: Floats) -> bool:
        """Tell whether the face looks different from when this was last so, wherever it has moved to."""
        thumbnail = _thumbnail(frame, face)
        if self._seen is not None and np.abs(thumbnail - self._seen).max() <= _MOVED * self._seen.std():
            return False
        self._seen = thumbnail
        return True

    def _look(self, frames: NDArray[np.uint8], landmarks: Floats, number: int, hands: Floats) -> None:
        """Detect palms in a frame; follow new hands near the face back to the frame after the last possible look."""
        rows, columns = _region(frames[number], landmarks[number])
        corner = np.array([columns.start, rows.start], np.float32)
        for palm in self._palms(frames[number][rows, columns]):
            square = _square_of_palm(palm, corner)
            if not _is_near(_around(square), landmarks[number]):
                continue
            for earlier in range(number, max(-1, number - _EVERY), -1):
                hand = self._hand(frames[earlier], landmarks[earlier], square, hands[earlier])
                if hand is None:
                    break
                square = _square_of_hand(hand)
        self._wait = _EVERY

    def _follow(self, frame: NDArray[np.uint8], face: Floats, before: Floats, hands: Floats) -> None:
        """Fill in the hands of the frame before, where they are now."""
        for hand in before[~np.isnan(before[:, 0, 0])]:
            self._hand(frame, face, _square_of_hand(hand), hands)

    def _hand(self, frame: NDArray[np.uint8], face: Floats, square: Square, hands: Floats) -> Floats | None:
        """Fill a hand in a square into the frame's `2 x 21 x 3` and return it, unless it is known, far, or none."""
        free = np.flatnonzero(np.isnan(hands[:, 0, 0]))
        if len(free) == 0 or np.isnan(face[0, 0]) or any(_is_inside(square, known) for known in hands):
            return None
        hand, presence = self._mesh(frame, square)
        if presence < _MIN_PRESENCE or not _is_near(hand, face):
            return None
        hands[free[0]] = hand
        return hand


def hands_in_front(track: Landmarks) -> NDArray[np.bool_]:
    """Return in which frames a point of a hand lies inside the face's outline, `T`."""
    covered = np.zeros(len(track.face), bool)
    for number in np.flatnonzero(track.has_face):
        outline = cv2.convexHull(np.ascontiguousarray(track.face[number, :, :2]))
        points = track.hands[number, :, :, :2].reshape(-1, 2)
        points = points[~np.isnan(points[:, 0])].tolist()
        covered[number] = any(cv2.pointPolygonTest(outline, point, False) >= 0 for point in points)
    return covered


def _region(frame: NDArray[np.uint8], landmarks: Floats) -> tuple[slice, slice]:
    """Return rows and columns of a square part of the frame around the face in which palms are sought."""
    square = square_around(landmarks[:, :2], 0, _REACH)
    height, width = frame.shape[:2]

    def limits(middle: float, most: int) -> slice:
        """Return the part of an axis, cut to the frame and never empty."""
        start = min(max(0, round(middle - square.side / 2)), most - 1)
        return slice(start, max(start + 1, min(most, round(middle + square.side / 2))))

    return limits(square.y, height), limits(square.x, width)


def _thumbnail(frame: NDArray[np.uint8], face: Floats) -> Floats:
    """Return the face upright and at one size, `_GRID x _GRID` in 0..1: a head that only moves changes nothing."""
    square = square_of_landmarks(face)
    small = cut(frame, square._replace(side=_CLOSE * square.side), 4 * _GRID)
    return np.asarray(cv2.resize(small, (_GRID, _GRID), interpolation=cv2.INTER_AREA).mean(axis=2), np.float32)


def _square_of_palm(palm: Detection, corner: Floats) -> Square:
    """Return where to look for the hand of a palm; its points 0 and 2 are the wrist and the middle finger's root."""
    square = square_around(palm.box.reshape(2, 2) + corner, 0, 1)
    turned = square._replace(angle=_upwards(palm.points[0], palm.points[2]))
    return turned.moved_up(0.5)._replace(side=square.side * _PALM_SQUARE)


def _square_of_hand(hand: Floats) -> Square:
    """Return where to look for a hand again."""
    square = square_around(hand[_STEADY, :2], _upwards(hand[_WRIST, :2], hand[_MIDDLE, :2]), 1)
    return square.moved_up(0.1)._replace(side=square.side * _HAND_SQUARE)


def _around(square: Square) -> Floats:
    """Return corners `2 x 2` of what a hand sought in a square may cover."""
    reach = _HALF_HAND * square.side
    return np.array([[square.x - reach, square.y - reach], [square.x + reach, square.y + reach]], np.float32)


def _upwards(wrist: Floats, knuckle: Floats) -> float:
    """Return the angle of the crop in which the fingers point up."""
    x, y = knuckle - wrist
    return math.atan2(x, -y)


def _is_inside(square: Square, hand: Floats) -> bool:
    """Tell whether a square is about a hand that is known already."""
    middle = hand[_STEADY, :2].mean(axis=0)
    return math.hypot(square.x - middle[0], square.y - middle[1]) < float(np.ptp(hand[:, :2], axis=0).max()) / 2


def _is_near(hand: Floats, landmarks: Floats) -> bool:
    """Tell whether the boxes of a hand and a face come within a quarter of the face's width of each other."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    margin = (high[0] - low[0]) / 4
    return bool((hand[:, :2].max(axis=0) > low - margin).all() and (hand[:, :2].min(axis=0) < high + margin).all())
