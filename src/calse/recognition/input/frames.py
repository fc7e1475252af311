"""A clip as trainings and evaluations read it: every frame, shrunk. What this makes is kept, under a hash of CODE."""

import math
from pathlib import Path

import cv2
import numpy as np

from calse.video.ours.read import read_frames

# All that shapes these frames, in src/calse, and the packages that do; tests/test_structure.py holds the list true.
CODE = ("recognition/input/frames.py", "video/ours/planes.py", "video/ours/read.py")
PACKAGES = {"av", "decord", "eva_decord", "numpy", "opencv_python_headless"}


def short_side(size: int) -> int:
    """Return the pixels kept of a clip's short side, so that crops of `size` have room: 256 for 224."""
    return math.ceil(size * 256 / 224)


def shrunk_frames(video: Path, side: int) -> np.ndarray:
    """Decode a clip T x H x W x 3 uint8 RGB with a short side of `side` pixels. Raises CalseError naming the file."""
    cv2.setNumThreads(1)
    return shrink(read_frames(video), side)


def shrink(frames: np.ndarray, side: int) -> np.ndarray:
    """Resize frames T x H x W x 3 uint8 so that their short side is `side` pixels, aspect kept."""
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size, interpolation=method) for frame in frames])
