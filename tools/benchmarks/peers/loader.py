"""The published clip loader (WLASL baseline): the video is decoded and resized anew for every clip of every epoch."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

FRAMES, SIZE, LEAST, MOST = 64, 224, 226, 256


def published_clip(video: Path, rng: np.random.Generator, frames: int = FRAMES, size: int = SIZE) -> Tensor:
    """Return one training clip 3 x frames x size x size float32 in [-1, 1], BGR.

    Consecutive frames after a seek, each resized and scaled in float64; a short clip is filled up with its first or
    last frame; then a random crop and a flip.
    """
    capture = cv2.VideoCapture(str(video))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    start = int(rng.integers(max(1, total - frames)))
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    pictures = [_resized(capture.read()[1]) for _ in range(min(frames, total - start))]
    capture.release()
    clip = np.asarray([picture / 255.0 * 2 - 1 for picture in pictures], dtype=np.float32)
    if len(clip) < frames:
        filler = clip[0] if rng.random() < 0.5 else clip[-1]
        clip = np.concatenate([clip, np.tile(filler, (frames - len(clip), 1, 1, 1))])
    top, left = (int(rng.integers(side - size + 1)) for side in clip.shape[1:3])
    clip = clip[:, top : top + size, left : left + size]
    if rng.random() < 0.5:
        clip = clip[:, :, ::-1].copy()
    return torch.from_numpy(clip.transpose(3, 0, 1, 2)).contiguous()


def _resized(picture: np.ndarray) -> np.ndarray:
    """Enlarge under 226 pixels; anything over 256 becomes a square of 256, whatever its aspect."""
    height, width = picture.shape[:2]
    if min(height, width) < LEAST:
        scale = LEAST / min(height, width)
        picture = cv2.resize(picture, dsize=(0, 0), fx=scale, fy=scale)
    if max(height, width) > MOST:
        picture = cv2.resize(picture, (MOST, MOST))
    return picture
