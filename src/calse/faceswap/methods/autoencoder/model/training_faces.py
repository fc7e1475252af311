"""Training faces: every face of a person's clips, aligned once, with its mask and weights, on disk."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.data.clips import Clip
from calse.data.manifests import verify
from calse.data.paths import Layout
from calse.faceswap.align import alignment, move, warp
from calse.faceswap.mask import detail_weights, face_mask
from calse.faceswap.methods.autoencoder.method import Settings
from calse.landmarks.generated import landmarks_of
from calse.landmarks.record import Landmarks
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_file
from calse.video.ours.read import read_frames

Crops = NDArray[np.uint8]
CHANNELS = 5  # RGB, mask, weight
OPEN = 64  # files at once: a process may have 256 on some systems


@dataclass(frozen=True)
class Cutting:
    """One clip whose faces are cut out into a file; `side` is of the crops, in pixels."""

    clip: Clip
    path: Path
    side: int
    margin: float
    settings: Settings
    layout: Layout


class FaceSet:
    """All the faces of the signers, or of the donor, read from disk when they are asked for."""

    def __init__(self, clips: list[Clip], paths: list[Path]) -> None:
        """Count the faces in the files of the clips. Raises CalseError when none of them shows a face."""
        self._paths, self._open = paths, lru_cache(OPEN)(_mapped)
        self._ends = np.cumsum([len(self._open(path)) for path in paths])
        if not len(self):
            sources = ", ".join(sorted({clip.source for clip in clips})) or "no source"
            raise CalseError(f"{sources}: no frame shows a face, so there is nothing to learn; see metrics/landmarks")

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def take(self, numbers: NDArray[np.int64]) -> Crops:
        """Return faces by number, `N x side x side x 5`."""
        parts = np.searchsorted(self._ends, numbers, side="right").tolist()
        rows = [
            int(number) - (int(self._ends[part - 1]) if part else 0)
            for number, part in zip(numbers, parts, strict=True)
        ]
        copies = [np.array(self._open(self._paths[part])[row]) for part, row in zip(parts, rows, strict=True)]
        return np.stack(copies)  # of copies: rows of a map would keep its file open


def _mapped(path: Path) -> Crops:
    """Map a clip's faces `N x side x side x 5` into memory."""
    return np.asarray(np.load(path, mmap_mode="r"))


def cut_faces(
    people: Iterable[list[Clip]], folder: Path, settings: Settings, margin: float, layout: Layout, description: str
) -> list[FaceSet]:
    """Cut out the faces of the clips of each of some people into a folder, those that are not there yet, and open them.

    Raises CalseError when a clip or its track is missing or changed, or no clip of one of them has a face.
    """
    pixels = round(settings.size * margin)
    cuttings = [
        [Cutting(clip, folder / f"{clip.clip}.npy", pixels, margin, settings, layout) for clip in clips]
        for clips in people
    ]
    missing = [cutting for person in cuttings for cutting in person if not cutting.path.is_file()]
    if missing:
        map_parallel(_cut_clip, missing, description)
    return [FaceSet([cutting.clip for cutting in person], [cutting.path for cutting in person]) for person in cuttings]


def _cut_clip(cutting: Cutting) -> None:
    """Write the aligned faces of one clip."""
    cv2.setNumThreads(1)
    frames = read_frames(verify(cutting.clip, cutting.layout.root))
    track = landmarks_of(cutting.clip, cutting.layout)
    crops = aligned_crops(frames, track, cutting.side, cutting.margin, cutting.settings)
    with atomic_file(cutting.path) as aside:
        np.save(aside, crops)


def aligned_crops(frames: Crops, track: Landmarks, side: int, margin: float, settings: Settings) -> Crops:
    """Return the faces of frames `T x H x W x 3` that have one: `N x side x side x 5`.

    After RGB come the mask, 255 on the face and 0 on hands before it, and each pixel's weight, 255 for the largest.
    """
    matrices = alignment(track, side, margin=margin)
    largest = max(1.0, settings.eyes_weight, settings.mouth_weight)
    crops = np.empty((int(track.has_face.sum()), side, side, CHANNELS), np.uint8)
    for crop, number in zip(crops, np.flatnonzero(track.has_face), strict=True):
        matrix = matrices[number]
        landmarks, hands = move(track.face[number], matrix), move(track.hands[number], matrix)
        crop[..., :3] = np.clip(warp(frames[number], matrix, side, side), 0, 255)
        crop[..., 3] = 255 * face_mask(landmarks, hands, side, side)
        weights = detail_weights(landmarks, side, side, settings.eyes_weight, settings.mouth_weight)
        crop[..., 4] = np.round(255 / largest * weights)
    return crops
