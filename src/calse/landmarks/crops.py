"""Turned square crops: what the landmark models look at, and the way back to the picture."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.landmarks.record import Floats
from calse.video.ours.planes import Planes, rgb_of_full

Pictures = NDArray[np.uint8]
Frame = Pictures | Planes  # RGB, or what of a large frame is converted only where somebody looks
COARSE = 2.5  # pixels of the picture per pixel of a crop: from here on bilinear sampling skips some, fingers first


class Square(NamedTuple):
    """A square in a picture, in pixels: its centre, its side, and how far it is turned clockwise, in radians."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, size: int) -> Floats:
        """Return the affine matrix, `2 x 3`, from a crop of `size x size` pixels to the picture."""
        scale = self.side / size
        turn = scale * rotation(self.angle)
        middle = np.array([self.x, self.y]) - turn @ np.full(2, size / 2)
        return np.column_stack([turn, middle]).astype(np.float32)

    def moved_up(self, share: float) -> "Square":
        """Return the square shifted by a share of its side towards its own top."""
        step = self.side * share
        return self._replace(x=self.x + step * math.sin(self.angle), y=self.y - step * math.cos(self.angle))


def square_around(points: Floats, angle: float, scale: float) -> Square:
    """Return the square turned by `angle` around the middle of points `K x 2`, its side `scale` times their extent."""
    turn = rotation(angle)
    level = points @ turn
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = turn @ ((low + high) / 2)
    return Square(float(x), float(y), float(max(high - low)) * scale, angle)


def upwards(low: Floats, high: Floats) -> float:
    """Return the angle of the square in which the point `high` is straight above `low`."""
    x, y = high - low
    return math.atan2(x, -y)


def cut(frame: Frame, square: Square, size: int) -> Floats:
    """Return the square as RGB, `size x size x 3` in 0..1; what lies outside the frame repeats its border."""
    if isinstance(frame, Planes):  # a colour sample lies in the middle of its four pixels
        half = square._replace(x=square.x / 2 - 0.25, y=square.y / 2 - 0.25, side=square.side / 2)
        blue, red = (_sampled(plane, half, size) for plane in (frame.blue, frame.red))
        crop = rgb_of_full(Planes(_sampled(frame.luma, square, size), blue, red))
    else:
        crop = _sampled(frame, square, size)
    return np.asarray(crop.astype(np.float32) * np.float32(1 / 255))  # without astype the same in five times the time


def _sampled(picture: Pictures, square: Square, size: int) -> Pictures:
    """Return the square of a picture `H x W [x 3]` as `size x size [x 3]`."""
    matrix = square.to_picture(size)
    if square.side > COARSE * size:
        picture, matrix = _shrunk(picture, square, size)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _shrunk(picture: Pictures, square: Square, size: int) -> tuple[Pictures, Floats]:
    """Return the part of a picture that a square covers, its pixels averaged, and the matrix from the crop to it."""
    middle, reach = np.array([square.x, square.y]), square.side * math.sqrt(0.5)
    rows, columns = window(picture, middle - reach, middle + reach)
    part, matrix = picture[rows, columns], square.to_picture(size)
    scale = 1.0
    while square.side * scale > COARSE * size and min(part.shape[:2]) > 1:
        half = [length // 2 for length in part.shape[1::-1]]  # exactly: four times as fast as any other scale
        part = np.asarray(cv2.resize(part[: 2 * half[1], : 2 * half[0]], half, interpolation=cv2.INTER_AREA), np.uint8)
        scale /= 2
    shift = (matrix[:, 2] - [columns.start, rows.start] + 0.5) * scale - 0.5  # whole coordinates are pixels' centres
    return part, np.column_stack([scale * matrix[:, :2], shift]).astype(np.float32)


def window(frame: Frame, low: NDArray[np.floating], high: NDArray[np.floating]) -> tuple[slice, slice]:
    """Return rows and columns of a box (x, y of two corners), cut to the frame and never empty."""
    limits = []
    for start, end, most in zip(low[::-1].tolist(), high[::-1].tolist(), frame.shape[:2], strict=True):
        first = min(max(0, round(start)), most - 1)
        limits.append(slice(first, max(first + 1, min(most, round(end)))))
    return limits[0], limits[1]


def part_of(frame: Frame, rows: slice, columns: slice) -> Frame:
    """Return a view of a part of a frame."""
    return frame.part(rows, columns) if isinstance(frame, Planes) else frame[rows, columns]


def into_picture(points: Floats, square: Square, size: int) -> Floats:
    """Return points `K x 3` of a crop (x, y, depth in crop pixels) in pixels of the picture."""
    matrix = square.to_picture(size)
    flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.column_stack([flat, points[:, 2] * (square.side / size)]).astype(np.float32)


def rotation(angle: float) -> NDArray[np.float64]:
    """Return the matrix, `2 x 2`, that turns points (x, y) clockwise as the picture is seen."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
