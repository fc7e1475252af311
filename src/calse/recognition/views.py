"""Which frames and pixels of a decoded clip are seen: one path for training and for evaluation.

Draws are numpy's everywhere; pixels are taken where the clip lies, in memory or on an accelerator. `rng` is the one
difference: None means evaluation, where nothing is drawn.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from calse.params import Train

if TYPE_CHECKING:
    from torch import Tensor

Frames: TypeAlias = "np.ndarray | Tensor"


@dataclass(frozen=True)
class View:
    """A clip as it will be seen: frames T x S x S x 3 uint8 RGB, and the gain of each colour channel."""

    frames: Frames
    gains: np.ndarray


def sample_frames(available: int, wanted: int, sampling: str, rng: np.random.Generator | None) -> np.ndarray:
    """Return the indices of `wanted` frames out of `available`.

    `uniform`: one from each of equal parts of the clip, anywhere in its part in training, at its centre in
    evaluation. `consecutive`: a random stretch in training, the central one in evaluation; a clip that is
    too short repeats its last frame.
    """
    if sampling == "uniform":
        place = rng.random(wanted) if rng else np.full(wanted, 0.5)
        return ((np.arange(wanted) + place) * available / wanted).astype(np.int64)
    spare = max(0, available - wanted)
    start = int(rng.integers(spare + 1)) if rng else spare // 2
    return np.minimum(start + np.arange(wanted), available - 1)


def crop_corner(height: int, width: int, size: int, rng: np.random.Generator | None) -> tuple[int, int]:
    """Return the upper left corner of a square crop: random in training, central in evaluation."""
    if rng:
        return int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1))
    return (height - size) // 2, (width - size) // 2


def view_of(clip: Frames, train: Train, rng: np.random.Generator | None = None) -> View:
    """Choose frames, crop and, in training, flip and brightness for a clip T x H x W x 3 uint8 RGB."""
    chosen = sample_frames(len(clip), train.frames, train.sampling, rng)
    top, left = crop_corner(clip.shape[1], clip.shape[2], train.size, rng)
    frames = cut(clip, chosen, (slice(top, top + train.size), slice(left, left + train.size)))
    gains = np.ones(3, np.float32)
    if rng:
        if rng.random() < train.flip:
            frames = mirrored(frames)
        gains += rng.uniform(-train.brightness, train.brightness, 3).astype(np.float32)
    return View(frames, gains)


def cut(clip: Frames, chosen: np.ndarray, square: tuple[slice, slice]) -> Frames:
    """Return a copy of the chosen frames' square; a stretch is copied in one go."""
    if isinstance(clip, np.ndarray) and chosen[-1] - chosen[0] == len(chosen) - 1:
        return clip[chosen[0] : chosen[-1] + 1, *square].copy()
    return clip[chosen, *square]


def mirrored(frames: Frames) -> Frames:
    """Return T x H x W x 3 uint8 turned left to right, an array in place (a reversed copy takes ten times as long)."""
    if not isinstance(frames, np.ndarray):
        return frames.flip(2)
    for frame in frames:
        cv2.flip(frame, 1, dst=frame)
    return frames
