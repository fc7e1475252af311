"""Turned square crops: what the landmark models look at, and the way back to the picture."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.landmarks.record import Floats


class Square(NamedTuple):
    """A square in a picture, in pixels: its centre, its side, and how far it is turned clockwise, in radians."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, size: int) -> Floats:
        """Return the affine matrix, `2 x 3`, from a crop of `size x size` pixels to the picture."""
        scale = self.side / size
        turn = scale * _rotation(self.angle)
        middle = np.array([self.x, self.y]) - turn @ np.full(2, size / 2)
        return np.column_stack([turn, middle]).astype(np.float32)

    def moved_up(self, share: float) -> "Square":
        """Return the square shifted by a share of its side towards its own top."""
        step = self.side * share
        return self._replace(x=self.x + step * math.sin(self.angle), y=self.y - step * math.cos(self.angle))


def square_around(points: Floats, angle: float, scale: float) -> Square:
    """Return the square turned by `angle` around the middle of points `K x 2`, its side `scale` times their extent."""
    turn = _rotation(angle)
    level = points @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = turn @ ((low + high) / 2)
    return Square(float(x), float(y), float(max(high - low)) * scale, angle)


def cut(picture: NDArray[np.uint8], square: Square, size: int) -> Floats:
    """Return the square as `size x size x 3` in 0..1; what lies outside the picture repeats its border."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = square.to_picture(size)
    crop = cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop * np.float32(1 / 255), np.float32)


def into_picture(points: Floats, square: Square, size: int) -> Floats:
    """Return points `K x 3` of a crop (x, y, depth in crop pixels) in pixels of the picture."""
    matrix = square.to_picture(size)
    flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.column_stack([flat, points[:, 2] * (square.side / size)]).astype(np.float32)


def _rotation(angle: float) -> NDArray[np.float64]:
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
