"""Whether somebody wears glasses: their bridge is a line across the nose, where a bare face has none."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.align import move, warp

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Synthetic faces: at most 0.14 bare (28 clips), at least 0.17 with dark frames drawn on (84).
BRIDGE = 0.15  # contrast of the line, in shares of the cheeks' brightness
AHEAD = 0.12  # eye distances by which the root of the nose may lie off the middle
_SIDE = 320  # pixels of an upright face; half of it lie between the outer corners of the eyes
_THICK, _ACROSS, _ABOVE = 8, 8, 26  # of them: half a line's distance to the skin, of its width, over the nose's root
_EYES, _CHEEKS = (33, 263), (50, 280, 101, 330)
_ROOT, _MIDDLE, _BACK = 168, 6, 195  # points down the nose


def glasses(pictures: Iterable[Pictures], faces: Iterable[Floats]) -> float:
    """Return the contrast of the line across the nose, the median of pictures `H x W x 3` with points `468 x 3`.

    In a turned face the nose's own edge is such a line: it does not count, and without another there is none, 0.
    """
    found = [_bridge(picture, points) for picture, points in zip(pictures, faces, strict=True) if _is_ahead(points)]
    return float(np.median(found)) if found else 0.0


def _is_ahead(points: Floats) -> bool:
    """Tell whether the root of the nose lies between the eyes, as far as about 25 degrees from straight ahead."""
    left, right = points[list(_EYES), :2]
    apart = right - left
    off = float((points[_MIDDLE, :2] - (left + right) / 2) @ apart) / max(1.0, float(apart @ apart))
    return abs(off) < AHEAD


def _bridge(picture: Pictures, points: Floats) -> float:
    """Return how much the strongest level line across the root of the nose stands out from the skin on both sides."""
    matrix = _upright(points)
    grey = cv2.cvtColor(np.asarray(warp(picture, matrix, _SIDE, _SIDE), np.uint8), cv2.COLOR_RGB2GRAY)
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5)
    places = move(points, matrix)
    columns, rows = np.clip(places.astype(int), 0, _SIDE - 1)[list(_CHEEKS)].T
    skin = max(20.0, float(np.median(soft[rows, columns])))
    middle = int(np.clip(places[_MIDDLE, 0], _ACROSS, _SIDE - 1))
    top, bottom = max(0, int(places[_ROOT, 1]) - _ABOVE - _THICK), int(places[_BACK, 1]) + _THICK
    profile = soft[top:bottom, middle - _ACROSS : middle + _ACROSS + 1].mean(axis=1)
    line = profile[_THICK:-_THICK] - (profile[2 * _THICK :] + profile[: -2 * _THICK]) / 2
    return float(np.abs(line).max(initial=0)) / skin


def _upright(points: Floats) -> NDArray[np.float64]:
    """Return the map from a picture to the upright face in it, `2 x 3`."""
    left, right = points[list(_EYES), :2].astype(np.float64)
    along = (right - left) / max(1.0, float((right - left) @ (right - left))) * _SIDE / 2
    turn = np.array([along, [-along[1], along[0]]])
    return np.column_stack([turn, _SIDE / 2 - turn @ ((left + right) / 2)])
