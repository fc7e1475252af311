"""From a face in a frame to an upright square crop of it, and back: maps between pixels."""

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.landmarks.record import Landmarks

Matrix = NDArray[np.float64]
Series = TypeVar("Series", NDArray[np.float64], NDArray[np.complex128])
Image = NDArray[np.uint8] | NDArray[np.float32]

# Where the mean face has those mesh points that no expression moves (eye corners, root of the nose, forehead,
# sides), in shares of the crop: brows, an open jaw and some ground fit in. The mean is this project's own.
MEAN_FACE = {
    33: (0.298, 0.306),
    133: (0.416, 0.310),
    362: (0.584, 0.310),
    263: (0.702, 0.306),
    168: (0.500, 0.279),
    6: (0.500, 0.315),
    151: (0.500, 0.130),
    10: (0.500, 0.052),
    234: (0.152, 0.397),
    454: (0.848, 0.397),
}
EYES, MOUTH = 0.308, 0.630  # heights of the mean face's eyes and of the corners of its mouth
MOUTH_CORNERS = (61, 291)
STRETCH = (0.7, 1.4)  # limits: no face is longer or shorter, whatever a landmarker says that has lost it


def alignment(track: Landmarks, size: int, half_life: float = 0, margin: float = 1) -> Matrix:
    """Return the maps `T x 2 x 3` from the clip's pixels to a crop of `size` pixels; NaN in frames without a face.

    Least-squares similarities onto the mean face, smoothed over time with a half-life in frames (0: not at all), and
    then one vertical stretch for the whole clip. A crop with a margin of 1.25 shows a quarter more on every side of
    length.
    """
    found = track.has_face
    points = track.face[:, list(MEAN_FACE), :2].astype(np.float64)
    back = np.full((len(points), 2), np.nan, complex)
    back[found] = np.stack(_from_crop(points[found]), axis=1)
    turned_width, centre = smooth(back, half_life)[found].T
    forward = size / (margin * turned_width)
    middle = (size - 1) / 2 * (1 + 1j)
    matrices = np.full((len(points), 2, 3), np.nan)
    shift = middle - forward * centre
    rows = [[forward.real, -forward.imag, shift.real], [forward.imag, forward.real, shift.imag]]
    matrices[found] = np.moveaxis(np.array(rows, np.float64), 2, 0)
    return stretched(matrices, track, size, margin) if found.any() else matrices


def stretched(matrices: Matrix, track: Landmarks, size: int, margin: float) -> Matrix:
    """Return the maps with heights stretched about the eyes until the clip's median mouth is where the mean face's is.

    Faces are of different lengths: without it a long-faced donor's mouth is drawn on a signer's chin, where it is cut
    off. One factor a clip leaves every movement of the mouth as it is.
    """
    corners = track.face[track.has_face][:, list(MOUTH_CORNERS), :2].mean(axis=1)
    heights = (matrices[track.has_face, 1, :2] * corners).sum(axis=1) + matrices[track.has_face, 1, 2]
    eyes, mouth = (size * (0.5 + (share - 0.5) / margin) - 0.5 for share in (EYES, MOUTH))
    factor = np.clip((mouth - eyes) / max(float(np.median(heights)) - eyes, 1e-6), *STRETCH)
    fitted = matrices.copy()
    fitted[:, 1] *= factor
    fitted[:, 1, 2] += eyes * (1 - factor)
    return fitted


def _from_crop(points: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return, for `T x P x 2` points, the crop's turned width and its centre in the frame as complex numbers.

    A similarity of the plane is `scale * z + shift`; the least-squares one follows from the moments.
    """
    mean = np.array([complex(x, y) for x, y in MEAN_FACE.values()]) - (0.5 + 0.5j)
    placed = points[..., 0] + 1j * points[..., 1]
    offset = mean - mean.mean()
    scale = (placed * offset.conj()).sum(axis=1) / (np.abs(offset) ** 2).sum()
    return scale, placed.mean(axis=1) - scale * mean.mean()


def smooth(series: Series, half_life: float) -> Series:
    """Return the series `T x C` averaged over time, both ways alike so that nothing lags; NaN rows stay and count not.

    A row's weight halves every `half_life` rows; 0 changes nothing.
    """
    if half_life == 0 or len(series) == 0:
        return series
    reach = min(int(np.ceil(10 * half_life)), len(series) - 1)
    kernel = 0.5 ** (np.abs(np.arange(-reach, reach + 1)) / half_life)
    found = ~np.isnan(series[:, 0])
    inner = slice(reach, reach + len(series))
    weight = np.convolve(found, kernel)[inner]
    sums = np.stack([np.convolve(np.where(found, column, 0), kernel)[inner] for column in series.T], axis=1)
    smoothed = np.full_like(series, np.nan)
    smoothed[found] = sums[found] / weight[found, None]
    return smoothed


def invert(matrix: Matrix) -> Matrix:
    """Return the inverse of a 2 x 3 map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def move(points: NDArray[np.floating], matrix: Matrix) -> NDArray[np.float64]:
    """Return points `... x 2` (further coordinates are dropped) under a 2 x 3 map."""
    return np.asarray(points[..., :2] @ matrix[:, :2].T + matrix[:, 2], np.float64)


def warp(image: Image, matrix: Matrix, width: int, height: int, border: int = cv2.BORDER_REPLICATE) -> Image:
    """Return an image `H x W [x C]` under a 2 x 3 map, on a canvas of `height` x `width`.

    Where the map shrinks, a larger canvas is drawn and averaged: no pixel of the image is skipped.
    """
    shrink = 1 / np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    times = max(1, int(np.ceil(shrink - 0.25)))
    finer = times * matrix
    finer[:, 2] += (times - 1) / 2
    flags = cv2.INTER_CUBIC if shrink < 1 else cv2.INTER_LINEAR
    drawn: Image = cv2.warpAffine(image, finer, (times * width, times * height), flags=flags, borderMode=border)
    if times > 1:
        drawn = cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    return drawn
