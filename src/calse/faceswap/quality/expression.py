"""What a face says, in numbers: lips, eyes and brows after the head's own pose is taken away.

The same landmarks draw the masks and score the result here; a landmarker that is blind to something is blind twice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calse.faceswap.points import CANONICAL, EXPRESSION
from calse.landmarks.record import Floats

Series = NDArray[np.float64]

POSE = ("yaw", "pitch", "roll")
FEATURES = (*EXPRESSION, *POSE)

SIGNAL_TO_NOISE = 2.0


class Kept(NamedTuple):
    """How a feature of one clip follows that of another: Pearson's r, and RMSE as a share of the source's range."""

    r: float
    rmse: float


def features(landmarks: Floats) -> Series:
    """Return FEATURES of landmarks `T x 468 x 3`, `T x 10`; NaN in frames without a face.

    Distances are in eye distances, angles in degrees: yaw to the picture's right, pitch up, roll clockwise.
    """
    values = np.full((len(landmarks), len(FEATURES)), np.nan)
    found = np.flatnonzero(~np.isnan(landmarks[:, 0, 0]))
    for number in found:
        values[number] = _features_of(landmarks[number].astype(np.float64))
    angles = values[found, len(EXPRESSION) :]
    values[found, len(EXPRESSION) :] = np.degrees(np.unwrap(np.radians(angles), axis=0))
    return values


def _features_of(landmarks: Series) -> Series:
    scale, rotation = similarity(np.array(list(CANONICAL.values())), landmarks[list(CANONICAL)])
    first, second = (landmarks[[pair[end] for pair in EXPRESSION.values()]] for end in (0, 1))
    straight = (first - second) @ rotation / scale
    return np.concatenate([np.hypot(*straight[:, :2].T), angles_of(rotation)])


def similarity(canonical: Series, points: Series) -> tuple[float, Series]:
    """Return scale and rotation `3 x 3` with `points ~ scale * rotation @ canonical + shift`, least squares.

    Points are `P x 3`; the solution is Umeyama's (1991).
    """
    centred, moved = canonical - canonical.mean(axis=0), points - points.mean(axis=0)
    left, stretch, right = np.linalg.svd(moved.T @ centred)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    return float((stretch * signs).sum() / (centred**2).sum()), (left * signs) @ right


def angles_of(rotation: Series) -> Series:
    """Return yaw, pitch and roll in degrees, `3`, of a rotation `3 x 3` that turns a face from straight ahead."""
    nose = -rotation[:, 2]
    level = rotation[:, 0]
    return np.degrees(
        [np.arctan2(nose[0], -nose[2]), np.arcsin(np.clip(-nose[1], -1, 1)), np.arctan2(level[1], level[0])]
    )


def kept(source: Series, other: Series) -> dict[str, Kept]:
    """Compare FEATURES of a clip and of one that should show the same, both `T x 10`, in the frames with both faces.

    Only features that the source moves are there. A constant offset is the other's identity and costs nothing.
    """
    both = ~(np.isnan(source).any(axis=1) | np.isnan(other).any(axis=1))
    moving = [column for column in range(len(FEATURES)) if both.sum() > 2 and moves(source[both, column])]
    return {FEATURES[column]: _compare(source[both, column], other[both, column]) for column in moving}


def _compare(source: Series, other: Series) -> Kept:
    difference = (source - source.mean()) - (other - other.mean())
    return Kept(correlation(source, other), float(np.sqrt((difference**2).mean()) / np.ptp(source)))


def correlation(one: Series, other: Series) -> float:
    """Return Pearson's r of two series `T`; 0 when one of them stands still."""
    one, other = one - one.mean(), other - other.mean()
    product = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / product if product > 1e-9 else 0.0


def moves(series: Series) -> bool:
    """Tell whether a series `T` varies by more than twice its noise."""
    return bool(series.std() > max(SIGNAL_TO_NOISE * noise_floor(series), 1e-9))


def noise_floor(series: Series) -> float:
    """Return the standard deviation of what changes from frame to frame without a trend.

    From the second differences, whose deviation under white noise is the root of 6 times the noise's; their median
    leaves out the few frames where something really jumps.
    """
    differences = np.abs(np.diff(series, 2))
    return float(1.4826 * np.median(differences) / np.sqrt(6)) if len(differences) else 0.0


def rolled(values: Series) -> Series:
    """Return a clip's features `T x 10` half the clip later: the same movements at the wrong time, a floor."""
    return np.roll(values, len(values) // 2, axis=0)
