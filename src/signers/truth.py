"""What is exactly so in a synthetic frame: labels that no real corpus has."""

from dataclasses import dataclass

import numpy as np

from signers.body import Pose
from signers.face import BROW_UNITS, MOUTH_UNITS
from signers.landmarks import averages, face_front, mesh_points, named_points
from signers.render import Picture, View

SKIN_DEPTH = 0.012  # metres in front of a point that still count as its own skin or hair


@dataclass(frozen=True)
class Truth:
    """One frame's labels. Coordinates are pixels, whole ones are pixel centres; left and right are the signer's own.

    `face_box`: left, top, right, bottom of the face from ear to ear and chin to hairline, also where something
    hides it; `points`: P x 2, in the order of `named_points()`; `mesh`: M x 2; `visible`: M bool, in the picture and
    with nothing in front; `wrists`: right, left, 2 x 2; `mouth`, `brows`: weights of MOUTH_UNITS and BROW_UNITS.
    """

    face_box: np.ndarray
    points: np.ndarray
    mesh: np.ndarray
    visible: np.ndarray
    wrists: np.ndarray
    mouth: np.ndarray
    brows: np.ndarray


def unhidden(points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Return which points (N x 3: pixel and depth) lie in the picture and not behind something, N bool."""
    height, width = depth.shape
    x, y = np.round(points[:, :2]).astype(int).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    in_front = points[:, 2] < depth[y.clip(0, height - 1), x.clip(0, width - 1)] + SKIN_DEPTH
    return np.asarray(inside & in_front)


def truth_of(pose: Pose, view: View, picture: Picture) -> Truth:
    """Return the labels of one drawn frame."""
    face, mesh = view.points.T[:2, face_front()], view.points[mesh_points()]
    points = averages(len(view.points)) @ view.points[:, :2]
    return Truth(
        face_box=np.concatenate([face.min(1), face.max(1)]),
        points=points[:-2],
        mesh=mesh[:, :2],
        visible=unhidden(mesh, picture.depth),
        wrists=points[-2:],
        mouth=np.array([pose.units.get(unit, 0.0) for unit in MOUTH_UNITS], np.float32),
        brows=np.array([pose.units.get(unit, 0.0) for unit in BROW_UNITS], np.float32),
    )


def stacked(frames: list[Truth]) -> dict[str, np.ndarray]:
    """Return the labels of a clip, one array a label with the frames first, and the names of what is listed."""
    names = {"point_names": list(named_points()), "mouth_names": MOUTH_UNITS, "brow_names": BROW_UNITS}
    labels = {name: np.stack([getattr(frame, name) for frame in frames]) for name in Truth.__dataclass_fields__}
    return labels | {name: np.array(value) for name, value in names.items()}
