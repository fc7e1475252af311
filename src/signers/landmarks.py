"""Points of the face by name, as vertices of the mesh: found in the canonical body, valid for every body."""

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from signers import kernels
from signers.human import EYE_LEFT, EYE_RIGHT, EYES, SKIN, human
from signers.paint import over_hairline

MESH_POINTS = 100
PIXELS = 2000  # a metre, when looking for what can be seen


@lru_cache(maxsize=1)
def lips() -> np.ndarray:
    """Return the vertices of the lips."""
    body, size = human(), human().masks["lips"].shape[0]
    u, v = (np.stack([body.uv[:, 0], 1 - body.uv[:, 1]]) * size).astype(int).clip(0, size - 1)
    return np.unique(body.faces[(body.masks["lips"][v, u] > 0.5)[body.face_uv]])


@lru_cache(maxsize=1)
def face_front() -> np.ndarray:
    """Return the vertices of the face, ear to ear and chin to hairline, that can be seen from the front."""
    body = human()
    x, y, z = body.canonical.T
    points = np.stack([(x + 0.1) * PIXELS, (1.1 - z) * PIXELS, y], 1).astype(np.float32)
    depth, triangle = np.empty((PIXELS // 4, PIXELS // 5), np.float32), np.empty((PIXELS // 4, PIXELS // 5), np.int32)
    kernels.rasterise(points, body.faces, 0, depth, triangle)
    seen = np.unique(body.faces[np.unique(triangle[triangle >= 0])])
    x, y, z = body.canonical[seen].T
    hair = np.maximum(*(over_hairline(body.canonical[seen], hairline) for hairline in ("high", "low"))) > -0.05
    face = (body.parts[seen] == SKIN) & (y < -0.06) & (z > 0.865) & (np.abs(x) < 0.075)
    return np.asarray(seen[face & ((z < EYES[2]) | ~hair)])


def _nearest(place: tuple[float, float, float], among: np.ndarray) -> np.ndarray:
    return among[[np.linalg.norm(human().canonical[among] - place, axis=1).argmin()]]


@lru_cache(maxsize=1)
def named_points() -> dict[str, np.ndarray]:
    """Return the vertices whose mean is a named point; left and right are the signer's own."""
    body, front, mouth = human(), face_front(), lips()
    across = body.canonical[mouth, 0]
    middle = mouth[np.abs(across) < 0.003]
    nose = front[np.abs(body.canonical[front, 0]) < 0.004]
    return {
        "eye_right": np.flatnonzero(body.parts == EYE_RIGHT),
        "eye_left": np.flatnonzero(body.parts == EYE_LEFT),
        "nose": nose[[body.canonical[nose, 1].argmin()]],
        "mouth_right": mouth[[across.argmin()]],
        "mouth_left": mouth[[across.argmax()]],
        "lip_upper": middle[[body.canonical[middle, 2].argmax()]],
        "lip_lower": middle[[body.canonical[middle, 2].argmin()]],
        "chin": _nearest((0, -0.165, 0.876), front),
        "brow_right": _nearest((-0.032, -0.15, EYES[2] + 0.025), front),
        "brow_left": _nearest((0.032, -0.15, EYES[2] + 0.025), front),
    }


@lru_cache(maxsize=1)
def mesh_points() -> np.ndarray:
    """Return MESH_POINTS vertices spread evenly over the face, by farthest-point sampling from the nose."""
    front = face_front()
    places = human().canonical[front]
    chosen = [int(np.flatnonzero(front == named_points()["nose"][0])[0])]
    distance = np.full(len(front), np.inf)
    while len(chosen) < MESH_POINTS:
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
        chosen.append(int(distance.argmax()))
    return front[chosen]


@lru_cache(maxsize=1)
def wrists() -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices round the right and the left wrist; their mean is the joint."""
    body = human()
    vertices, heads = next(iter(body.bodies.values()))
    joints = (heads[body.bones[f"wrist.{side}"]] for side in "RL")
    right, left = (np.linalg.norm(vertices - joint, axis=1).argsort(kind="stable")[:16] for joint in joints)
    return right, left


@lru_cache(maxsize=4)
def averages(vertices: int) -> csr_array:
    """Return the matrix that makes named points, right and left wrist (rows) of a mesh with so many vertices."""
    groups = [*named_points().values(), *wrists()]
    shares = np.concatenate([np.full(len(group), 1 / len(group), np.float32) for group in groups])
    ends = np.cumsum([0, *map(len, groups)])
    return csr_array((shares, np.concatenate(groups), ends), (len(groups), vertices))
