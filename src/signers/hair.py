"""What the baked body lacks: hanging hair and upper teeth, as surfaces that move with the head."""

import numpy as np

from signers.human import SKIN, human
from signers.landmarks import lips
from signers.paint import EYE_SIZE, MARGIN, SIZE, SKULL, ramp
from signers.scene import Locks

COLUMNS, ROWS = 56, 30
Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # points N x 3, faces, texture pixels N x 2


def skull_radius(vertices: np.ndarray, centre: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return how far a body's head reaches from `centre` in each direction (N x 3), by its nearest vertex."""
    canonical = human().canonical
    head = (canonical[:, 2] > 0.93) & (np.abs(canonical[:, 0]) < 0.095) & (human().parts == SKIN)
    away = vertices[head] - centre
    radius = np.linalg.norm(away, axis=1)
    return np.asarray(radius[(directions @ (away / radius[:, None]).T).argmax(1)])


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """Return the triangles of a grid of points, row by row."""
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    lower = np.stack([corner, corner + columns, corner + columns + 1], 1)
    upper = np.stack([corner, corner + columns + 1, corner + 1], 1)
    return np.concatenate([lower, upper])


def hanging_hair(locks: Locks, vertices: np.ndarray, rng: np.random.Generator) -> Part:
    """Return a body's hanging hair at rest: from the crown down, open at the face."""
    scale = (vertices[:, 2].max() - SKULL[2]) / (human().canonical[:, 2].max() - SKULL[2])
    uneven = np.convolve(rng.standard_normal(COLUMNS), np.ones(3) / 3, "same")
    round_head = np.radians(np.linspace(locks.open, 360 - locks.open, COLUMNS))
    height = np.radians(86 - np.linspace(0, 1, ROWS) * locks.sweep)[:, None]
    raised = np.maximum(height, 0)
    out = np.stack(np.broadcast_arrays(np.sin(round_head), -np.cos(round_head)), -1)
    directions = np.concatenate(
        [out * np.cos(raised)[..., None], np.broadcast_to(np.sin(raised)[..., None], (ROWS, COLUMNS, 1))], -1
    )
    radius = skull_radius(vertices, SKULL, directions.reshape(-1, 3)).reshape(ROWS, COLUMNS)
    points = SKULL + directions * (radius + locks.thickness * scale * (1 + 0.12 * uneven))[..., None]
    fall = np.maximum(-height, 0) / np.radians(locks.sweep - 86) * locks.length
    ends = locks.flare * fall * (1 + 0.3 * uneven) - locks.tuck * ramp(0.6 * locks.length, locks.length, fall)
    points[..., :2] += directions[..., :2] * ends[..., None]
    points[..., 2] -= fall * scale
    row, column = np.mgrid[0:ROWS, 0:COLUMNS] / [[[ROWS]], [[COLUMNS]]]
    uv = np.stack([SIZE + column * (MARGIN - 1), row * (SIZE - EYE_SIZE - 1)], -1)
    return points.reshape(-1, 3), grid_faces(ROWS, COLUMNS), uv.reshape(-1, 2)


def teeth(vertices: np.ndarray) -> Part:
    """Return a body's upper teeth at rest: a strip bent behind the upper lip."""
    across = np.linspace(-1, 1, 9)
    top, bottom = (np.stack([0.019 * across, 0.012 * across**2 - 0.161, 0 * across + z], 1) for z in (0.926, 0.9115))
    points = np.concatenate([top, bottom])
    points += (vertices[lips()] - human().canonical[lips()]).mean(0)
    white = np.tile([SIZE + EYE_SIZE + 32, SIZE - 32], (len(points), 1))
    return points, grid_faces(2, len(across)), white
