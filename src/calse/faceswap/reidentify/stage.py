"""The stage `reidentify`: does a swapped face still name the signer, and does the way of signing?"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import cv2

from calse.config.params import LandmarkSettings, Params
from calse.data.clips import Clip, choose, seed_of
from calse.data.donors import person
from calse.data.manifests import read_manifest, verify
from calse.data.paths import Layout
from calse.faceswap.quality.distance import embed_frames, sample
from calse.faceswap.reidentify.motion import motion_of, without_posture
from calse.faceswap.reidentify.rank import Sample, rank1, spread_of
from calse.landmarks.body import BodyFollower
from calse.landmarks.crops import Pictures
from calse.landmarks.following import FaceFollower, Networks, as_arrays, load_networks
from calse.landmarks.generated import landmarks_of
from calse.landmarks.hands import Found
from calse.landmarks.record import Landmarks
from calse.runtime.executor import map_parallel
from calse.runtime.files import write_json
from calse.video.ours.read import read_frames

GALLERY = 12  # clips of each person, each of another gloss
PROBES = 50  # clips of a set, each of another gloss: as many trials that share neither recording nor sign
FRAMES = 2  # of a clip, whose mean is its face: an embedding takes 0.01 s
SEED = 1974


@dataclass(frozen=True)
class Job:
    """A clip to look at; of a generated one the landmarks are found anew, as an attacker has to."""

    clip: Clip
    layout: Layout
    settings: LandmarkSettings


@dataclass(frozen=True)
class ClipFeatures:
    """What was found of the person in a clip, as a face and as motion with and without posture."""

    face: Sample
    motion: Sample
    movement: Sample


def reidentify(params: Params, layout: Layout, set_name: str) -> None:
    """Write metrics/reidentify/<SET>.json: rank-1 of the signers in a swapped set before and after the swap.

    The attacker has up to GALLERY clips of everybody who signs in the corpus; donors are no suspects, which makes it
    easier. A probe is compared with clips of other glosses alone, so never with its own recording. Raises CalseError
    when a clip, its landmarks or a model are missing or changed.
    """
    filmed = [name for name in params.landmarks.sources if name in params.filmed]
    clips = [clip for source in filmed for clip in read_manifest(layout.source_manifest(source))]
    swapped = _drawn(read_manifest(layout.set_manifest(set_name)), PROBES)
    people = _people(clips)
    gallery = [clip for name in people for clip in _drawn(people[name], GALLERY)]
    parents = {clip.clip: clip for clip in clips}
    before = [parents[clip.parent] for clip in swapped if clip.parent in parents]
    every = list({clip.clip: clip for clip in [*gallery, *before, *swapped]}.values())
    jobs = [Job(clip, layout, params.landmarks) for clip in every] if len(people) > 1 and before else []
    made = map_parallel(clip_features, jobs, f"reidentify {set_name}") if jobs else []
    found = {job.clip.clip: one for job, one in zip(jobs, made, strict=True)}
    figures: dict[str, Any] = {"people": len(people), "signers": len({person(clip.signer) for clip in before})}
    if found:
        groups = [[found[clip.clip] for clip in group] for group in (before, swapped, gallery)]
        figures |= {"chance": round(1 / len(people), 4)} | attacks(*groups)
    write_json(layout.metrics("reidentify") / f"{set_name}.json", figures)


def _people(clips: list[Clip]) -> dict[str, list[Clip]]:
    """Return clips by who signs them."""
    people: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        people[person(clip.signer)].append(clip)
    return people


def _drawn(clips: list[Clip], count: int) -> list[Clip]:
    """Return up to so many clips, each of another gloss, by a draw that depends on each clip's name alone."""
    return sorted(choose(clips, 1, SEED), key=lambda clip: seed_of(SEED, "reidentify", clip.clip))[:count]


def clip_features(job: Job) -> ClipFeatures:
    """Return face and motion of a clip's signer, each as far as it is found."""
    cv2.setNumThreads(1)
    clip = job.clip
    frames = read_frames(verify(clip, job.layout.root))
    if clip.parent:
        landmarks = _found_anew(frames, load_networks(job.layout), job.settings)
    else:
        landmarks = landmarks_of(clip, job.layout)
    numbers = sample(landmarks.has_face, FRAMES, clip.parent or clip.clip, SEED)
    face = embed_frames(job.layout, frames, landmarks.face, numbers).mean(axis=0) if numbers else None
    motion = motion_of(landmarks, clip.fps)
    who = person(clip.signer), clip.gloss
    return ClipFeatures(
        Sample(*who, face), Sample(*who, motion), Sample(*who, None if motion is None else without_posture(motion))
    )


def _found_anew(frames: Pictures, networks: Networks, settings: LandmarkSettings) -> Landmarks:
    """Find face and body as the stage `landmarks` does; hands, which take most of its time, name nobody here."""
    face_of, body_of = FaceFollower(networks, settings), BodyFollower(networks.bodies, networks.body)
    found = []
    for frame in frames:
        face = face_of(frame)
        found.append(Found(face, body_of(frame, None if face is None else face[0])))
    return as_arrays(found)


def attacks(before: list[ClipFeatures], after: list[ClipFeatures], gallery: list[ClipFeatures]) -> dict[str, Any]:
    """Return rank-1 by face and by motion of a set's clips before and after, and of the gallery's own clips.

    The last says how well the attack works on everybody.
    """
    figures: dict[str, Any] = {}
    for name in ("face", "motion", "movement"):
        known = [getattr(one, name) for one in gallery]
        scale = 1.0 if name == "face" else spread_of(known)  # embeddings are compared as they are
        groups = {"before": before, "after": after, "gallery": gallery}
        figures[name] = {
            group: rank1([getattr(one, name) for one in clips], known, scale) for group, clips in groups.items()
        }
    return figures
