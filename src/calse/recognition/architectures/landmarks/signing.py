"""Signing: the movement of one sign in coordinates that signer, camera and frame rate do not change."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FRAMES = 32
POINTS = 21
WRIST, THUMB, INDEX, MIDDLE, RING, LITTLE = 0, 1, 5, 9, 13, 17  # the wrist, and where each finger starts
KNUCKLES = (INDEX, MIDDLE, RING, LITTLE)
PALM = (WRIST, *KNUCKLES)
TIPS = (4, 8, 12, 16, 20)


@dataclass(frozen=True)
class Signing:
    """One clip's active part in T = FRAMES frames, or many clips when arrays have leading dimensions.

    Pictures are in shoulder widths, x right, y down, from the middle of the shoulders. Slot 0 is the hand that leads,
    as a right hand: a clip led by the left hand is mirrored.

    hands   `... T x 2 x 21 x 2`, in the picture; a hand that is not there lies on its wrist
    world   `... T x 2 x 21 x 3`, minus the wrist, towards the camera's right, down and away from it; of any scale
    mask    `... T x 2`, 1 where the hand was found, else 0
    nose    `... T x 2`
    elbows  `... T x 2 x 2`
    """

    hands: Floats
    world: Floats
    mask: Floats
    nose: Floats
    elbows: Floats

    def take(self, clips: Any) -> "Signing":
        """Return some of many clips, by number, slice or mask."""
        return Signing(**{name: getattr(self, name)[clips] for name in PARTS})


PARTS = tuple(field.name for field in fields(Signing))


def mirrored(signing: Signing) -> Signing:
    """Return the signing as a mirror shows it: the other hand leads."""

    def flipped(points: Floats) -> Floats:
        """Mirror x."""
        return points * np.array([-1, 1, 1][: points.shape[-1]], np.float32)

    return Signing(
        flipped(signing.hands)[..., ::-1, :, :],
        flipped(signing.world)[..., ::-1, :, :],
        signing.mask[..., ::-1],
        flipped(signing.nose),
        flipped(signing.elbows)[..., ::-1, :],
    )


def stacked(signings: Sequence[Signing]) -> Signing:
    """Return signings as one with a leading dimension."""
    return Signing(**{name: np.stack([getattr(one, name) for one in signings]) for name in PARTS})


def palm_frame(world: Floats) -> tuple[Floats, Floats, Floats]:
    """Return a hand's shape and where it points: shape `... x 20 x 3`, direction `... x 3`, normal `... x 3`.

    The direction leads from the wrist to the middle finger's root, the normal stands on the palm. The shape is the
    points less the wrist along direction, normal and their cross product, in mean lengths of the palm; 0 for a hand
    that is not there.
    """
    points = world - world[..., :1, :]
    direction = _unit(points[..., MIDDLE, :])
    normal = _unit(np.cross(points[..., INDEX, :], points[..., LITTLE, :]))
    axes = np.stack([direction, normal, np.cross(normal, direction)], axis=-1)
    palm = np.linalg.norm(points[..., KNUCKLES, :], axis=-1).mean(axis=-1)[..., None, None]
    shape = points[..., 1:, :] @ axes / np.maximum(palm, 1e-6)
    return shape.astype(np.float32), direction, normal


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)
