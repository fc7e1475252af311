"""The stage `omit`: a source's clips without a face to read, to find out how much a recogniser reads in it."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.config.params import Params
from calse.data.clips import Clip, provenance
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.data.paths import Layout
from calse.faceswap.mask import OVAL, distance, face_width, fill, hand_mask
from calse.faceswap.quality.distance import DIGITS, embed_frames, quartiles, quotas, sample, share
from calse.faceswap.quality.identity import SAME_PERSON
from calse.faceswap.quality.pictures import Pictures
from calse.landmarks.generated import landmarks_hash, landmarks_of
from calse.landmarks.record import Floats, Landmarks
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_folder, write_json
from calse.runtime.memo import resumable
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames

BLUR, MARGIN, SOFT = 0.3, 0.15, 0.04  # shares of the face's width: the blur's deviation, its margin, its edge
COARSE = 6  # pixels: what is blurred more than this loses nothing when it is drawn in a smaller picture
FRAMES, SEED = 12, 1974  # frames of a source in which it is checked that nobody can be recognised


@dataclass(frozen=True)
class Job:
    """One clip to blur into `folder`; `track` is the hash of its face track.

    `checked` is how many of its frames are compared with the original face.
    """

    parent: Clip
    track: str
    folder: Path
    layout: Layout
    checked: int


@dataclass(frozen=True)
class Omitted:
    """A blurred clip, how many of its frames had a face, and the checked ones' distances to the original face."""

    clip: Clip
    faces: int
    distances: list[float]


def omit(params: Params, layout: Layout, source: str) -> None:
    """Write a source's clips with blurred faces, their manifest and metrics; a frame without a face stays as it is.

    Raises CalseError when a clip or its face track is missing or damaged.
    """
    clips = read_manifest(layout.source_manifest(source))
    counts = quotas([clip.clip for clip in clips], FRAMES, SEED)
    with resumable(omit_clip, f"omit-{source}") as make:
        with atomic_folder(layout.omitted(source)) as folder:
            tracks = [landmarks_hash(clip, layout) for clip in clips]
            jobs = [
                Job(clip, track, folder, layout, count)
                for clip, track, count in zip(clips, tracks, counts, strict=True)
            ]
            made = map_parallel(make, jobs, f"omit {source}")
        write_manifest(layout.omitted_manifest(source), [one.clip for one in made])
        write_json(layout.metrics("omit") / f"{source}.json", _summary(made))


def omit_clip(job: Job) -> Omitted:
    """Blur one clip into a file and return its record: the parent's, with what changed."""
    cv2.setNumThreads(1)
    parent = job.parent
    track = landmarks_of(parent, job.layout)
    frames = read_frames(verify(parent, job.layout.root))
    path = job.folder / f"OMIT-{parent.clip}.mp4"
    blurred = without_faces(frames, track)
    made = {"by": "omit", "blur": BLUR, "margin": MARGIN, "face": "blurred"}
    write_video(path, blurred, parent.fps, provenance(parent.clip, made))
    clip = parent.child(path, f"OMIT-{parent.source}", made)
    numbers = sample(track.has_face, job.checked, parent.clip, SEED)
    before, after = (embed_frames(job.layout, video, track.face, numbers) for video in (frames, blurred))
    return Omitted(clip, int(track.has_face.sum()), np.linalg.norm(before - after, axis=1).tolist())


def without_faces(frames: Pictures, track: Landmarks) -> Pictures:
    """Return frames `T x H x W x 3` with the face blurred beyond recognition; hands in front of it stay sharp."""
    return np.stack(
        [
            blur_face(frame, track.face[number], track.hands[number]) if track.has_face[number] else frame
            for number, frame in enumerate(frames)
        ]
    )


def blur_face(frame: Pictures, landmarks: Floats, hands: Floats) -> Pictures:
    """Return one frame `H x W x 3` with the face blurred; beyond MARGIN and SOFT nothing changes."""
    region = face_region(landmarks, *frame.shape[:2]) * (1 - hand_mask(hands, *frame.shape[:2]))
    left, top, across, down = cv2.boundingRect((region > 0).astype(np.uint8))
    window = np.s_[top : top + down, left : left + across]
    smeared = strongly_blurred(frame, BLUR * face_width(landmarks))[window]
    mixed = frame.copy()
    mixed[window] = np.round(frame[window] + region[window][..., None] * (smeared.astype(np.float32) - frame[window]))
    return mixed


def strongly_blurred(frame: Pictures, deviation: float) -> Pictures:
    """Return a frame after a Gaussian blur of some pixels' deviation, drawn in a smaller picture when it is wide."""
    share = min(1.0, COARSE / deviation)
    small = cv2.resize(frame, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), deviation * share)
    return np.asarray(cv2.resize(soft, frame.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def face_region(landmarks: Floats, height: int, width: int) -> NDArray[np.float32]:
    """Return 1 on the face and around it, falling softly to 0, `H x W`."""
    reach = face_width(landmarks)
    outside = 1 - fill([cv2.convexHull(landmarks[list(OVAL), :2])[:, 0]], height, width)
    left, top, across, down = cv2.boundingRect(1 - outside)
    soft = max(1.0, SOFT * reach)
    beyond = math.ceil(MARGIN * reach + soft)  # pixels from the face to where nothing changes
    window = np.s_[max(0, top - beyond) : top + down + beyond, max(0, left - beyond) : left + across + beyond]
    away = distance(outside[window])
    region = np.zeros((height, width), np.float32)
    region[window] = np.clip(1 + (MARGIN * reach - away) / soft, 0, 1)
    return region


def _summary(made: list[Omitted]) -> dict[str, Any]:
    """Return the metrics of a source's blurred clips."""
    frames, faces = sum(one.clip.frames for one in made), sum(one.faces for one in made)
    apart = [distance for one in made for distance in one.distances]
    return {
        "clips": len(made),
        "frames": frames,
        "frames_left_unchanged": frames - faces,
        "share_blurred": round(faces / max(1, frames), DIGITS),
        "clips_without_a_face": [one.clip.parent for one in made if not one.faces],
        "not_recognised": share(np.array(apart) > SAME_PERSON) if apart else None,
        "distance_to_original": quartiles(apart) if apart else None,
    }
