"""What a swap did to the pixels, measured on faces brought to one place and size."""

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.align import alignment, warp
from calse.faceswap.mask import face_mask, face_outline
from calse.landmarks.crops import Square
from calse.landmarks.record import Landmarks

Pictures = NDArray[np.uint8]
Greys = NDArray[np.float64]

CROP = 96  # pixels of an aligned face
_STEADY = 2.0  # frames, half-life of the alignment's filter: its trembling would count as the face's
_BLUR, _CONTRAST, _JPEG = 1.0, 0.85, 50
_TINT = np.array([12, 0, -12], np.float32)
_BLOCK, _MARGIN = 16, 8  # pixels: side of a JPEG's blocks, whose position decides what is lost; how far blurs reach
_DULL = np.clip(_CONTRAST * (np.arange(256, dtype=np.float32)[:, None] - 128) + 128 + _TINT, 0, 255).astype(np.uint8)


def degraded(frame: Pictures, square: Square | None = None) -> Pictures:
    """Return a frame `H x W x 3` as a poor copy shows it: blurred, of other colours, out of a JPEG.

    With a square only as far as it reaches, to the same values, and black beyond: the rest of a large picture takes
    most of the time.
    """
    if square is None:
        dull = cv2.LUT(cv2.GaussianBlur(frame, (0, 0), _BLUR), _DULL[None])
        return np.asarray(cv2.imdecode(cv2.imencode(".jpg", dull, [cv2.IMWRITE_JPEG_QUALITY, _JPEG])[1], 1), np.uint8)
    middle, reach = np.array([square.x, square.y]), square.side * np.sqrt(0.5) + _MARGIN
    low, high = (np.floor(end / _BLOCK).astype(int) * _BLOCK for end in (middle - reach, middle + reach))
    left, top = np.maximum(0, low).tolist()
    right, bottom = np.maximum(0, high + _BLOCK).tolist()
    copy = np.zeros_like(frame)  # memory that is never touched costs nothing
    if copy[top:bottom, left:right].size:
        copy[top:bottom, left:right] = degraded(frame[top:bottom, left:right])
    return copy


def grey_faces(frames: Pictures, track: Landmarks) -> Greys:
    """Return the face of every frame with one, upright and in grey, `N x CROP x CROP`; NaN outside it and on hands."""
    matrices = alignment(track, CROP, _STEADY)
    found = np.flatnonzero(track.has_face).tolist()
    faces = [_grey_face(frames[number], matrices[number], track, number) for number in found]
    return np.array(faces, np.float64).reshape(-1, CROP, CROP)


def _grey_face(frame: Pictures, matrix: Greys, track: Landmarks, number: int) -> Greys:
    """Return one aligned face in grey, NaN where the mask is off."""
    mask = face_mask(track.face[number], track.hands[number], *frame.shape[:2])
    grey = cv2.cvtColor(np.asarray(warp(frame, matrix, CROP, CROP), np.uint8), cv2.COLOR_RGB2GRAY)
    return np.where(warp(mask, matrix, CROP, CROP, cv2.BORDER_CONSTANT) > 0.5, grey, np.nan)


def flicker(faces: Greys) -> float:
    """Return the mean absolute second difference over time of aligned faces `N x S x S`, in grey levels; 0 when short.

    Movement at a steady pace has little of it, trembling and blinking of the picture much.
    """
    changes = np.abs(np.diff(faces, 2, axis=0))
    return float(np.nanmean(changes)) if np.isfinite(changes).any() else 0.0


def detail(faces: Greys) -> float:
    """Return the mean absolute Laplacian of aligned faces `N x S x S`, in grey levels: lines and edges, no blur."""
    inner = faces[:, 1:-1, 1:-1]
    around = faces[:, :-2, 1:-1] + faces[:, 2:, 1:-1] + faces[:, 1:-1, :-2] + faces[:, 1:-1, 2:]
    curved = np.abs(4 * inner - around)
    return float(np.nanmean(curved)) if np.isfinite(curved).any() else 0.0


def outside_difference(original: Pictures, other: Pictures, track: Landmarks) -> float:
    """Return the mean absolute difference outside the face, in grey levels: what only the codec may have changed."""
    means, pixels = [], []
    for number, (one, two) in enumerate(zip(original, other, strict=True)):
        outside = np.ones(one.shape[:2], np.uint8)
        if track.has_face[number]:
            outside -= face_outline(track.face[number], *one.shape[:2])
        means.append(np.mean(cv2.mean(cv2.absdiff(one, two), outside)[:3]))
        pixels.append(int(outside.sum()))
    return float(np.dot(means, pixels) / max(1, sum(pixels)))


def psnr(one: Greys, other: Greys) -> float:
    """Return the peak signal-to-noise ratio in dB of grey pictures in 0..255; NaN pixels do not count, 100 at most."""
    error = float(np.nanmean((one - other) ** 2))
    return min(100.0, float(10 * np.log10(255**2 / max(error, 1e-9))))


def ssim(one: Greys, other: Greys) -> float:
    """Return the mean structural similarity (Wang et al., 2004) of grey pictures `S x S`; NaN pixels do not count."""
    inside = ~(np.isnan(one) | np.isnan(other))
    x, y = np.where(inside, one, 0), np.where(inside, other, 0)

    def blur(values: Greys) -> Greys:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))[inside].mean())
