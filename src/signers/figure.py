"""A signer ready to be drawn: the body dressed, coiffed and painted, and moved by poses."""

from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array, diags_array

from signers import kernels
from signers.body import Pose, Skeleton
from signers.hair import hanging_hair, teeth
from signers.human import EYE_LEFT, EYE_RIGHT, SKIN, human
from signers.paint import EYE_SIZE, SIZE, cloth_cover, is_hand, over_hairline, ramp, texture_of
from signers.scene import Signer

CLOTH_GAP = 0.012  # metres from skin to cloth
NECKLINE, HEAD_SIDE = (0.84, 0.88), 0.15  # metres: heights from which on a point belongs to the head; not to an arm
SKIN_SHINE, TEETH_SHINE, HAIR_SHINE, CLOTH_SHINE = (0.05, 18.0), (0.1, 18.0), (0.10, 30.0), (0.0, 1.0)


def smoothed(vertices: np.ndarray, faces: np.ndarray, share: np.ndarray, passes: int) -> np.ndarray:
    """Return vertices drawn towards the mean of their neighbours, as far as `share` (V) says."""
    edges = np.concatenate([faces[:, pair] for pair in ([0, 1], [1, 2], [2, 0], [1, 0], [2, 1], [0, 2])])
    count = len(vertices)
    neighbours = csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    pull = 0.5 * share / np.maximum(neighbours.sum(1), 1)
    step = diags_array(1 - 0.5 * share) + diags_array(pull) @ neighbours
    for _ in range(passes):
        vertices = step @ vertices
    return vertices


def normals_of(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return vertex normals of length 1, V x 3."""
    normals = np.empty((len(vertices), 3), np.float32)
    kernels.vertex_normals(vertices.astype(np.float32), faces, normals)
    return np.asarray(normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12))


def dressed(rest: np.ndarray, cloth: np.ndarray, signer: Signer, soft: np.ndarray) -> np.ndarray:
    """Return the body with cloth and hair laid over it, V x 3. Cloth hangs: it does not show what is under it."""
    body = human()
    x, y, z = body.canonical.T
    scalp = ramp(-0.05, 0.25, over_hairline(body.canonical, signer.hairline)) * (z > 0.88) * (np.abs(x) < 0.12) * soft
    curls = 0.9 + 0.1 * np.sin(170 * x + 90 * y) * np.sin(140 * z)
    chest = ramp(0.18, 0.13, np.abs(x)) * ramp(0.50, 0.56, z) * ramp(0.79, 0.74, z) * (y < -0.03)
    vertices = smoothed(rest, body.faces, cloth * ramp(0.31, 0.36, z), 25)
    vertices = smoothed(vertices, body.faces, cloth * chest, 300)
    thickness = cloth * CLOTH_GAP + scalp * signer.cap * curls
    return np.asarray(vertices + normals_of(vertices, body.faces) * thickness[:, None])


def mixed_head(signer: Signer) -> tuple[np.ndarray, np.ndarray]:
    """Return a signer's body at rest, V x 3, and its bone heads, B x 3, with the head that `features` mix."""
    bodies = human().bodies
    own = bodies[signer.body]
    if not signer.features:
        return own
    parts = []
    for number, points in enumerate(own):
        mean = np.mean([body[number] for body in bodies.values()], axis=0)
        mixed = mean + sum(share * (bodies[name][number] - mean) for name, share in signer.features)
        of_head = ramp(*NECKLINE, mean[:, 2]) * (np.abs(mean[:, 0]) < HEAD_SIDE)
        parts.append(points + of_head[:, None] * (mixed - points))
    return parts[0], parts[1]


class Figure:
    """One signer's mesh: `faces`, `face_uv`, `uv` (texture pixels), `texture`, `shine` (V x 2: strength, exponent)."""

    def __init__(self, signer: Signer) -> None:
        """Dress the signer's body and paint it: about half a second of work."""
        rng = np.random.default_rng(7)
        body = human()
        rest, heads = mixed_head(signer)
        self.skeleton = Skeleton(heads)
        soft = (body.parts == SKIN) & ~is_hand(body.weights, body.weight_bones)
        cloth = cloth_cover(body.canonical, signer.clothes) * soft
        self.rest = dressed(rest, cloth, signer, soft)
        self.faces, self.face_uv = body.faces, body.face_uv.copy()
        self.uv = np.c_[body.uv[:, 0], 1 - body.uv[:, 1]] * SIZE + 0.5
        self.shine = np.where(cloth[:, None] > 0.5, CLOTH_SHINE, SKIN_SHINE)
        self.weights, self.weight_bones = body.weights, body.weight_bones
        self._map_eyes()
        self._add(*teeth(rest), TEETH_SHINE)
        if signer.locks:
            self._add(*hanging_hair(signer.locks, rest, rng), HAIR_SHINE)
        self.uv = self.uv.astype(np.float32)
        self.texture = texture_of(signer, rng)

    def _map_eyes(self) -> None:
        """Map the eyeballs' front onto the painted eye: their own place in the texture is a dozen pixels."""
        body = human()
        for part in (EYE_LEFT, EYE_RIGHT):
            ball = np.flatnonzero(body.parts == part)
            spot = body.canonical[ball][:, [0, 2]]
            low, high = spot.min(0), spot.max(0)
            share = (spot - low) / (high - low)
            corner = np.flatnonzero(body.parts[body.faces[:, 0]] == part)
            self.face_uv[corner] = np.searchsorted(ball, body.faces[corner]) + len(self.uv)
            square = np.c_[SIZE + share[:, 0] * (EYE_SIZE - 1), SIZE - 1 - share[:, 1] * (EYE_SIZE - 1)] + 0.5
            self.uv = np.concatenate([self.uv, square])

    def _add(self, points: np.ndarray, faces: np.ndarray, uv: np.ndarray, shine: tuple[float, float]) -> None:
        """Add a part that moves with the head: points N x 3, faces, uv in texture pixels (N x 2)."""
        self.faces = np.concatenate([self.faces, faces + len(self.rest)]).astype(np.int32)
        self.face_uv = np.concatenate([self.face_uv, faces + len(self.uv)]).astype(np.int32)
        self.rest = np.concatenate([self.rest, points])
        self.uv = np.concatenate([self.uv, uv + 0.5])
        self.shine = np.concatenate([self.shine, np.tile(shine, (len(points), 1))])
        alone = np.tile(np.array([1, 0, 0, 0], np.float32), (len(points), 1))
        self.weights = np.concatenate([self.weights, alone])
        on_head = np.full((len(points), 4), human().bones["head"], np.int32)
        self.weight_bones = np.concatenate([self.weight_bones, on_head])

    def vertices(self, pose: Pose) -> np.ndarray:
        """Return the mesh in a pose, V x 3 float32 metres."""
        shaped = self.rest.astype(np.float32)
        if pose.units:
            moved = np.tensordot(list(pose.units.values()), [human().units[name] for name in pose.units], 1)
            shaped[human().unit_vertices] += (moved * self.skeleton.scale).astype(np.float32)
        turned, shifted = self.skeleton.pose(pose)
        out = np.empty_like(shaped)
        kernels.skin(
            shaped, self.weights, self.weight_bones, turned.astype(np.float32), shifted.astype(np.float32), out
        )
        return out


@lru_cache(maxsize=2)
def figure_of(signer: Signer) -> Figure:
    """Return a signer's figure; the last two are kept."""
    return Figure(signer)
