"""A safe copy of a foreign video: raw, square pixels, even sides; every frame stays, and so does its time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np

from calse.runtime.errors import CalseError, StarvedError
from calse.runtime.sandbox import Refused, Sandbox
from calse.video.ours.encode import write_raw
from calse.video.ours.planes import Planes, resized
from calse.video.untrusted.decode import Frame, Picture, iterate_pictures, probe
from calse.video.untrusted.normalise import fitted_size, upright

MEMORY = 2 * 1024**3  # bytes that the frames of one sign may take
STEADY = 1e-5  # seconds by which the frames of a constant rate may miss their times: clocks round them


@dataclass(frozen=True)
class Foreign:
    """A foreign video and where a safe copy of it goes, which `iterate_frames` of ours reads."""

    video: Path
    copy: Path


@dataclass(frozen=True)
class Times:
    """When the frames of a video are on screen: the seconds at which each starts and, one more, the last one ends.

    `fps` is the rate, in the mean where it is not `constant`.
    """

    seconds: tuple[float, ...]
    fps: float
    constant: bool


def copy_videos(videos: Iterable[Foreign], seconds: float) -> Iterator[Times | Refused]:
    """Copy videos in a process that may die, each within so many seconds; yield their times, or why they are refused.

    Each is copied when it is asked for: a copy takes as much disk as its frames take memory, so remove it when it is
    read. Only its pixels count: its own rate is any.
    """
    sandbox = Sandbox(safe_copy, seconds, 1)
    try:
        for video in videos:
            yield from sandbox.map([video], "read")
    finally:
        sandbox.stop()


def safe_copy(job: Foreign) -> Times:
    """Decode a video and write its copy. Raises CalseError saying what is wrong with it."""
    seconds: list[float] = []
    try:
        fps = probe(job.video).fps
        job.copy.parent.mkdir(parents=True, exist_ok=True)
        write_raw(job.copy, _square_pixels(job.video, seconds, disk_usage(job.copy.parent).free // 2))
    except StarvedError:
        raise
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{job.video}: ").removeprefix(f"{job.copy}: ")) from None
    constant = all(abs(time - number / fps) < STEADY for number, time in enumerate(seconds))
    return Times(tuple(seconds), fps if constant else (len(seconds) - 1) / seconds[-1], constant)


def _square_pixels(video: Path, seconds: list[float], most: int) -> Iterator[Planes]:
    """Yield frames with square pixels and even sides: an odd one gets its last line twice.

    `seconds` is filled with the times at which they start and, at the end, the last one ends. Raises CalseError when
    the frames take more than `most` bytes: half of what is free, so that a film without end cannot fill the disk.
    """
    taken, end = 0, 0.0
    for picture in iterate_pictures(video):
        seconds.append(picture.seconds)
        end = picture.seconds + picture.duration
        planes = _square(picture)
        taken += sum(plane.nbytes for plane in planes)
        if taken > most:
            raise CalseError(
                f"its frames take over {most / 1e9:.1f} GB, half of the free disk; free some, or cut it into parts"
            )
        yield planes
    seconds.append(end)


def _square(picture: Picture) -> Planes:
    """Return a picture upright, with square pixels and even sides: an odd one gets its last line twice."""
    width, height = picture.size
    if picture.pixel_aspect != 1:
        return upright(picture, fitted_size(width, height, picture.pixel_aspect, min(width, height)))
    luma, blue, red = upright(picture, picture.size)
    return Planes(np.pad(luma, [(0, side % 2) for side in luma.shape], mode="edge"), blue, red)


def square(frame: Frame) -> np.ndarray:
    """Return a frame's picture with square pixels and even sides: an odd one gets its last line twice."""
    image = frame.image
    if frame.pixel_aspect != 1:
        height, width = image.shape[:2]
        image = resized(image, fitted_size(width, height, frame.pixel_aspect, min(height, width)))
    return np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
