"""How the 468 points of a face are joined to triangles, and which share of a change each point takes."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calse.landmarks.record import FACE_POINTS
from calse.runtime.errors import CalseError

Ints = NDArray[np.int32]
Numbers = NDArray[np.float64]

# Openings of the skin: the corners at both ends, and between them the points of the upper and of the lower line.
MOUTH = (78, (191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324), 308)
RIGHT_EYE = (33, (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155), 133)
LEFT_EYE = (263, (466, 388, 387, 386, 385, 384, 398), (249, 390, 373, 374, 380, 381, 382), 362)
OPENINGS = (MOUTH, RIGHT_EYE, LEFT_EYE)
HAIRLINE = (10, 338, 297, 332, 284, 251, 389, 162, 21, 54, 103, 67, 109)  # the outline's upper part
FOREHEAD = (68, 104, 69, 108, 151, 337, 299, 333, 298)  # what lies between that and the brows
_FIXED = ("LIPS", "LEFT_EYE", "LEFT_EYEBROW", "RIGHT_EYE", "RIGHT_EYEBROW", "NOSE")


@dataclass(frozen=True)
class Topology:
    """Triangles `F x 3` of the skin and after them, from `skin` on, of the three openings; groups of points by name."""

    triangles: Ints
    skin: int
    groups: dict[str, tuple[int, ...]]

    @property
    def details(self) -> list[int]:
        """Points of lips, eyes, brows and nose."""
        return sorted({point for name in _FIXED for point in self.groups[name]})

    @cached_property
    def neighbours(self) -> NDArray[np.bool_]:
        """Which points an edge joins, `468 x 468`."""
        joined = np.zeros((FACE_POINTS, FACE_POINTS), bool)
        for first, second in ((0, 1), (1, 2), (2, 0)):
            one, other = self.triangles[: self.skin, first], self.triangles[: self.skin, second]
            joined[one, other] = joined[other, one] = True
        return joined

    @cached_property
    def inner(self) -> Numbers:
        """How far a point lies inside the face, `468`: 0 on the outline, 1 on eyes, brows, nose and lips."""
        return self._harmonic(dict.fromkeys(self.groups["FACE_OVAL"], 0.0) | dict.fromkeys(self.details, 1.0))

    @cached_property
    def below_hairline(self) -> Numbers:
        """How far a point lies below the hairline, `468`: 0 on it, 1 from the brows down."""
        fixed = dict.fromkeys(set(range(FACE_POINTS)) - set(FOREHEAD), 1.0)
        return self._harmonic(fixed | dict.fromkeys(HAIRLINE, 0.0))

    def _harmonic(self, fixed: dict[int, float]) -> Numbers:
        """Return the function `468` that has these values there and everywhere else the mean of the neighbours'."""
        joined = self.neighbours
        matrix, right = np.diag(joined.sum(axis=1).astype(float)) - joined, np.zeros(FACE_POINTS)
        for point, value in fixed.items():
            matrix[point], right[point] = 0, value
            matrix[point, point] = 1
        return np.linalg.solve(matrix, right)


def read_topology(path: Path) -> Topology:
    """Read MediaPipe's file of connections as literals; it is never imported.

    Three edges in a row are a triangle there. Raises CalseError when the file is missing or holds something else.
    """
    if not path.is_file():
        raise CalseError(f"{path} is missing; `dvc repro landmark-models` fetches it")
    names: dict[str, list[tuple[int, int]]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and node.value.args:
            target, value = node.targets[0], node.value.args[0]
            if isinstance(target, ast.Name) and isinstance(value, ast.List):
                names[target.id.removeprefix("FACEMESH_")] = ast.literal_eval(value)
    edges = names.get("TESSELATION", [])
    if len(edges) != 2556 or not {*_FIXED, "FACE_OVAL"} <= set(names):
        raise CalseError(
            f"{path} does not hold the edges of the face mesh; `dvc repro -f landmark-models` fetches it again"
        )
    skin = [tuple(edge[0] for edge in edges[first : first + 3]) for first in range(0, len(edges), 3)]
    openings = [triangle for opening in OPENINGS for triangle in _strip(*opening)]
    groups = {name: tuple(sorted({p for edge in part for p in edge})) for name, part in names.items()}
    return Topology(np.array(skin + openings, np.int32), len(skin), groups)


def _strip(start: int, upper: tuple[int, ...], lower: tuple[int, ...], end: int) -> list[tuple[int, int, int]]:
    """Return the triangles between two lines of points that meet in two corners."""
    triangles = [(start, upper[0], lower[0]), (upper[-1], end, lower[-1])]
    for i in range(len(upper) - 1):
        triangles += [(upper[i], upper[i + 1], lower[i]), (lower[i], upper[i + 1], lower[i + 1])]
    return triangles


def outwards(triangles: Ints, mesh: Numbers) -> Ints:
    """Return triangles wound so that their normals point out of a face `468 x 3` that looks straight ahead."""
    a, b, c = (mesh[triangles[:, corner]] for corner in range(3))
    inside = mesh.mean(axis=0) + np.array([0, 0, np.ptp(mesh[:, 0])])
    wrong = (np.cross(b - a, c - a) * ((a + b + c) / 3 - inside)).sum(axis=1) < 0
    wound = triangles.copy()
    wound[wrong] = wound[wrong][:, [0, 2, 1]]
    return wound


def facing(triangles: Ints, points: Numbers) -> Numbers:
    """Return how far points `N x 468 x 3` face the camera, `N x 468`: 0 for a slope of 87 degrees, 1 from 60 on."""
    return np.clip((-normals(triangles, points)[..., 2] - 0.05) / 0.45, 0, 1)


def normals(triangles: Ints, points: Numbers) -> Numbers:
    """Return unit normals of points `N x 468 x 3` from those of the triangles around, `N x 468 x 3`."""
    places = points.swapaxes(0, 1)
    a, b, c = (places[triangles[:, corner]] for corner in range(3))
    total = np.zeros_like(places)
    for corner in range(3):
        np.add.at(total, triangles[:, corner], np.cross(b - a, c - a))
    return np.asarray(total / (np.linalg.norm(total, axis=-1, keepdims=True) + 1e-12)).swapaxes(0, 1)
