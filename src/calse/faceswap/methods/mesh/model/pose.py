"""A person's mesh without the head's pose: canonical space, the neutral face, and the distances that speak."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calse.faceswap.points import CANONICAL, EXPRESSION

Numbers = NDArray[np.float64]
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
    steady = list(CANONICAL)
    fitted = fit(np.array(list(CANONICAL.values())), points[:, steady], np.ones(len(steady)))
    for _ in range(ROUNDS):
        straight = _undone(points, *fitted)
        mesh = np.median(straight, axis=0)
        weights = 1 / (straight.var(axis=0).mean(axis=1) + LEAST_SPREAD**2)
        fitted = fit(mesh, points, weights)
    straight = _undone(points, *fitted)
    expression = expression_of(straight)
    return Posed(*fitted, straight, np.median(straight[_calmest(expression)], axis=0), expression)


def fit(model: Numbers, points: Numbers, weights: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return scales N, rotations `N x 3 x 3`, shifts `N x 3` with points ~ scale * rotation @ model + shift.

    Weighted least squares (Umeyama, 1991) of `P x 3` onto each of `N x P x 3`.
    """
    share = weights / weights.sum()
    middle, middles = share @ model, np.einsum("p,npi->ni", share, points)
    centred, moved = model - middle, points - middles[:, None]
    left, stretch, right = np.linalg.svd(np.einsum("p,npi,pj->nij", share, moved, centred))
    signs = np.ones((len(points), 3))
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    rotation = (left * signs[:, None]) @ right
    scale = (stretch * signs).sum(axis=1) / (share @ (centred**2).sum(axis=1))
    return scale, rotation, middles - scale[:, None] * (rotation @ middle)


def _undone(points: Numbers, scale: Numbers, rotation: Numbers, shift: Numbers) -> Numbers:
    return np.asarray((points - shift[:, None]) @ rotation / scale[:, None, None])


def expression_of(canonical: Numbers) -> Numbers:
    """Return the distances of EXPRESSION, seen from the front, of meshes `... x 468 x 3`: `... x 7`."""
    first, second = (canonical[..., [pair[end] for pair in EXPRESSION.values()], :2] for end in (0, 1))
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def _calmest(expression: Numbers) -> NDArray[np.int64]:
    """Return the frames at rest: eyes not below their median aperture, and of those the smallest lip gaps."""
    names = list(EXPRESSION)
    eyes = expression[:, [names.index("right_eye"), names.index("left_eye")]].mean(axis=1)
    gap = np.where(eyes >= np.median(eyes), expression[:, names.index("lip_opening")], np.inf)
    count = max(1, round(CALM * len(gap)))
    return np.argsort(gap, kind="stable")[:count]


def head_turns(rotation: Numbers) -> Numbers:
    """Return yaw and pitch in degrees, `N x 2`, of rotations `N x 3 x 3`: to the picture's right, up."""
    nose = -rotation[:, :, 2]
    yaw, pitch = np.arctan2(nose[:, 0], -nose[:, 2]), np.arcsin(np.clip(-nose[:, 1], -1, 1))
    return np.asarray(np.degrees(np.stack([yaw, pitch], axis=1)))
