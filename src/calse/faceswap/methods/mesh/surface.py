"""The mesh drawn into a picture: which triangle each pixel shows, and where in it the pixel lies."""

from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.methods.mesh.model.topology import Ints, Numbers
from signers.kernels import FASTMATH, Kernel, rasterise

Floats = NDArray[np.float32]


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays; threads run at once."""
    kernel: Kernel = numba.njit(cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy")(function)
    return kernel


@dataclass(frozen=True)
class Surface:
    """A mesh in a window of `H x W` pixels whose top left one is at `left`, `top` of the picture.

    `triangle` `H x W` is the number of the one of `triangles` (`F x 3`) that a pixel shows, -1 for none; `weights`
    `H x W x 3` are barycentric, 0 outside.
    """

    left: int
    top: int
    triangles: Ints
    triangle: Ints
    weights: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the window."""
        height, width = self.triangle.shape
        return height, width

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        height, width = self.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def interpolated(self, values: NDArray[np.floating]) -> Floats:
        """Return what the points' values `468 x C` are at each pixel, `H x W x C`; 0 outside."""
        out = np.zeros((*self.shape, values.shape[1]), np.float32)
        interpolate(np.ascontiguousarray(values, np.float32), self.triangles, self.triangle, self.weights, out)
        return out

    def remapped(self, picture: NDArray[Any], points: NDArray[np.floating], flags: int) -> NDArray[Any]:
        """Return the picture `H' x W' [x C]` drawn onto the mesh, whose points lie at `points` (`468 x 2+`) in it."""
        places = self.interpolated(points[:, :2])
        return np.asarray(cv2.remap(picture, places, None, flags, borderMode=cv2.BORDER_REPLICATE))


def surface_of(points: Numbers, triangles: Ints, height: int, width: int) -> Surface | None:
    """Draw the mesh of points `468 x 3` into a picture of that size, the nearest triangle at each pixel.

    Nothing when it lies outside the picture.
    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    left, top = np.maximum(0, np.floor(low).astype(int) - 2).tolist()
    right, bottom = np.minimum([width, height], np.ceil(high).astype(int) + 3).tolist()
    if right - left < 3 or bottom - top < 3:
        return None
    places = (points - np.array([left, top, 0])).astype(np.float32)
    shape = bottom - top, right - left
    depth, triangle, weights = np.empty(shape, np.float32), np.empty(shape, np.int32), np.zeros((*shape, 3), np.float32)
    rasterise(places, triangles, 0, depth, triangle)
    barycentric(places, triangles, triangle, weights)
    return Surface(left, top, triangles, triangle, weights)


@compiled
def barycentric(points: Any, triangles: Any, triangle: Any, weights: Any) -> None:
    """Write the barycentric weights of each pixel in its triangle, `H x W x 3`; `points` are `V x 3`."""
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            f = triangle[row, column]
            if f < 0:
                continue
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            x, y = np.float32(column) - points[a, 0], np.float32(row) - points[a, 1]
            bx, by = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
            cx, cy = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
            inverse = np.float32(1) / (bx * cy - cx * by)
            second = min(max((x * cy - cx * y) * inverse, np.float32(0)), np.float32(1))
            third = min(max((bx * y - x * by) * inverse, np.float32(0)), np.float32(1) - second)
            weights[row, column, 0] = np.float32(1) - second - third
            weights[row, column, 1] = second
            weights[row, column, 2] = third


@compiled
def interpolate(values: Any, triangles: Any, triangle: Any, weights: Any, out: Any) -> None:
    """Write the mean of the corners' values (`V x C`) at each pixel into `out`, `H x W x C`."""
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            f = triangle[row, column]
            if f >= 0:
                for channel in range(values.shape[1]):
                    total = np.float32(0)
                    for corner in range(3):
                        total += values[triangles[f, corner], channel] * weights[row, column, corner]
                    out[row, column, channel] = total
