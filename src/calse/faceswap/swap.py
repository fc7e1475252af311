"""The stage `swap`: copies of clips with a donor's face, and the proof that it worked."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import torch

from calse.clips import Clip, choose, compact_json, read_manifest, verify, write_manifest
from calse.errors import CalseError
from calse.faceswap.checkpoint import WEIGHTS, load_model
from calse.faceswap.convert import MARK, SwapReport, swap_frames
from calse.faceswap.network import SwapNetwork
from calse.faceswap.quality import assess_set
from calse.faceswap.sheet import write_sheet
from calse.faceswap.sides import clips_of_sides
from calse.faceswap.training_faces import track_of
from calse.files import folder_written_aside, sha256_of, write_json
from calse.layout import Layout
from calse.parallel import map_parallel
from calse.params import Params, SwapSet
from calse.video.decode import read_frames
from calse.video.encode import write_video


@dataclass(frozen=True)
class Swap:
    """One clip to swap into `folder`, with the donor's model of the hash `model`."""

    parent: Clip
    set_name: str
    settings: SwapSet
    model: str
    folder: Path
    layout: Layout

    @property
    def name(self) -> str:
        """The swapped clip's id."""
        return f"{self.set_name}-{self.parent.clip}-1"


def swap(params: Params, layout: Layout, set_name: str) -> None:
    """Make a face-swapped set, its manifest, its contact sheet and its metrics.

    Raises CalseError for an unknown set, a leak (see `sides`), a model or track that is missing or damaged, and a
    parent clip that has changed.
    """
    if set_name not in params.swap:
        raise CalseError(f"swap.{set_name} is not in params.yaml; its sets are: {', '.join(params.swap) or 'none'}")
    settings = params.swap[set_name]
    clips_of_sides(params, layout, settings.donor)  # for its refusals
    load_model(layout.swap_model(settings.donor))
    model = sha256_of(layout.swap_model(settings.donor) / WEIGHTS)
    clips = [clip for name in params.sources_of(settings.of) for clip in read_manifest(layout.source_manifest(name))]
    parents = choose(clips, settings.clips_per_gloss, settings.seed)
    with folder_written_aside(layout.augmented(set_name)) as folder:
        jobs = [Swap(parent, set_name, settings, model, folder, layout) for parent in parents]
        results = map_parallel(swap_clip, jobs, f"swap {set_name}")
    made = sorted((clip for clip, _ in results), key=lambda clip: clip.clip)
    write_manifest(layout.set_manifest(set_name), made)
    write_sheet(params, layout, set_name, made)
    counts = totals([report for _, report in results])
    write_json(layout.metrics("swap") / f"{set_name}.json", counts | assess_set(params, layout, set_name, made))


def swap_clip(job: Swap) -> tuple[Clip, SwapReport]:
    """Swap one clip into a file and return its record, the parent's with what changed, and a report."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # sums depend on it
    parent, donor = job.parent, job.settings.donor
    frames = read_frames(verify(parent, job.layout.root))
    track = track_of(parent, job.layout, frames)
    swapped, report = swap_frames(frames, track, _network(job.layout.swap_model(donor)), job.settings)
    path = job.folder / f"{job.name}.mp4"
    write_video(path, swapped, parent.fps, MARK)
    made = {"by": "swap", "donor": donor, "model": job.model, "seed": job.settings.seed, "face": "synthetic"}
    clip = replace(
        parent,
        clip=job.name,
        set=job.set_name,
        parent=parent.clip,
        path=(Layout().augmented(job.set_name) / path.name).as_posix(),
        sha256=sha256_of(path),
        content="",
        made=compact_json(made),
    )
    return clip, report


@cache
def _network(folder: Path) -> SwapNetwork:
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
