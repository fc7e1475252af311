"""The proof of a swapped set: has the identity moved, is the expression kept, and did nothing else change?"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from calse.config.params import LandmarkSettings, Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, verify
from calse.data.paths import Layout
from calse.faceswap.quality.compare import FeatureKept, Figures, compare, mean_kept
from calse.faceswap.quality.distance import DIGITS, embed_frames, identity_moved, quartiles, quotas, sample
from calse.faceswap.quality.expression import FEATURES
from calse.faceswap.quality.oracle import CLIPS, Oracle, Shot, beside_oracle, shot_of, summarise_oracles
from calse.faceswap.registry import SwapSet
from calse.landmarks.following import load_networks
from calse.landmarks.generated import landmarks_of
from calse.landmarks.record import Floats
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.video.ours.read import read_frames

FRAMES, DONOR_FRAMES = 48, 12  # whose identity is looked at in a set: an embedding takes 0.01 s


@dataclass(frozen=True)
class Job:
    """A swapped clip to measure against its parent, and `shot` against its oracle.

    `sampled` is how many frames show whose face it is.
    """

    clip: Clip
    parent: Clip
    layout: Layout
    settings: LandmarkSettings
    sampled: int
    seed: int
    shot: Shot | None = None


@dataclass(frozen=True)
class Assessed:
    """What was measured on one clip; embeddings are of the same frames before and after, `N x 128`."""

    clip: str
    signer: str
    figures: Figures
    before: Floats
    after: Floats
    oracle: Oracle | None = None


def assess_set(params: Params, layout: Layout, set_name: str, clips: list[Clip]) -> dict[str, Any]:
    """Measure a swapped set against its originals and its donor; equal clips give equal figures.

    The outcome is `passed`, with what `failed` by name. Raises CalseError when a clip or a track is missing or changed.
    """
    swap = params.swap[set_name]
    results = map_parallel(assess_clip, _jobs(params, layout, set_name, clips), f"quality {set_name}")
    assessed = [result for result in results if result is not None]
    if not any(len(one.before) for one in assessed):
        return {"passed": False, "failed": ["no sampled clip of the set has a face that can be measured"]}
    figures = summarise(assessed, donor_faces(layout, swap))
    failed = failures(figures, swap)
    return figures | {"passed": not failed, "failed": failed}


def _jobs(params: Params, layout: Layout, set_name: str, clips: list[Clip]) -> list[Job]:
    """Return a job for each clip of a set, CLIPS of them with what their oracle needs."""
    swap = params.swap[set_name]
    sources = sorted({clip.source for clip in clips})
    parents = {clip.clip: clip for source in sources for clip in read_manifest(layout.source_manifest(source))}
    rest: dict[str, Any] = {"layout": layout, "settings": params.landmarks, "seed": swap.seed}
    counts = quotas([clip.clip for clip in clips], FRAMES, swap.seed)
    filmed = sample(np.ones(len(clips), bool), CLIPS, set_name, swap.seed)
    shots = {number: shot_of(params, parents[clips[number].parent], swap.donor) for number in filmed}
    return [
        Job(clip, parents[clip.parent], sampled=count, shot=shots.get(number), **rest)
        for number, (clip, count) in enumerate(zip(clips, counts, strict=True))
    ]


def assess_clip(job: Job) -> Assessed | None:
    """Measure one clip; nothing when its parent has no face or the swap lost it everywhere."""
    track = landmarks_of(job.parent, job.layout)
    original = read_frames(verify(job.parent, job.layout.root))
    swapped = read_frames(verify(job.clip, job.layout.root))
    if not track.has_face.any():
        return None
    networks = load_networks(job.layout)
    figures, found = compare(original, swapped, track, networks, job.settings)
    both = track.has_face & ~np.isnan(found.swapped[:, 0])
    if not both.any():
        return None
    numbers = sample(both, job.sampled, job.clip.clip, job.seed)
    return Assessed(
        clip=job.clip.clip,
        signer=job.parent.signer,
        figures=figures,
        before=embed_frames(job.layout, original, track.face, numbers),
        after=embed_frames(job.layout, swapped, found.landmarks, numbers),
        oracle=beside_oracle(
            job.shot, job.layout, (swapped, original), (track, found.landmarks), networks, job.settings
        )
        if job.shot
        else None,
    )


def donor_faces(layout: Layout, swap: SwapSet) -> Floats:
    """Return embeddings of sampled frames of the donor's clips, `M x 128`. Raises CalseError when none has a face."""
    clips = read_manifest(layout.source_manifest(swap.donor))
    faces = []
    for clip, count in zip(clips, quotas([clip.clip for clip in clips], DONOR_FRAMES, swap.seed), strict=True):
        if count:
            track = landmarks_of(clip, layout)
            numbers = sample(track.has_face, count, clip.clip, swap.seed)
            faces.append(embed_frames(layout, read_frames(verify(clip, layout.root)), track.face, numbers))
    if not any(map(len, faces)):
        raise CalseError(f"donor {swap.donor}: no sampled clip shows a face; see metrics/landmarks/{swap.donor}.json")
    return np.concatenate(faces)


def summarise(assessed: list[Assessed], donor: Floats) -> dict[str, Any]:
    """Return the figures of a set."""
    signers = [one.signer for one in assessed for _ in one.before]
    before, after = (np.concatenate([getattr(one, name) for one in assessed]) for name in ("before", "after"))
    figures = [one.figures for one in assessed]
    expression = expression_of([one.expression for one in figures])
    scores = [(one.figures.kept, one.clip) for one in assessed if one.figures.kept is not None]
    kept = mean_kept({name: row for name, (row, _) in expression.items()})
    changes = {
        name: quartiles([getattr(one, name) for one in figures])
        for name in ("flicker", "detail", "outside", "psnr", "ssim", "again")
    }
    oracles = [one.oracle for one in assessed if one.oracle is not None]
    evidence = {"oracle": summarise_oracles(oracles)} if oracles else {}
    return (
        changes
        | evidence
        | {
            "clips_measured": len(assessed),
            "identity": identity_moved(signers, before, after, donor),
            "expression": {
                name: {key: round(value, DIGITS) for key, value in row._asdict().items()} | {"clips": count}
                for name, (row, count) in expression.items()
            },
            "kept": None if kept is None else round(kept, DIGITS),
            "least_kept": [name for _, name in sorted(scores)[:3]],  # those to look at
            "not_measured": {"lpips": "its weights are in no package; PSNR and SSIM of the face stand in"},
        }
    )


def expression_of(clips: list[dict[str, FeatureKept]]) -> dict[str, tuple[FeatureKept, int]]:
    """Return the medians over the clips in which a feature moves, and how many those are."""
    table = {}
    for name in FEATURES:
        rows = [clip[name] for clip in clips if name in clip]
        if rows:
            table[name] = FeatureKept(*np.median(rows, axis=0).tolist()), len(rows)
    return table


def failures(figures: dict[str, Any], swap: SwapSet) -> list[str]:
    """Return which thresholds of a set its figures miss, as lines for a person."""
    failed, moved, kept = [], figures["identity"]["moved"], figures["kept"]
    if moved < swap.min_moved:
        failed.append(f"identity moved in {moved:.2f} of the frames, less than min_moved {swap.min_moved:g}")
    if kept is None:
        failed.append("no feature of the expression moves enough to be read at this size")
    elif kept < swap.min_kept:
        failed.append(f"expression kept {kept:.2f}, less than min_kept {swap.min_kept:g}")
    return failed
