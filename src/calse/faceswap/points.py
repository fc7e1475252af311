"""What points of the face mesh say: the head's pose, and the expression when that is taken away."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# A face that looks straight ahead, at points that no expression moves: x right, y down, z towards the back, in
# distances between the outer corners of the eyes. The mean of the embedded signers' meshes.
CANONICAL = {
    33: (-0.50, 0.00, 0.00),
    133: (-0.19, 0.02, -0.06),
    362: (0.19, 0.02, -0.06),
    263: (0.50, 0.00, 0.00),
    168: (0.00, -0.06, -0.23),
    6: (0.00, 0.04, -0.27),
    1: (0.00, 0.45, -0.44),
    4: (0.00, 0.38, -0.46),
}

# Distances between two landmarks, seen from the front.
EXPRESSION = {
    "lip_opening": (13, 14),
    "mouth_width": (61, 291),
    "right_eye": (159, 145),
    "left_eye": (386, 374),
    "right_brow": (105, 159),
    "left_brow": (334, 386),
    "brow_gap": (55, 285),
}


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


def fit_head(faces: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return scales, rotations and shifts, as `fit` does, that bring CANONICAL onto faces `N x 468 x 3`."""
    return fit(np.array(list(CANONICAL.values())), faces[:, list(CANONICAL)], np.ones(len(CANONICAL)))


def without_pose(points: Numbers, scale: Numbers, rotation: Numbers, shift: Numbers) -> Numbers:
    """Return points `N x P x 3` before they were scaled, turned and shifted."""
    return np.asarray((points - shift[:, None]) @ rotation / scale[:, None, None])


def expression_of(canonical: Numbers) -> Numbers:
    """Return the distances of EXPRESSION, seen from the front, of meshes `... x 468 x 3` without pose: `... x 7`."""
    first, second = (canonical[..., [pair[end] for pair in EXPRESSION.values()], :2] for end in (0, 1))
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def head_angles(rotation: Numbers) -> Numbers:
    """Return yaw, pitch and roll in degrees, `N x 3`, of rotations `N x 3 x 3`: to the picture's right, up, clockwise.

    All are 0 of a face that looks straight ahead.
    """
    nose, across = -rotation[:, :, 2], rotation[:, :, 0]
    yaw, pitch = np.arctan2(nose[:, 0], -nose[:, 2]), np.arcsin(np.clip(-nose[:, 1], -1, 1))
    return np.asarray(np.degrees(np.stack([yaw, pitch, np.arctan2(across[:, 1], across[:, 0])], axis=1)))
