"""The stage `swap`: clips with a donor's face instead of the signer's, and the proof that it worked."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calse.config.params import Params, SwapSet
from calse.data.clips import Clip, choose, provenance
from calse.data.manifests import verify, write_manifest
from calse.data.paths import Layout
from calse.faceswap.align import Matrix, alignment, move, warp
from calse.faceswap.autoencoder.checkpoint import load_model, model_hash
from calse.faceswap.autoencoder.sides import clips_of_sides
from calse.faceswap.autoencoder.training_faces import track_of
from calse.faceswap.blend import Pictures, blend, match_colours, predict
from calse.faceswap.mask import Floats, face_mask, hand_share
from calse.faceswap.quality.quality import assess_set
from calse.faceswap.quality.sheet import write_sheet
from calse.landmarks.record import Landmarks, landmarks_hash
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import folder_written_aside, write_json
from calse.runtime.memo import resumable
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames

if TYPE_CHECKING:
    from calse.faceswap.autoencoder.network import SwapNetwork

FACE = "synthetic face: another person's in the signer's place"
HIDDEN = 0.02  # share of the face that a hand must hide to be counted


@dataclass(frozen=True)
class Swap:
    """One clip to swap into `folder`; `track` and `model` are the hashes of its face track and of the donor's model."""

    parent: Clip
    track: str
    set_name: str
    settings: SwapSet
    model: str
    folder: Path
    layout: Layout

    @property
    def name(self) -> str:
        """The swapped clip's id."""
        return f"{self.set_name}-{self.parent.clip}-1"


@dataclass(frozen=True)
class SwapReport:
    """How many frames a clip has, how many show the donor now, show no face, show a hand in front of the face."""

    frames: int
    swapped: int
    without_face: int
    hand_over_face: int


def swap(params: Params, layout: Layout, set_name: str) -> None:
    """Make a face-swapped set, its manifest, its contact sheet and its metrics.

    Raises CalseError for an unknown set, a model or track that is missing or damaged, and a parent clip that has
    changed.
    """
    if set_name not in params.swap:
        raise CalseError(f"swap.{set_name} is not in params.yaml; its sets are: {', '.join(params.swap) or 'none'}")
    settings = params.swap[set_name]
    signers, _ = clips_of_sides(params, layout, settings.donor)
    model = model_hash(layout.swap_model(settings.donor))
    parents = choose(signers, settings.clips_per_gloss, settings.seed)
    with resumable(swap_clip, f"swap-{set_name}") as make:
        with folder_written_aside(layout.augmented(set_name)) as folder:
            tracks = [landmarks_hash(layout.landmarks(parent.source) / f"{parent.clip}.npz") for parent in parents]
            jobs = [
                Swap(parent, track, set_name, settings, model, folder, layout)
                for parent, track in zip(parents, tracks, strict=True)
            ]
            results = map_parallel(make, jobs, f"swap {set_name}")
        made = sorted((clip for clip, _ in results), key=lambda clip: clip.clip)
        write_manifest(layout.set_manifest(set_name), made)
        write_sheet(params, layout, set_name, made)
        counts = totals([report for _, report in results])
        write_json(layout.metrics("swap") / f"{set_name}.json", counts | assess_set(params, layout, set_name, made))


def swap_clip(job: Swap) -> tuple[Clip, SwapReport]:
    """Swap one clip into a file and return its record, the parent's with what changed, and a report."""
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # sums depend on it
    parent, donor = job.parent, job.settings.donor
    frames = read_frames(verify(parent, job.layout.root))
    track = track_of(parent, job.layout, frames)
    swapped, report = swap_frames(frames, track, _network(job.layout.swap_model(donor)), job.settings)
    path = job.folder / f"{job.name}.mp4"
    made = {"by": "swap", "donor": donor, "model": job.model, "seed": job.settings.seed, "face": FACE}
    write_video(path, swapped, parent.fps, provenance(parent.clip, made))
    return parent.child(path, job.set_name, made), report


@cache
def _network(folder: Path) -> "SwapNetwork":
    """Load a model once a process."""
    return load_model(folder)[0]


def totals(reports: list[SwapReport]) -> dict[str, int]:
    """Return the reports of all clips as one."""
    return {
        "clips": len(reports),
        "frames": sum(report.frames for report in reports),
        "frames_swapped": sum(report.swapped for report in reports),
        "frames_without_face": sum(report.without_face for report in reports),
        "frames_hand_over_face": sum(report.hand_over_face for report in reports),
    }


def swap_frames(
    frames: Pictures, track: Landmarks, network: "SwapNetwork", settings: SwapSet
) -> tuple[Pictures, SwapReport]:
    """Return frames `T x H x W x 3` with the donor's face where the track has a face, and a report.

    Pixels outside the face and on hands in front of it keep their values to the bit; frames without a face are
    returned as they are. Only the alignment is smoothed over time, the expression is each frame's own.
    """
    height, width = frames.shape[1:3]
    numbers = np.flatnonzero(track.has_face).tolist()
    matrices = alignment(track, network.size, settings.smoothing)
    swapped = frames.copy()
    if numbers:
        originals = np.stack([_crop(frames[number], matrices[number], network.size) for number in numbers])
        faces, masks = predict(network, originals)
        inside = np.stack([_crop_mask(track, number, matrices[number], network.size) for number in numbers])
        faces = match_colours(faces, originals, inside * masks)
        for number, face, mask in zip(numbers, faces, masks, strict=True):
            place = face_mask(track.face[number], track.hands[number], height, width, settings.erode, settings.feather)
            swapped[number] = blend(frames[number], place, face, mask, matrices[number])
    hidden = [hand_share(track.face[number], track.hands[number], height, width) >= HIDDEN for number in numbers]
    return swapped, SwapReport(len(frames), len(numbers), len(frames) - len(numbers), sum(hidden))


def _crop(frame: Pictures, matrix: Matrix, size: int) -> Floats:
    """Return an aligned face in 0..1, `size x size x 3`."""
    return np.clip(warp(frame, matrix, size, size), 0, 255).astype(np.float32) / np.float32(255)


def _crop_mask(track: Landmarks, number: int, matrix: Matrix, size: int) -> Floats:
    landmarks, hands = (move(points[number], matrix) for points in (track.face, track.hands))
    return face_mask(landmarks, hands, size, size)
