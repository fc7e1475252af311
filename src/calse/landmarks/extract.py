"""The stage `landmarks`: where face, hands and upper body are in every frame of a source's clips."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calse.config.params import LandmarkSettings, Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, verify
from calse.data.paths import Layout
from calse.landmarks.following import load_networks, track_and_count
from calse.landmarks.hands import hands_in_front
from calse.landmarks.models import FACE_DETECTOR, model_path
from calse.landmarks.record import Landmarks, write_landmarks
from calse.runtime.executor import map_parallel
from calse.runtime.files import folder_written_aside, write_json
from calse.runtime.memo import resumable
from calse.video.ours.read import read_frames


@dataclass(frozen=True)
class Job:
    """One clip whose face is followed; its track is written into `folder`."""

    layout: Layout
    clip: Clip
    folder: Path
    settings: LandmarkSettings


@dataclass(frozen=True)
class Seen:
    """What one clip showed: counts of frames, and the face's width in every frame that has one, in pixels."""

    clip: str
    frames: int
    several: int
    hand_in_front: int
    widths: tuple[float, ...]


def landmarks(params: Params, layout: Layout, source: str) -> None:
    """Write `<clip id>.npz` for every clip of a source, and what was found to metrics/landmarks.

    A frame, or a whole clip, without a face is reported and is no error. Raises CalseError naming what is missing or
    changed: a clip, the manifest, a model.
    """
    clips = read_manifest(layout.source_manifest(source))
    model_path(layout, FACE_DETECTOR)  # better now than in every worker
    with resumable(follow, f"landmarks-{source}") as follow_once:
        with folder_written_aside(layout.landmarks(source)) as folder:
            jobs = [Job(layout, clip, folder, params.landmarks) for clip in clips]
            seen = map_parallel(follow_once, jobs, f"landmarks {source}")
        write_json(layout.metrics("landmarks") / f"{source}.json", summary(seen))


def follow(job: Job) -> Seen:
    """Follow the face in one clip and write its track."""
    frames = read_frames(verify(job.clip, job.layout.root))
    track, several = track_and_count(frames, load_networks(job.layout), job.settings)
    write_landmarks(job.folder / f"{job.clip.clip}.npz", track)
    return Seen(job.clip.clip, len(frames), several, int(hands_in_front(track).sum()), _widths(track))


def summary(seen: list[Seen]) -> dict[str, Any]:
    """Return the metrics of a source; `frames_with_several_faces` counts only frames that were detected afresh."""
    frames = sum(one.frames for one in seen)
    widths = [width for one in seen for width in one.widths]
    return {
        "clips": len(seen),
        "clips_without_face": sorted(one.clip for one in seen if not one.widths),
        "face_width_median": round(float(np.median(widths)), 1) if widths else None,
        "frames": frames,
        "frames_with_face": len(widths),
        "frames_with_face_share": round(len(widths) / frames, 4) if frames else 0,
        "frames_with_hand_in_front": sum(one.hand_in_front for one in seen),
        "frames_with_several_faces": sum(one.several for one in seen),
    }


def _widths(track: Landmarks) -> tuple[float, ...]:
    return tuple(np.ptp(track.face[track.has_face, :, 0], axis=1).tolist())
