"""The stage `swap-train` for this method: a donor's library out of the donor's clips."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.config.params import Params, as_dict
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, verify, write_rows
from calse.data.paths import Layout
from calse.faceswap.methods.mesh.method import LIBRARY
from calse.faceswap.methods.mesh.model.library import (
    Cut,
    cut,
    library_of,
    save_library,
    spread,
    usable,
)
from calse.faceswap.methods.mesh.model.suitability import shortcomings
from calse.faceswap.methods.mesh.model.topology import Topology, read_topology
from calse.faceswap.points import EXPRESSION
from calse.faceswap.registry import INFO
from calse.landmarks.generated import landmarks_of
from calse.runtime.errors import CalseError, print_warnings
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder, sha256_of, write_json
from calse.video.ours.read import read_frames


@dataclass(frozen=True)
class Job:
    """One clip of a donor and which of its frames are kept."""

    clip: Clip
    numbers: tuple[int, ...]
    layout: Layout


def train(params: Params, layout: Layout, set_name: str) -> None:
    """Write the library of a set's donor and a table of its pictures.

    Raises CalseError when a clip or its landmarks are missing or changed, or no frame of the donor can be used.
    """
    settings, most = params.swap[set_name], params.swap_train["mesh"].frames
    clips = read_manifest(layout.source_manifest(settings.donor))
    jobs = chosen(clips, layout, most, settings.donor)
    joined = topology(layout)
    library = library_of(map_parallel(cut_clip, jobs, f"faces {settings.donor}"), joined)
    warnings = shortcomings(library, joined, settings.donor)
    print_warnings(warnings)
    with atomic_folder(layout.swap_model(set_name)) as aside:
        save_library(aside / LIBRARY, library)
        data = {settings.donor: sha256_of(layout.source_manifest(settings.donor))}
        info = {
            "donor": settings.donor,
            "method": "mesh",
            "params": as_dict(params.swap_train["mesh"]),
            "data": data,
            "warnings": warnings,
        }
        write_json(aside / INFO, info)
    names = [(job.clip.clip, number) for job in jobs for number in job.numbers]
    columns = ["picture", "clip", "frame", "yaw", "pitch", *EXPRESSION]
    rows = [
        dict(
            zip(
                columns, [k, *names[k], *(f"{x:.4f}" for x in (*library.turns[k], *library.expression[k]))], strict=True
            )
        )
        for k in range(len(library))
    ]
    write_rows(layout.metrics("swap-train") / f"{set_name}.csv", columns, rows)


def chosen(clips: list[Clip], layout: Layout, most: int, donor: str) -> list[Job]:
    """Return which frames of a donor's clips are kept. Raises CalseError when none can be."""
    frames = []
    for clip in clips:
        found = landmarks_of(clip, layout)
        frames += [(clip.clip, int(number)) for number in usable(found, clip.height, clip.width)]
    kept = [frames[number] for number in spread(len(frames), most)]
    if not kept:
        raise CalseError(
            f"donor {donor}: no frame shows the whole face, surely found and without a hand in front of it; "
            f"see metrics/landmarks/{donor}.json"
        )
    jobs = [Job(clip, tuple(number for name, number in kept if name == clip.clip), layout) for clip in clips]
    return [job for job in jobs if job.numbers]


def cut_clip(job: Job) -> Cut:
    """Return the kept faces of one clip."""
    cv2.setNumThreads(1)
    frames: NDArray[np.uint8] = read_frames(verify(job.clip, job.layout.root))
    return cut(frames, landmarks_of(job.clip, job.layout), np.array(job.numbers))


def topology(layout: Layout) -> Topology:
    """Return how the points of a face are joined. Raises CalseError when its file is missing or damaged."""
    return read_topology(layout.landmark_models() / "face_mesh_connections.py")
