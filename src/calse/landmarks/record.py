"""The landmarks of a clip: what the stage `landmarks` finds and recognition, swaps and omission read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file

Floats = NDArray[np.float32]
FACE_POINTS, BODY_POINTS, HAND_POINTS = 468, 33, 21
SHAPES: dict[str, tuple[int, ...]] = {
    "face": (FACE_POINTS, 3),
    "face_presence": (),
    "body": (BODY_POINTS, 3),
    "body_presence": (),
    "hands": (2, HAND_POINTS, 3),
    "hands_world": (2, HAND_POINTS, 3),
    "hands_presence": (2,),
}


@dataclass(frozen=True)
class Landmarks:
    """Face, body and hands of one person in the T frames of a clip, float32; NaN where there is none, presence 0 then.

    Points are (x, y, depth) in pixels of the clip: x right, y down, depth away from the camera.

    face            `T x 468 x 3`, the points of the face mesh
    face_presence   `T`, 0..1
    body            `T x 33 x 3`: 0 nose, 11 and 12 shoulders, 13 and 14 elbows, 15 and 16 wrists; odd is the left
    body_presence   `T`, 0..1
    hands           `T x 2 x 21 x 3`; slot 0 is the hand at the signer's left wrist (15), slot 1 at the right one (16)
    hands_world     `T x 2 x 21 x 3`, in metres about the hand's middle, axes as in the picture
    hands_presence  `T x 2`, 0..1
    """

    face: Floats
    face_presence: Floats
    body: Floats
    body_presence: Floats
    hands: Floats
    hands_world: Floats
    hands_presence: Floats

    @property
    def has_face(self) -> NDArray[np.bool_]:
        """Which frames have a face, `T`."""
        return ~np.isnan(self.face[:, 0, 0])

    @property
    def has_body(self) -> NDArray[np.bool_]:
        """Which frames have a body, `T`."""
        return ~np.isnan(self.body[:, 0, 0])

    @property
    def has_hands(self) -> NDArray[np.bool_]:
        """Which hands are there in which frames, `T x 2`."""
        return ~np.isnan(self.hands[:, :, 0, 0])


def no_landmarks(frames: int) -> Landmarks:
    """Return the landmarks of so many frames in which nobody is found; they may be filled in."""
    return Landmarks(
        **{
            name: np.full((frames, *shape), 0 if name.endswith("presence") else np.nan, np.float32)
            for name, shape in SHAPES.items()
        }
    )


def joined(parts: Sequence[Landmarks]) -> Landmarks:
    """Return the landmarks of one clip from those of its parts, in their order."""
    return Landmarks(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in SHAPES})


def write_landmarks(path: Path, landmarks: Landmarks) -> None:
    """Write the landmarks of one clip as `.npz` in one step; equal landmarks give equal bytes."""
    arrays: dict[str, Any] = {name: np.ascontiguousarray(getattr(landmarks, name), np.float32) for name in SHAPES}
    with atomic_file(path) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)  # uncompressed: what a compressor writes depends on its version


def read_landmarks(path: Path) -> Landmarks:
    """Read the landmarks of one clip. Raises CalseError naming the file when it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Landmarks(**{name: file[name] for name in SHAPES})
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; `dvc repro` makes it") from None
    except (AttributeError, BadZipFile, EOFError, KeyError, OSError, TypeError, ValueError) as error:
        raise CalseError(f"{path} holds no landmarks: {error}; remove it and run `dvc repro`") from None
    count = len(found.body_presence)
    for name, shape in SHAPES.items():
        array = getattr(found, name)
        if array.shape != (count, *shape) or array.dtype != np.float32:
            raise CalseError(f"{path}: {name} is not that of {count} frames; remove it and run `dvc repro`")
    return found
