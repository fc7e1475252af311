"""Hands near a face, looked for only when something moves there."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.crops import Square, cut, into_picture, square_around
from calse.faceswap.detector import Detection, Detector
from calse.faceswap.tflite import Network
from calse.faceswap.track import HAND_POINTS, FaceTrack, Floats

MOST = 2
_MIN_PRESENCE = 0.5
_REACH = 3.0  # side of the region looked at over the face's extent: a hand on the chin shows its palm
_GRID, _MOVED = 16, 12  # cells a side of the region's thumbnail; grey levels by which one must change
_PALM_SQUARE, _HAND_SQUARE = 2.6, 2.0  # side of the crop over the palm's box, over the hand's steady points
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # wrist, thumb, and each finger's two lowest joints
_WRIST, _MIDDLE = 0, 9


class HandMesh:
    """The landmark model of a hand."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, picture: NDArray[np.uint8], square: Square) -> tuple[Floats, float]:
        """Return points `21 x 2` in pixels of the picture and the presence 0..1 of a hand in the square."""
        size = self._network.size
        points, presence = self._network(cut(picture, square, size))[:2]
        return into_picture(points.reshape(HAND_POINTS, 3), square, size)[:, :2], float(presence[0])


class HandFollower:
    """Follows the hands near one face through the frames of a clip.

    Palms cost four times as much as the face, so they are detected only when the region around the face has changed
    since the last look; as long as it has not, the hands are where they were.
    """

    def __init__(self, palms: Detector, mesh: HandMesh) -> None:
        self._palms, self._mesh = palms, mesh
        self._region: tuple[slice, slice] | None = None
        self._seen = np.zeros((_GRID, _GRID), np.float32)
        self._hands: list[Floats] = []

    def __call__(self, frame: NDArray[np.uint8], landmarks: Floats) -> Floats:
        """Return the hands near the face, `2 x 21 x 2`, NaN where there is none."""
        if self._region is None or np.abs(_thumbnail(frame[self._region]) - self._seen).max() > _MOVED:
            self._region = _region(frame, landmarks)
            self._seen = _thumbnail(frame[self._region])
            self._hands = self._look(frame, landmarks)
        hands = np.full((MOST, HAND_POINTS, 2), np.nan, np.float32)
        for number, hand in enumerate(self._hands):
            hands[number] = hand
        return hands

    def _look(self, frame: NDArray[np.uint8], landmarks: Floats) -> list[Floats]:
        """Return up to two hands near the face: those whose palm is seen, and those followed from the last look."""
        rows, columns = self._region or (slice(None), slice(None))
        corner = np.array([columns.start, rows.start], np.float32)
        squares = [_square_of_palm(palm, corner) for palm in self._palms(frame[rows, columns])]
        squares += [_square_of_hand(hand) for hand in self._hands]
        hands: list[Floats] = []
        for square in squares:
            if len(hands) < MOST and not any(_is_inside(square, hand) for hand in hands):
                hand, presence = self._mesh(frame, square)
                if presence >= _MIN_PRESENCE and _is_near(hand, landmarks):
                    hands.append(hand)
        return hands


def hands_in_front(track: FaceTrack) -> NDArray[np.bool_]:
    """Return in which frames a point of a hand lies inside the face's outline, `T`."""
    covered = np.zeros(len(track.presence), bool)
    for number in np.flatnonzero(track.found):
        outline = cv2.convexHull(np.ascontiguousarray(track.landmarks[number, :, :2]))
        points = track.hands[number].reshape(-1, 2)
        points = points[~np.isnan(points[:, 0])].tolist()
        covered[number] = any(cv2.pointPolygonTest(outline, point, False) >= 0 for point in points)
    return covered


def _region(frame: NDArray[np.uint8], landmarks: Floats) -> tuple[slice, slice]:
    """Return rows and columns of the part of the frame where a hand could touch the face."""
    square = square_around(landmarks[:, :2], 0, _REACH)
    height, width = frame.shape[:2]

    def limits(middle: float, most: int) -> slice:
        start = min(max(0, round(middle - square.side / 2)), most - 1)
        return slice(start, max(start + 1, min(most, round(middle + square.side / 2))))

    return limits(square.y, height), limits(square.x, width)


def _thumbnail(part: NDArray[np.uint8]) -> Floats:
    small = cv2.resize(part, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    return np.asarray(small.mean(axis=2), np.float32)


def _square_of_palm(palm: Detection, corner: Floats) -> Square:
    """Return where to look for the hand of a palm; its points 0 and 2 are the wrist and the middle finger's root."""
    square = square_around(palm.box.reshape(2, 2) + corner, 0, 1)
    turned = square._replace(angle=_upwards(palm.points[0], palm.points[2]))
    return turned.moved_up(0.5)._replace(side=square.side * _PALM_SQUARE)


def _square_of_hand(hand: Floats) -> Square:
    """Return where to look for a hand again."""
    square = square_around(hand[_STEADY], _upwards(hand[_WRIST], hand[_MIDDLE]), 1)
    return square.moved_up(0.1)._replace(side=square.side * _HAND_SQUARE)


def _upwards(wrist: Floats, knuckle: Floats) -> float:
    """Return the angle of the crop in which the fingers point up."""
    x, y = knuckle - wrist
    return math.atan2(x, -y)


def _is_inside(square: Square, hand: Floats) -> bool:
    """Tell whether a square is about a hand that is known already."""
    middle = hand[_STEADY].mean(axis=0)
    return math.hypot(square.x - middle[0], square.y - middle[1]) < float(np.ptp(hand, axis=0).max()) / 2


def _is_near(hand: Floats, landmarks: Floats) -> bool:
    """Tell whether the boxes of hand and face come within a quarter of the face's width of each other."""
    low, high = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    margin = (high[0] - low[0]) / 4
    return bool((hand.max(axis=0) > low - margin).all() and (hand.min(axis=0) < high + margin).all())
