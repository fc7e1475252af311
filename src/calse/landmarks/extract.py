"""The stage `landmarks`: where face, hands and upper body are in every frame of a source's clips."""

from dataclasses import dataclass
from pathlib import Path

import cv2

from calse.config.params import LandmarkSettings, Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, verify
from calse.data.paths import Layout
from calse.landmarks.following import follow, load_networks
from calse.landmarks.models import FACE_DETECTOR, model_path
from calse.landmarks.rates import Rates, rates_of, summary
from calse.landmarks.record import write_landmarks
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder, write_json
from calse.runtime.memo import resumable
from calse.video.ours.read import iterate_frames


@dataclass(frozen=True)
class Job:
    """One clip to find landmarks in; they are written into `folder`."""

    layout: Layout
    clip: Clip
    folder: Path
    settings: LandmarkSettings


def landmarks(params: Params, layout: Layout, source: str) -> None:
    """Write `<clip id>.npz` for every clip of a source, and what was found to metrics/landmarks.

    A frame, or a whole clip, without a person is reported and is no error. Raises CalseError naming what is missing or
    changed: a clip, the manifest, a model.
    """
    clips = read_manifest(layout.source_manifest(source))
    model_path(layout, FACE_DETECTOR)  # better now than in every worker
    with resumable(find_landmarks, f"landmarks-{source}") as find:
        with atomic_folder(layout.landmarks(source)) as folder:
            jobs = [Job(layout, clip, folder, params.landmarks) for clip in clips]
            found = map_parallel(find, jobs, f"landmarks {source}")
        write_json(layout.metrics("landmarks") / f"{source}.json", summary(found))


def find_landmarks(job: Job) -> Rates:
    """Find the landmarks of one clip and write them."""
    cv2.setNumThreads(1)
    frames = iterate_frames(verify(job.clip, job.layout.root))
    followed = follow(frames, load_networks(job.layout), job.settings)
    write_landmarks(job.folder / f"{job.clip.clip}.npz", followed.landmarks)
    return rates_of(job.clip, followed)
