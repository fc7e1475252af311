"""In which frames of a swapped video the face is still taken for the signer's."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.data.paths import Layout
from calse.faceswap.mask import face_outline, face_window, hand_share
from calse.faceswap.quality.distance import distances, embed_frames
from calse.faceswap.quality.expression import FEATURES, features
from calse.faceswap.quality.identity import SAME_PERSON
from calse.faceswap.quality.pictures import Pictures
from calse.landmarks.record import Floats, Landmarks

EVERY = 0.2  # seconds between two frames that are measured whatever they show: each takes 0.01 s
LEAST = 8  # such frames at least, also of a short video
SIGNER = 12  # frames of the original that say who signs
NEAR = 0.65  # distance to the signer: where a frame is nearer, those before and after it are measured too
WEAK = 0.6  # share of the median change of faces; those that changed less may show who signs
TURNED, HIDDEN = 25.0, 0.02  # degrees of the head, share of the face behind a hand: there swaps fail first


@dataclass(frozen=True)
class Identity:
    """Which frames were measured, which are still taken for the signer, and the signer's embeddings.

    Frames between two measured ones that are taken for the signer are so too, unmeasured. `sampled` are the measured
    frames that were not chosen for what they show.
    """

    measured: list[int]
    signer: list[int]
    sampled: list[int]
    before: Floats = field(default_factory=lambda: np.empty((0, 128), np.float32))

    @property
    def moved(self) -> float | None:
        """Share of the sampled frames that are no longer taken for the signer; None when none was measured."""
        return 1 - len(set(self.sampled) & set(self.signer)) / len(self.sampled) if self.sampled else None


def identity(
    layout: Layout, original: Pictures, swapped: Pictures, track: Landmarks, after: Floats, times: Sequence[float]
) -> Identity:
    """Compare the face in frames after a swap with the signer's; `after` are the landmarks found in the swapped.

    Measured are a frame every EVERY seconds, all that look like a risk, and from each that is near the signer on all
    neighbours until one is far, or until two that are taken for the signer meet.
    """
    both = np.flatnonzero(track.has_face & ~np.isnan(after[:, 0, 0]))
    if not len(both):
        return Identity([], [], [])
    known = both[np.unique(np.linspace(0, len(both) - 1, SIGNER).round().astype(int))].tolist()
    before = embed_frames(layout, original, track.face, known)
    sampled = _spread(both, times)
    apart: dict[int, float] = {}
    wanted = {*sampled, *(both[risky(original, swapped, track)[both]].tolist())}
    while wanted:
        numbers = sorted(wanted)
        far = distances(embed_frames(layout, swapped, after, numbers), before)
        apart |= dict(zip(numbers, far.tolist(), strict=True))
        near = np.array([number for number in numbers if apart[number] <= NEAR], int)
        places = np.searchsorted(both, near)
        beside = np.concatenate([places - 1, places + 1])
        neighbours = set(both[beside[(beside >= 0) & (beside < len(both))]].tolist())
        wanted = neighbours - apart.keys() - set(_taken(both, apart))
    return Identity(sorted(apart), _taken(both, apart), sampled, before)


def _taken(numbers: NDArray[np.integer], apart: Mapping[int, float]) -> list[int]:
    """Return which frames are taken for the signer: those so near (`apart`), and all from one of them to the next.

    `apart` says of the measured ones how far they are from the signer.
    """
    measured = sorted(apart)
    known = {number for number in measured if apart[number] <= SAME_PERSON}
    for first, last in itertools.pairwise(measured):
        if first in known and last in known:
            known |= set(numbers[(numbers > first) & (numbers < last)].tolist())
    return sorted(known)


def _spread(numbers: NDArray[np.integer], times: Sequence[float]) -> list[int]:
    """Return the first of the frames in each EVERY seconds, and LEAST of a video that has so many."""
    _, first = np.unique(np.floor(np.asarray(times)[numbers] / EVERY), return_index=True)
    places = {*first.tolist(), *np.linspace(0, len(numbers) - 1, LEAST).round().astype(int).tolist()}
    return [int(numbers[place]) for place in sorted(places)]


def risky(original: Pictures, swapped: Pictures, track: Landmarks) -> NDArray[np.bool_]:
    """Return the frames, `T`, in which a swap may have failed.

    Their face changed little, is turned, has a hand in front, or is not found in the frame before or after.
    """
    found = track.has_face
    changes = np.full(len(found), np.inf)
    hidden = np.zeros(len(found), bool)
    for k in np.flatnonzero(found).tolist():
        changes[k] = _change(original[k], swapped[k], track.face[k])
        hidden[k] = hand_share(track.face[k], track.hands[k], *original.shape[1:3]) >= HIDDEN
    turned = np.abs(np.nan_to_num(features(track.face)[:, FEATURES.index("yaw")])) > TURNED
    around = np.pad(~found, 1)
    beside = around[:-2] | around[2:]
    return np.asarray((changes < WEAK * np.median(changes[found])) | hidden | turned | beside)


def _change(one: Pictures, other: Pictures, landmarks: Floats) -> float:
    """Return by how many grey levels a face changed, in the mean."""
    window = face_window(landmarks, *one.shape[:2])
    face = face_outline(landmarks, *one.shape[:2])[window]
    return float(np.mean(cv2.mean(cv2.absdiff(one[window], other[window]), face)[:3]))
