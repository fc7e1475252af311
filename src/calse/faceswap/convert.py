"""The stage `swap`: clips with a donor's face instead of the signer's, and the proof that it worked."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.config.params import Params
from calse.data.clips import Clip, choose, provenance
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.data.paths import Layout
from calse.faceswap.mask import hand_share
from calse.faceswap.quality.contact_sheet import write_contact_sheet
from calse.faceswap.quality.quality import assess_set
from calse.faceswap.registry import SwapSet, find_method, set_of
from calse.landmarks.generated import landmarks_hash, landmarks_of
from calse.landmarks.record import Landmarks
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder, write_json
from calse.runtime.memo import resumable
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames

Pictures = NDArray[np.uint8]

FACE = "synthetic face: another person's in the signer's place"
HIDDEN = 0.02  # share of the face that a hand must hide to be counted


@dataclass(frozen=True)
class Swap:
    """One clip to swap into `folder`; `track` and `model` are the hashes of its landmarks and of the set's model."""

    parent: Clip
    track: str
    set_name: str
    settings: SwapSet
    model: str
    folder: Path
    layout: Layout


@dataclass(frozen=True)
class SwapReport:
    """How many frames a clip has, how many show the donor now, show no face, show a hand in front of the face."""

    frames: int
    swapped: int
    without_face: int
    hand_over_face: int


def swap(params: Params, layout: Layout, set_name: str) -> None:
    """Make a face-swapped set, its manifest, its contact sheet and its metrics.

    Raises CalseError for an unknown set, a model or landmarks that are missing or damaged, and a parent clip that has
    changed.
    """
    settings = set_of(params, set_name)
    model = find_method(settings.method).fingerprint(layout.swap_model(set_name))
    signers = read_manifest(layout.source_manifest(settings.signers))
    parents = choose(signers, settings.clips_per_gloss, settings.seed)
    with resumable(swap_clip, f"swap-{set_name}") as make:
        with atomic_folder(layout.augmented(set_name)) as folder:
            tracks = [landmarks_hash(parent, layout) for parent in parents]
            jobs = [
                Swap(parent, track, set_name, settings, model, folder, layout)
                for parent, track in zip(parents, tracks, strict=True)
            ]
            results = map_parallel(make, jobs, f"swap {set_name}")
        made = sorted((clip for clip, _ in results), key=lambda clip: clip.clip)
        write_manifest(layout.set_manifest(set_name), made)
        write_contact_sheet(params, layout, set_name, made)
        counts = totals([report for _, report in results])
        measured = assess_set(params, layout, set_name, made)
        write_json(layout.metrics("swap") / f"{set_name}.json", {"method": settings.method} | counts | measured)


def swap_clip(job: Swap) -> tuple[Clip, SwapReport]:
    """Swap one clip into a file and return its record, the parent's with what changed, and a report."""
    cv2.setNumThreads(1)
    parent, settings = job.parent, job.settings
    frames = read_frames(verify(parent, job.layout.root))
    landmarks = landmarks_of(parent, job.layout)
    model = _model(settings.method, job.layout, job.layout.swap_model(job.set_name))
    swapped, report = swap_frames(frames, landmarks, model, settings)
    path = job.folder / f"{job.set_name}-{parent.clip}-1.mp4"
    made = {
        "by": "swap",
        "method": settings.method,
        "donor": settings.donor,
        "model": job.model,
        "seed": settings.seed,
        "face": FACE,
    }
    write_video(path, swapped, parent.fps, provenance(parent.clip, made))
    return parent.child(path, job.set_name, made), report


@cache
def _model(method: str, layout: Layout, folder: Path) -> Any:
    """Load a model once a process."""
    return find_method(method).load(layout, folder)


def totals(reports: list[SwapReport]) -> dict[str, int]:
    """Return the reports of all clips as one."""
    return {
        "clips": len(reports),
        "frames": sum(report.frames for report in reports),
        "frames_swapped": sum(report.swapped for report in reports),
        "frames_without_face": sum(report.without_face for report in reports),
        "frames_hand_over_face": sum(report.hand_over_face for report in reports),
    }


def swap_frames(frames: Pictures, landmarks: Landmarks, model: Any, settings: SwapSet) -> tuple[Pictures, SwapReport]:
    """Return frames `T x H x W x 3` with the donor's face, as the set's method draws it, and a report.

    Pixels outside the face and on hands in front of it keep their values to the bit; frames without a face are
    returned as they are. Raises CalseError when the method returns something else.
    """
    swapped = find_method(settings.method).convert(frames, landmarks, model, settings)
    if (swapped.shape, swapped.dtype) != (frames.shape, frames.dtype):
        raise CalseError(
            f"faceswap/methods/{settings.method}/convert.py: convert returns {swapped.shape} {swapped.dtype}, "
            f"not {frames.shape} {frames.dtype}"
        )
    height, width = frames.shape[1:3]
    numbers = np.flatnonzero(landmarks.has_face).tolist()
    hidden = [
        hand_share(landmarks.face[number], landmarks.hands[number], height, width) >= HIDDEN for number in numbers
    ]
    return swapped, SwapReport(len(frames), len(numbers), len(frames) - len(numbers), sum(hidden))
