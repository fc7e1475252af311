"""Bringing frames of any rate and size to one rate and one short side."""

from collections.abc import Iterable, Iterator

import numpy as np

from calse.video.decode import Frame


def at_rate(frames: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """Resample in time: the picture at `k / fps` seconds is the frame nearest in time, the earlier one of two.

    Nothing is blended; the length stays, to half a frame: `round(seconds * fps)` frames, at least one.
    """
    count, previous = 0, None
    for frame in frames:
        while previous and count / fps <= (previous.seconds + frame.seconds) / 2 + 1e-9:
            yield previous
            count += 1
        previous = frame
    if previous:
        total = max(1, round((previous.seconds + previous.duration) * fps))
        for _ in range(count, total):
            yield previous


def fitted_size(width: int, height: int, pixel_aspect: float, short_side: int) -> tuple[int, int]:
    """Return (width, height) with the shorter one at `short_side`, square pixels, both even and at least 2."""
    shown = width * pixel_aspect
    scale = short_side / min(shown, height)
    return _even(shown * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize `H x W x 3 uint8` to (width, height): by area when it shrinks, by Lanczos when it grows."""
    import cv2

    if size == (image.shape[1], image.shape[0]):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4))
