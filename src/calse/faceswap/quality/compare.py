"""One swapped clip beside its original: expression kept, flicker, what else changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from calse.config.params import LandmarkSettings
from calse.faceswap.points import EXPRESSION
from calse.faceswap.quality.expression import FEATURES, Series, features, kept, rolled
from calse.faceswap.quality.pictures import (
    Pictures,
    degraded,
    detail,
    flicker,
    grey_faces,
    outside_difference,
    psnr,
    ssim,
)
from calse.landmarks.crops import Square
from calse.landmarks.following import FaceFollower, Networks, as_it_is
from calse.landmarks.record import FACE_POINTS, Floats, Landmarks

READABLE = 0.7  # correlation that a poor copy must keep for a feature to be read at a clip's size


class FeatureKept(NamedTuple):
    """A feature after the swap: r and RMSE, beside the r of a poor copy and that of the swap at a wrong time."""

    r: float
    rmse: float
    ceiling: float
    floor: float


@dataclass(frozen=True)
class Figures:
    """What a swap kept and changed, in a few numbers.

    `flicker` and `detail` are relative to the original's (1: none was added or lost), `outside` is the mean difference
    outside the face in grey levels, `again` the share of the original's faces that are still found; PSNR in dB and SSIM
    are of the face.
    """

    expression: dict[str, FeatureKept]
    flicker: float
    detail: float
    outside: float
    psnr: float
    ssim: float
    again: float

    @property
    def kept(self) -> float | None:
        """Mean correlation of the readable features of the expression (not the pose); None when none moves."""
        return mean_kept(self.expression)


@dataclass(frozen=True)
class FoundAgain:
    """The face of a swapped clip, found again: landmarks `T x 468 x 3`, NaN without a face, and what they say.

    `original` and `swapped` are both clips' FEATURES, `T x 10`; `expression` is what was kept of those that move.
    """

    landmarks: Floats
    original: Series
    swapped: Series
    expression: dict[str, FeatureKept]


def find_again(
    swapped: Pictures, track: Landmarks, copy: Series, networks: Networks, settings: LandmarkSettings
) -> FoundAgain:
    """Find the faces of a swapped clip `T x H x W x 3` again, and read what is left of the original's expression.

    `track` is the original's, with a face, `copy` what a poor copy of it shows.
    """
    landmarks = follow(swapped, networks, settings)
    before, after = features(track.face), features(landmarks)
    return FoundAgain(landmarks, before, after, expression_kept(before, after, copy))


def poor_copy(original: Pictures, networks: Networks, settings: LandmarkSettings, every: int = 1) -> Series:
    """Return FEATURES of a poor copy of a clip, `T x 10`, which says what can be read at all.

    It is made of every so many frames; the others are NaN.
    """
    copy = np.full((len(original), len(FEATURES)), np.nan)
    copy[::every] = features(follow(original[::every], networks, settings, degraded))
    return copy


def compare(
    original: Pictures, swapped: Pictures, track: Landmarks, networks: Networks, settings: LandmarkSettings
) -> tuple[Figures, FoundAgain]:
    """Measure a swapped clip against its original, as `find_again` and by their pixels."""
    found = find_again(swapped, track, poor_copy(original, networks, settings), networks, settings)
    faces, others = grey_faces(original, track), grey_faces(swapped, track)
    found_faces = ~np.isnan(faces).all(axis=(1, 2))
    pairs = list(zip(faces[found_faces], others[found_faces], strict=True))
    figures = Figures(
        expression=found.expression,
        flicker=flicker(others) / max(flicker(faces), 1e-6),
        detail=detail(others) / max(detail(faces), 1e-6),
        outside=outside_difference(original, swapped, track),
        psnr=float(np.mean([psnr(*pair) for pair in pairs])) if pairs else 100.0,
        ssim=float(np.mean([ssim(*pair) for pair in pairs])) if pairs else 1.0,
        again=float((~np.isnan(found.swapped[:, 0]))[track.has_face].mean()),
    )
    return figures, found


def follow(
    frames: Iterable[Pictures],
    networks: Networks,
    settings: LandmarkSettings,
    view: Callable[[Pictures, Square | None], Pictures] = as_it_is,
) -> Floats:
    """Return the landmarks `T x 468 x 3` of frames `H x W x 3`, NaN without a face; hands are not sought."""
    follower = FaceFollower(networks, settings, view)
    nothing = np.full((FACE_POINTS, 3), np.nan, np.float32)
    found = [follower(frame) for frame in frames]
    return np.stack([nothing if one is None else one[0] for one in found])


def expression_kept(original: Series, swapped: Series, copy: Series) -> dict[str, FeatureKept]:
    """Return every feature that the original moves, with its ceiling and its floor; arguments are `T x 10` features."""
    ceiling, floor = kept(original, copy), kept(original, rolled(swapped))
    return {
        name: FeatureKept(*result, ceiling[name].r, floor[name].r)
        for name, result in kept(original, swapped).items()
        if name in ceiling and name in floor
    }


def mean_kept(expression: dict[str, FeatureKept]) -> float | None:
    """Return the mean r of the features, pose apart, that can be read at this size; None when there is none."""
    readable = [
        expression[name].r for name in EXPRESSION if name in expression and expression[name].ceiling >= READABLE
    ]
    return float(np.mean(readable)) if readable else None
