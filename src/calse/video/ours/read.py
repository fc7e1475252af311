"""Reading clips of ours, known by their hash: H.264 in yuv420p, upright, at a constant rate."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calse.runtime.errors import CalseError
from calse.video.ours.planes import Planes, planes_of

if TYPE_CHECKING:
    import av


def read_frames(path: Path) -> np.ndarray:
    """Decode a whole clip to `T x H x W x 3 uint8` RGB.

    decord reads it, one thread, opened anew each time (a reader kept open, or passed through a fork, eats memory or
    hangs); PyAV, with equal pixels, where decord is missing or refuses. Raises CalseError naming the file.
    """
    frames = _read_with_decord(path)
    if frames is None:
        frames = np.stack([frame.to_ndarray(format="rgb24", threads=1) for frame in _decoded(path)])
    return frames


def _read_with_decord(path: Path) -> np.ndarray | None:
    try:
        import decord
    except (ImportError, OSError):
        return None
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        return np.asarray(reader.get_batch(range(len(reader))).asnumpy())
    except (RuntimeError, decord.DECORDError):
        return None


def iterate_frames(path: Path) -> Iterator[np.ndarray]:
    """Decode a clip frame by frame to `H x W x 3 uint8` RGB, the pixels of `read_frames`, one in memory at a time.

    Raises CalseError naming the file.
    """
    return (frame.to_ndarray(format="rgb24", threads=1) for frame in _decoded(path))


def iterate_planes(path: Path) -> Iterator[Planes]:
    """Decode a clip without RGB and without a copy. Raises CalseError naming the file."""
    return map(planes_of, _decoded(path))


def _decoded(path: Path) -> "Iterator[av.VideoFrame]":
    import av

    try:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            video.thread_count = 1
            yield from container.decode(video)
    except (av.FFmpegError, IndexError) as error:
        raise CalseError(f"{path}: is damaged: {getattr(error, 'strerror', None) or error}") from None
