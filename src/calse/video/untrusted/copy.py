"""A safe copy of a foreign video: raw, square pixels, even sides; every frame stays, and so does its time."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np

from calse.runtime.errors import CalseError, StarvedError
from calse.runtime.sandbox import Refused, Sandbox
from calse.video.ours.planes import Planes, resized
from calse.video.ours.raw import iterate_raw, write_raw
from calse.video.untrusted.decode import Frame, Picture, iterate_pictures, probe
from calse.video.untrusted.normalise import fitted_size, upright

MEMORY = 2 * 1024**3  # bytes that the frames of one sign may take
PAUSE = 0.005  # seconds after which somebody who reads faster than a video is copied looks again
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


class Copy:
    """A safe copy, whole or still being made."""

    def __init__(self, job: Foreign, made: "Future[list[Times | Refused]]") -> None:
        self.video, self.path, self._made = job.video, job.copy, made

    def __iter__(self) -> Iterator[Planes]:
        """Yield the frames, each as soon as it is there; fewer of a video that is refused."""
        return iterate_raw(self.path, lambda: bool(wait([self._made], PAUSE).done))

    def times(self) -> Times | Refused:
        """Return when the frames are on screen, once all are there, or why the video is refused."""
        return self._made.result()[0]


class Copier:
    """A process that may die, in which videos are copied one at a time, each within so many seconds of its CPU time.

    A copy takes as much disk as its frames take memory, so remove it when it is read. Only its pixels count: its own
    rate is any.
    """

    def __init__(self, seconds: float) -> None:
        self._sandbox = Sandbox(safe_copy, seconds, 1, _give_way)
        self._thread = ThreadPoolExecutor(1)

    def __enter__(self) -> "Copier":
        self._sandbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sandbox.kill()
        self._thread.shutdown(cancel_futures=True)
        self._sandbox.stop()

    def start(self, job: Foreign) -> Copy:
        """Start to copy a video."""
        return Copy(job, self._thread.submit(self._sandbox.map, [job], "read"))


def _give_way() -> None:
    """Let whoever works on the frames go first: a copy is ahead of them, and fills what is left of the cores."""
    os.nice(5)


def copy_videos(videos: Iterable[Foreign], seconds: float) -> Iterator[Times | Refused]:
    """Copy videos as Copier does, each when it is asked for; yield their times, or why they are refused."""
    with Copier(seconds) as copier:
        for video in videos:
            yield copier.start(video).times()


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
