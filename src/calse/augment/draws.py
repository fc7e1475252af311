"""Random affine maps: one 2 x 3 matrix a clip, in pixels, taking a point of the clip to a point of its copy."""

import random

import numpy as np
from numpy.typing import NDArray

from calse.config.params import AffineSet

Matrix = NDArray[np.float64]


def draw_matrix(settings: AffineSet, width: int, height: int, seed: int) -> Matrix:
    """Draw a clip's 2 x 3 matrix in the set's mode; the same seed gives the same matrix."""
    if settings.mode == "legacy":
        return draw_legacy(random.Random(seed))
    return draw_relative(settings, width, height, np.random.default_rng(seed))


def draw_legacy(rng: random.Random) -> Matrix:
    """Draw as the study's augmentation tool does (video_augmentation, transformation `aff`).

    A triangle near the top left corner, whole pixels jittered by 3, is mapped to itself jittered by 10:
    the effect on the picture depends on its size, and a reflection cannot occur.
    """
    corners = [(50, 50), (100, 50), (50, 200)]
    source = np.array([[rng.randint(x - 3, x + 3), rng.randint(y - 3, y + 3)] for x, y in corners], float)
    target = source + [[rng.randint(-10, 10), rng.randint(-10, 10)] for _ in corners]
    return np.linalg.solve(np.column_stack([source, np.ones(3)]), target).T


def draw_relative(settings: AffineSet, width: int, height: int, rng: np.random.Generator) -> Matrix:
    """Draw rotation, scale, shear, translation and reflection about the centre of the frame.

    Every part is drawn always and multiplied by its limit, so that switching one off leaves the others as they were.
    """
    angle, scale, shear, right, down = rng.uniform(-1, 1, 5)
    mirrored = rng.random() < settings.reflection
    angle = np.radians(settings.rotation * angle)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1, settings.shear * shear], [0, 1]])
    linear = (1 + settings.scale * scale) * rotation @ sheared @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = settings.translation * np.array([right * width, down * height])
    return np.column_stack([linear, centre + shift - linear @ centre])
