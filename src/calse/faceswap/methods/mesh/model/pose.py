"""A person's mesh without the head's pose: canonical space, the neutral face, and its expression."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calse.faceswap.points import EXPRESSION, Numbers, expression_of, fit, fit_head, without_pose

ROUNDS = 4
LEAST_SPREAD = 0.02  # in eye distances: a landmarker's own trembling
CALM = 0.2  # share of the frames that make the neutral face


@dataclass(frozen=True)
class Posed:
    """A person's faces in N frames: points = scale x rotation @ canonical + shift.

    `canonical` are the points in canonical space, `N x 468 x 3`, in eye distances; `neutral` is the face at rest,
    `468 x 3`; `expression` the distances of EXPRESSION in canonical space, `N x 7`.
    """

    scale: Numbers
    rotation: Numbers
    shift: Numbers
    canonical: Numbers
    neutral: Numbers
    expression: Numbers


def posed(faces: NDArray[np.floating]) -> Posed:
    """Take the pose out of the faces `N x 468 x 3` of one person, N > 0.

    Eight points find a first pose, then all 468, the stiller the heavier: such a pose trembles far less.
    """
    points = faces.astype(np.float64)
    fitted = fit_head(points)
    for _ in range(ROUNDS):
        straight = without_pose(points, *fitted)
        mesh = np.median(straight, axis=0)
        weights = 1 / (straight.var(axis=0).mean(axis=1) + LEAST_SPREAD**2)
        fitted = fit(mesh, points, weights)
    straight = without_pose(points, *fitted)
    expression = expression_of(straight)
    return Posed(*fitted, straight, np.median(straight[_calmest(expression)], axis=0), expression)


def _calmest(expression: Numbers) -> NDArray[np.int64]:
    """Return the frames at rest: eyes not below their median aperture, and of those the smallest lip gaps."""
    names = list(EXPRESSION)
    eyes = expression[:, [names.index("right_eye"), names.index("left_eye")]].mean(axis=1)
    gap = np.where(eyes >= np.median(eyes), expression[:, names.index("lip_opening")], np.inf)
    count = max(1, round(CALM * len(gap)))
    return np.argsort(gap, kind="stable")[:count]
