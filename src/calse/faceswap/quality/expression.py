"""What a face says, in numbers: lips, eyes and brows after the head's own pose is taken away.

The same landmarks draw the masks and score the result here; a landmarker that is blind to something is blind twice.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calse.faceswap.points import EXPRESSION, expression_of, fit_head, head_angles, without_pose
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
    found = ~np.isnan(landmarks[:, 0, 0])
    faces = landmarks[found].astype(np.float64)
    scale, rotation, shift = fit_head(faces)
    angles = np.unwrap(head_angles(rotation), axis=0, period=360)
    values = np.full((len(landmarks), len(FEATURES)), np.nan)
    values[found] = np.column_stack([expression_of(without_pose(faces, scale, rotation, shift)), angles])
    return values


def kept(source: Series, other: Series) -> dict[str, Kept]:
    """Compare FEATURES of a clip and of one that should show the same, both `T x 10`, in the frames with both faces.

    Only features that the source moves are there. A constant offset is the other's identity and costs nothing.
    """
    both = ~(np.isnan(source).any(axis=1) | np.isnan(other).any(axis=1))
    moving = [column for column in range(len(FEATURES)) if both.sum() > 2 and moves(source[both, column])]
    return {FEATURES[column]: _compare(source[both, column], other[both, column]) for column in moving}


def _compare(source: Series, other: Series) -> Kept:
    """Return how one series follows another."""
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
