"""Decoded clips, kept as memory maps: a training reads every clip in every epoch, and decoding costs 80 times more.

The cache lies in the scratch folder and can be deleted at any time. Its key is the clip's sha256 and size.
"""

import math
from pathlib import Path

import cv2
import numpy as np

from calse.clips import Clip
from calse.errors import CalseError
from calse.files import sha256_of, written_aside
from calse.layout import Layout, scratch
from calse.parallel import map_parallel
from calse.video.decode import read_frames


def short_side(size: int) -> int:
    """Return the pixels kept of a clip's short side, so that crops of `size` have room: 256 for 224."""
    return math.ceil(size * 256 / 224)


def cached_frames(clips: list[Clip], layout: Layout, size: int) -> list[Path]:
    """Decode clips, shrink them to room for crops of `size` pixels, and return their files in the clips' order.

    Each file opens with `open_frames`. Raises CalseError naming the clip when its video is missing, has
    changed since the split was made, or does not decode.
    """
    folder = scratch() / "frames" / str(short_side(size))
    paths = [folder / f"{clip.sha256}.npy" for clip in clips]
    for clip in clips:
        check_unchanged(clip, layout)
    jobs = {path: layout.root / clip.path for clip, path in zip(clips, paths, strict=True) if not is_whole(path)}
    if jobs:
        map_parallel(_decode_one, [(video, path, short_side(size)) for path, video in jobs.items()], "decode clips")
    return paths


def check_unchanged(clip: Clip, layout: Layout) -> None:
    """Raise CalseError unless a clip's file is the one that the split lists."""
    path = layout.root / clip.path
    if not path.is_file():
        raise CalseError(f"clip {clip.clip}: {path} is missing; `dvc checkout` or `dvc repro` brings it back")
    if sha256_of(path) != clip.sha256:
        raise CalseError(f"clip {clip.clip}: {path} is not the file that the split lists; rerun the split stage")


def is_whole(path: Path) -> bool:
    """Say whether a cached clip is there in full."""
    try:
        open_frames(path)
    except (OSError, ValueError):
        return False
    return True


def open_frames(path: Path) -> np.ndarray:
    """Map a cached clip T x H x W x 3 uint8 into memory. Raises OSError or ValueError when it is not there in full."""
    frames = np.load(path, mmap_mode="r")
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"{path} is not a clip")
    return np.asarray(frames)


def shrink(frames: np.ndarray, side: int) -> np.ndarray:
    """Resize frames T x H x W x 3 uint8 so that their short side is `side` pixels, aspect kept."""
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size, interpolation=method) for frame in frames])


def _decode_one(job: tuple[Path, Path, int]) -> None:
    video, target, side = job
    cv2.setNumThreads(1)
    frames = shrink(read_frames(video), side)
    try:
        with written_aside(target) as aside, open(aside, "wb") as file:
            np.save(file, frames)
    except OSError as error:
        raise CalseError(f"{target}: the decoded clip cannot be kept: {error.strerror}; free some disk") from None
