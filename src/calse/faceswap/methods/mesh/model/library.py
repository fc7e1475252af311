"""A donor's library, the model of this method: pictures of the face in many poses, and the mesh in each."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.mask import hand_share
from calse.faceswap.methods.mesh.model.pose import posed
from calse.faceswap.methods.mesh.model.topology import Topology, facing, outwards
from calse.faceswap.points import head_angles
from calse.landmarks.record import FACE_POINTS, Landmarks

Pictures = NDArray[np.uint8]
Floats = NDArray[np.float32]
SURE = 0.9  # presence of a face that is kept
MARGIN = 0.08  # of the face's box, around it
SKIN = (50, 280, 205, 425, 36, 266, 101, 330, 118, 347, 117, 346, 123, 352, 1, 4, 5, 195, 197)  # cheeks and nose
_BLUR = 0.012  # of the crop's width
_LEAST, _WIDER = np.array([6.0, 3, 3]), np.array([1.6, 1.3, 1.3])  # L*a*b*


@dataclass(frozen=True)
class Library:
    """N faces of one donor. Points are in pixels of each face's crop, RGB.

    `pixels` are the crops one after the other, `M x 3`, of `sizes` (`N x 2`: height, width); `points` `N x 468 x 3`;
    `scale` pixels an eye distance, `N`; `turns` yaw and pitch in degrees, `N x 2`; `expression` `N x 7`; `visible` and
    `skin` how far a point faces the camera and looks like skin, `N x 468` in 0..1; `neutral` the face at rest in
    canonical space, `468 x 3`.
    """

    pixels: Pictures
    sizes: NDArray[np.int32]
    points: Floats
    scale: Floats
    turns: Floats
    expression: Floats
    visible: Floats
    skin: Floats
    neutral: Floats

    def __len__(self) -> int:
        return len(self.sizes)

    def crop(self, number: int) -> Pictures:
        """Return one face's picture, `H x W x 3`."""
        ends = np.concatenate([[0], np.cumsum(self.sizes.astype(np.int64).prod(axis=1))])
        height, width = self.sizes[number].tolist()
        return self.pixels[ends[number] : ends[number + 1]].reshape(height, width, 3)


Cut = tuple[list[Pictures], Floats]


def usable(landmarks: Landmarks, height: int, width: int) -> NDArray[np.int64]:
    """Return the frames whose face is surely found, wholly in the picture and with no hand in front of it."""
    low, high = landmarks.face[..., :2].min(axis=1), landmarks.face[..., :2].max(axis=1)
    whole = (low >= 0).all(axis=1) & (high <= np.array([width - 1, height - 1])).all(axis=1)
    numbers = np.flatnonzero(whole & (landmarks.face_presence > SURE))
    hands = landmarks.hands[..., :2]
    return np.array([k for k in numbers if not hand_share(landmarks.face[k], hands[k], height, width)], np.int64)


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Return which of so many frames are kept: at most so many, evenly spread."""
    return (
        np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)) if count else np.empty(0, int)
    )


def cut(frames: Iterable[Pictures], landmarks: Landmarks, numbers: NDArray[np.int64]) -> Cut:
    """Return the crops of the chosen frames of a clip, `H x W x 3` each, and the points in them, `N x 468 x 3`."""
    crops, points, wanted = [], [], set(numbers.tolist())
    for number, frame in enumerate(frames):
        if number in wanted:
            face = landmarks.face[number]
            low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
            margin = MARGIN * (high - low)
            left, top = np.maximum(0, np.floor(low - margin)).astype(int).tolist()
            right, bottom = np.ceil(high + margin).astype(int).tolist()
            crops.append(frame[top : bottom + 1, left : right + 1].copy())
            points.append(face - np.array([left, top, 0], np.float32))
    return crops, np.array(points, np.float32).reshape(-1, FACE_POINTS, 3)


def library_of(clips: list[Cut], topology: Topology) -> Library:
    """Make the library of one donor out of the faces of all their clips, at least one."""
    crops = [crop for some, _ in clips for crop in some]
    points = np.concatenate([some for _, some in clips])
    person = posed(points)
    triangles = outwards(topology.triangles[: topology.skin], person.neutral)
    skin = np.stack([skin_similarity(crop, face) for crop, face in zip(crops, points, strict=True)])
    usual = np.median(skin, axis=0)
    arrays: dict[str, Any] = {
        "pixels": np.concatenate([crop.reshape(-1, 3) for crop in crops]),
        "sizes": np.array([crop.shape[:2] for crop in crops], np.int32),
        "points": points,
        "scale": person.scale,
        "turns": head_angles(person.rotation)[:, :2],
        "expression": person.expression,
        "visible": facing(triangles, points.astype(np.float64)),
        "skin": np.minimum(skin, (skin + usual) / 2),
        "neutral": person.neutral,
    }
    return Library(**{n: a if a.dtype in (np.uint8, np.int32) else a.astype(np.float32) for n, a in arrays.items()})


def skin_similarity(crop: Pictures, points: Floats) -> NDArray[np.float64]:
    """Return how far the colour at each point is that of cheeks and nose, `468` in 0..1."""
    soft = cv2.GaussianBlur(crop, (0, 0), max(0.3, _BLUR * crop.shape[1]))
    lab = cv2.cvtColor(soft.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    height, width = crop.shape[:2]
    x, y = np.rint(points[:, :2]).astype(int).T
    colours = lab[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float64)
    usual = np.median(colours[list(SKIN)], axis=0)
    deviation = 1.4826 * np.median(np.abs(colours[list(SKIN)] - usual), axis=0)
    far = (colours - usual) / (np.maximum(deviation, _LEAST) * _WIDER)
    return np.asarray(np.clip(1.6 - (far**2).sum(axis=1) / 6, 0, 1))


def pictures_hash(library: Library) -> str:
    """Return the sha256 of a library that is in no file."""
    return hashlib.sha256(library.pixels.tobytes() + library.points.tobytes()).hexdigest()


def save_library(path: Path, library: Library) -> None:
    """Write a library; equal ones give equal bytes."""
    from safetensors.numpy import save_file

    save_file({field.name: np.ascontiguousarray(getattr(library, field.name)) for field in fields(Library)}, path)


def load_library(path: Path) -> Library:
    """Read a library. Raises SafetensorError, KeyError or OSError when it is missing or damaged."""
    from safetensors.numpy import load_file

    arrays: dict[str, Any] = load_file(path)
    return Library(**{field.name: arrays[field.name] for field in fields(Library)})
