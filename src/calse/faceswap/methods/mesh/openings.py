"""What stays the signer's own: eyes and mouth, the hair over the forehead, and what passes in front of the face."""

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.mask import SUBPIXEL, fixed_point
from calse.faceswap.methods.mesh.model.topology import FOREHEAD, MOUTH, OPENINGS, Numbers, Topology
from calse.faceswap.methods.mesh.surface import Surface, surface_of

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]
Ring = tuple[int, tuple[int, ...], tuple[int, ...], int]
ALONG, ACROSS = 1.1, 1.35  # the mesh's lids lie inside a wide-open eye; without this all look sleepy
SHUT = 0.45  # of an eye's width, the least height of its opening: around a shut one the donor's open eye would show
SOFT = 0.008  # of the face's width
LOW, DEEP = 0.3, 0.6  # canonical height, and share of the way in from the outline, from which no hair is expected
RIM = 0.35  # of that way: an outline found too wide shows ear or wall, and a beard shall not end in a line
FLAT, SAMPLED = 96, 32  # pixels a side of an unwrapped face; frames that say how it usually looks
_SMEAR = 2.0  # pixels of it
_LEAST = np.array([3, 1.5, 1.5], np.float32)  # L*a*b*
_OUTLYING = (2.5, 4.5)  # deviations from which on, and up to which, a pixel is something else than the face


def opened(points: Numbers, surface: Surface, rings: list[Ring], face_width: float) -> Floats:
    """Return 1 inside the openings of a mesh `468 x 3`, `H x W` of the surface's window, with soft edges."""
    canvas = np.zeros(surface.shape, np.uint8)
    for ring in rings:
        start, upper, lower, end = ring
        polygon = points[[start, *upper, end, *lower[::-1]], :2]
        if ring is not MOUTH:
            polygon = _grown(polygon, points[end, :2] - points[start, :2])
        fixed = fixed_point(polygon - [surface.left, surface.top])
        cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_AA, shift=SUBPIXEL)
    soft = cv2.GaussianBlur(canvas.astype(np.float32), (0, 0), max(0.3, SOFT * face_width))
    return np.asarray(soft / np.float32(255))


def rings_of(eyes: str, mouth: str) -> list[Ring]:
    """Return the openings that stay the signer's."""
    return [ring for ring in OPENINGS if (mouth if ring is MOUTH else eyes) == "signer"]


def _grown(polygon: Numbers, axis: Numbers) -> Numbers:
    """Return an eye's polygon made longer along its axis and higher across it."""
    along = axis / max(float(np.linalg.norm(axis)), 1e-6)
    across = np.array([-along[1], along[0]])
    middle = polygon.mean(axis=0)
    length, width = (polygon - middle) @ along, ACROSS * (polygon - middle) @ across
    width *= max(1.0, SHUT * float(np.ptp(length)) / max(float(np.ptp(width)), 1e-6))
    return np.asarray(middle + ALONG * length[:, None] * along + width[:, None] * across)


def bare_skin(skin: Numbers, neutral: Numbers, topology: Topology) -> Numbers:
    """Return how far the donor's picture is shown at each point, `468`: less towards hair and what is no face.

    `skin` is how far each point of the donor looks like skin, `neutral` the signer's face at rest.
    """
    joined = topology.neighbours | np.eye(len(skin), dtype=bool)
    hair = skin.copy()
    hair[topology.details] = 1  # brows and eyes look like no skin and are no hair
    eroded = np.where(joined, hair, 1).min(axis=1)
    averaged = joined @ eroded / joined.sum(axis=1)
    free = (neutral[:, 1] < LOW) & (topology.inner < DEEP)  # not the eyes' sockets: they are dark, and no hair
    free |= topology.inner < RIM
    free[list(FOREHEAD)] = True
    free[topology.details] = False
    return np.where(free, averaged, 1) * topology.below_hairline


class Occlusion:
    """How the signer's face usually looks, unwrapped, and what of a frame hides it: a hand, an arm.

    The hand model misses what is blurred by its own speed.
    """

    def __init__(self, neutral: Numbers, topology: Topology) -> None:
        low, high = neutral[:, :2].min(axis=0), neutral[:, :2].max(axis=0)
        self._flat = np.column_stack([(neutral[:, :2] - low) / (high - low) * (FLAT - 1), neutral[:, 2]])
        surface = surface_of(self._flat, topology.triangles, FLAT, FLAT)
        assert surface is not None
        self._surface = surface
        holes = opened(self._flat, surface, rings_of("signer", "signer"), FLAT) > 0
        self._skin = (surface.triangle >= 0) & ~holes
        self._some = tuple(place[::8] for place in np.nonzero(self._skin))  # a median over all takes half of the time
        self._usual = self._deviation = np.zeros((*surface.shape, 3), np.float32)

    def learn(self, frames: list[Pictures], faces: list[Numbers]) -> None:
        """Learn how the face usually looks from some frames and the points `468 x 3` in them."""
        unwrapped = np.stack([self._unwrapped(frame, points) for frame, points in zip(frames, faces, strict=True)])
        self._usual = np.median(unwrapped, axis=0)
        self._deviation = np.maximum(np.median(np.abs(unwrapped - self._usual), axis=0), _LEAST)

    def __call__(self, frame: Pictures, points: Numbers, surface: Surface) -> Floats:
        """Return how far each pixel of the surface's window shows something else than the face, `H x W` in 0..1."""
        change = self._unwrapped(frame, points) - self._usual
        change -= np.median(change[self._some], axis=0)
        far = np.sqrt(((change / self._deviation) ** 2).mean(axis=2))
        low, high = _OUTLYING
        outlying = np.where(self._skin, np.clip((far - low) / (high - low), 0, 1), 0).astype(np.float32)
        return np.asarray(surface.remapped(outlying, self._flat, cv2.INTER_LINEAR), np.float32)

    def _unwrapped(self, frame: Pictures, points: Numbers) -> Floats:
        """Return a frame's face in L*a*b*, smoothed, in the place that all faces share."""
        flat = np.asarray(self._surface.remapped(frame, points, cv2.INTER_LINEAR), np.float32)
        lab = cv2.cvtColor(flat / np.float32(255), cv2.COLOR_RGB2LAB)
        return np.asarray(cv2.GaussianBlur(lab, (0, 0), _SMEAR), np.float32)
