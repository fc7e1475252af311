"""Where the face is in every frame of a clip: what `faces` finds out and every later step builds on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of, written_aside

Floats = NDArray[np.float32]
LANDMARKS = 468
HAND_POINTS = 21


@dataclass(frozen=True)
class FaceTrack:
    """The face and the hands in front of it, frame by frame, in pixels of the clip; T frames.

    landmarks  `T x 468 x 3`, x right, y down, z towards the back; NaN in a frame without a face
    presence   `T`, the landmarker's confidence 0..1; 0 where no face was found
    hands      `T x 2 x 21 x 2`, up to two hands near the face; NaN where there is none
    """

    landmarks: Floats
    presence: Floats
    hands: Floats

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which frames have a face, `T`."""
        return ~np.isnan(self.landmarks[:, 0, 0])


def write_track(path: Path, track: FaceTrack) -> None:
    """Write one clip's track in one step; equal tracks give equal bytes."""
    with written_aside(path) as aside, open(aside, "wb") as file:
        for part in (track.landmarks, track.presence, track.hands):
            np.save(file, np.ascontiguousarray(part, np.float32), allow_pickle=False)


def track_hash(path: Path) -> str:
    """Return the sha256 of one clip's track. Raises CalseError when it is missing."""
    if not path.is_file():
        raise CalseError(f"{path} is missing; `dvc repro` makes it")
    return sha256_of(path)


def read_track(path: Path) -> FaceTrack:
    """Read one clip's track. Raises CalseError naming the file when it is missing or damaged."""
    try:
        with open(path, "rb") as file:
            landmarks, presence, hands = (np.load(file, allow_pickle=False) for _ in range(3))
    except FileNotFoundError:
        raise CalseError(f"{path} is missing; `dvc repro` makes it") from None
    except (ValueError, EOFError, OSError) as error:
        raise CalseError(f"{path} is not a face track: {error}; remove it and run `dvc repro`") from None
    count = len(presence)
    if landmarks.shape != (count, LANDMARKS, 3) or hands.shape != (count, 2, HAND_POINTS, 2):
        raise CalseError(f"{path} is not a face track of {count} frames; remove it and run `dvc repro`")
    return FaceTrack(landmarks, presence, hands)
