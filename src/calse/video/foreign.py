"""A safe copy of a stranger's video: our codec, square pixels, even sides; its rate and every frame stay."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calse.errors import CalseError, StarvedError
from calse.video.decode import iterate_frames, probe
from calse.video.encode import write_video
from calse.video.normalise import fitted_size
from calse.video.planes import resized
from calse.video.sandbox import Refused, map_sandboxed

LOSSLESS = 0  # the result is encoded once more, and only that may lose
MEMORY = 2 * 1024**3  # bytes that the frames of one video may take


@dataclass(frozen=True)
class Foreign:
    """A stranger's video and where a safe copy of it goes."""

    video: Path
    copy: Path


def copy_videos(videos: list[Foreign], seconds: float) -> list[str]:
    """Copy videos in processes that may die, each within so many seconds; return why each was refused, or nothing."""
    results = map_sandboxed(safe_copy, videos, "read", seconds)
    return [result.reason if isinstance(result, Refused) else "" for result in results]


def safe_copy(job: Foreign) -> None:
    """Decode a video and write its copy. Raises CalseError saying what is wrong with it."""
    try:
        write_video(job.copy, _square_pixels(job.video), probe(job.video).fps, qp=LOSSLESS)
    except StarvedError:
        raise
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{job.video}: ").removeprefix(f"{job.copy}: ")) from None


def _square_pixels(video: Path) -> Iterator[np.ndarray]:
    """Yield frames with square pixels and even sides: an odd one gets its last line twice."""
    memory = 0
    for frame in iterate_frames(video):
        image = frame.image
        memory += image.nbytes
        if memory > MEMORY:
            raise CalseError(f"its frames take more than {MEMORY // 2**30} GiB; cut it into parts")
        if frame.pixel_aspect != 1:
            height, width = image.shape[:2]
            image = resized(image, fitted_size(width, height, frame.pixel_aspect, min(height, width)))
        yield np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
