"""Which frames and pixels of a decoded clip are seen: one path for training and for evaluation.

Draws are numpy's everywhere; pixels are taken where the clip lies, in memory or on an accelerator. `rng` is the one
difference: None means evaluation, where nothing is drawn.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np

from calse.recognition.settings import Input

if TYPE_CHECKING:
    from torch import Tensor

Frames: TypeAlias = "np.ndarray | Tensor"


class View(NamedTuple):
    """What is seen of a clip: which frames `T`, which square of them, turned left to right or not, a gain a channel."""

    frames: np.ndarray
    square: tuple[slice, slice]
    mirrored: bool
    gains: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Clips as a network will see them: frames N x T x S x S x 3 uint8 RGB, and the gains N x 3 of their channels.

    Frames are one array, or a list of N when some lie on an accelerator.
    """

    frames: np.ndarray | list[Frames]
    gains: np.ndarray

    def part(self, start: int, size: int) -> "Batch":
        """Return up to `size` clips from `start` on."""
        return Batch(self.frames[start : start + size], self.gains[start : start + size])


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


def crop_corner(
    height: int, width: int, size: int, rng: np.random.Generator | None, share: float = 1
) -> tuple[int, int]:
    """Return the upper left corner of a square crop: central in evaluation; random in training, within the central
    `share` of the places that it can have.
    """
    spare = height - size, width - size
    if rng is None:
        return spare[0] // 2, spare[1] // 2
    drawn = [round(share * pixels) for pixels in spare]
    top, left = ((pixels - most) // 2 + int(rng.integers(most + 1)) for pixels, most in zip(spare, drawn, strict=True))
    return top, left


def draw_view(shape: Sequence[int], settings: Input, rng: np.random.Generator | None) -> View:
    """Choose frames, crop and, in training, flip and brightness for a clip T x H x W x 3."""
    frames = sample_frames(shape[0], settings.frames, settings.sampling, rng)
    top, left = crop_corner(shape[1], shape[2], settings.size, rng, settings.crop)
    mirrored, gains = False, np.ones(3, np.float32)
    if rng:
        mirrored = rng.random() < settings.flip
        gains += rng.uniform(-settings.brightness, settings.brightness, 3).astype(np.float32)
    return View(frames, (slice(top, top + settings.size), slice(left, left + settings.size)), mirrored, gains)


def batch_of(
    clips: Iterable[Frames],
    settings: Input,
    rngs: Sequence[np.random.Generator | None] = (),
    buffer: np.ndarray | None = None,
) -> Batch:
    """Return the views of clips T x H x W x 3 uint8 RGB, each drawn with its own `rng`; without, as evaluation does.

    Clips are taken one at a time: of maps that are opened as they are asked for, no more than two are open. In memory
    one copy is made, into `buffer` (at least N x T x S x S x 3 uint8) when there is one to use again.
    """
    frames: list[Frames] = []
    gains = []
    for number, clip in enumerate(clips):
        view = draw_view(clip.shape, settings, rngs[number] if rngs else None)
        shape = (settings.frames, settings.size, settings.size, 3)
        frames.append(cut_out(clip, view, np.empty(shape, np.uint8) if buffer is None else buffer[number]))
        gains.append(view.gains)
    if not all(isinstance(one, np.ndarray) for one in frames):
        return Batch(frames, np.stack(gains))
    return Batch(np.stack(frames) if buffer is None else buffer[: len(frames)], np.stack(gains))


def cut_out(clip: Frames, view: View, place: np.ndarray) -> Frames:
    """Return a view's frames: of an array as a copy in `place`, of a tensor where that lies."""
    if not isinstance(clip, np.ndarray):
        frames = clip[view.frames, *view.square]
        return frames.flip(2) if view.mirrored else frames
    for target, number in zip(place, view.frames.tolist(), strict=True):
        target[:] = clip[number][view.square]
        if view.mirrored:
            cv2.flip(target, 1, dst=target)  # in place, while the cache still has it: faster than on the way out
    return place
