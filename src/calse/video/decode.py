"""Reading video files we trust: those this project wrote. Foreign files go through `sandbox` first."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calse.errors import CalseError

if TYPE_CHECKING:
    import av
    import av.container


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its video; `frames` is its claim, 0 when it makes none."""

    width: int
    height: int
    fps: float
    frames: int
    codec: str


def read_frames(path: Path) -> np.ndarray:
    """Decode a whole clip to `T x H x W x 3 uint8` RGB.

    decord reads it, one thread, opened anew each time (a reader kept open, or passed through a fork, eats memory or
    hangs); PyAV where decord is missing, refuses (gif) or gives fewer frames than it promised. Raises CalseError
    naming the file.
    """
    if path.suffix.lower() != ".gif":
        frames = _read_with_decord(path)
        if frames is not None:
            return frames
    return np.stack([frame for _, frame in iterate_frames(path)])


def _read_with_decord(path: Path) -> np.ndarray | None:
    """Return all frames, or None when decord cannot."""
    try:
        import decord
    except (ImportError, OSError):
        return None
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        return reader.get_batch(range(len(reader))).asnumpy()  # type: ignore[no-any-return]
    except (RuntimeError, decord.DECORDError):
        return None


def iterate_frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Decode a file with PyAV, one frame at a time: seconds since the first, and `H x W x 3 uint8` RGB, upright.

    Raises CalseError naming the file when it does not open, holds no picture or is damaged anywhere.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            stream.thread_count = 1
            start, previous, step = None, -math.inf, 1 / _rate(stream)
            for frame in container.decode(stream):
                seconds = frame.time if frame.time is not None else previous + step
                start = seconds if start is None else start
                previous = max(seconds, previous)
                yield previous - start, _upright(frame)
            if start is None:
                raise CalseError(f"{path}: holds no frame that decodes")
    except (av.FFmpegError, ValueError) as error:
        raise CalseError(f"{path}: does not decode: {_reason(error)}") from None


def probe(path: Path) -> VideoInfo:
    """Read the header of a video. Raises CalseError naming the file when there is no video to see."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = _video_stream(path, container)
            context = stream.codec_context
            return VideoInfo(context.width, context.height, _rate(stream), stream.frames, context.name)
    except (av.FFmpegError, ValueError) as error:
        raise CalseError(f"{path}: does not open: {_reason(error)}") from None


def _video_stream(path: Path, container: "av.container.InputContainer") -> "av.VideoStream":
    """Return the first stream that is a moving picture, not a cover."""
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    if not streams:
        raise CalseError(f"{path}: holds no video, only {container.format.long_name or 'other data'}")
    return streams[0]


def _rate(stream: "av.VideoStream") -> float:
    """Return frames a second as the container says, or 25 when it says nothing."""
    return float(stream.average_rate or stream.guessed_rate or 25)


def _upright(frame: "av.VideoFrame") -> np.ndarray:
    """Return a frame as RGB, turned as its rotation tag asks (decord does so by itself)."""
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90))


def _reason(error: Exception) -> str:
    """Return FFmpeg's words without its numbers and paths."""
    return str(getattr(error, "strerror", None) or error)
