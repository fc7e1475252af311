"""Following one face through a clip: detected now and then, tracked from frame to frame in between."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from calse.config.params import LandmarkSettings
from calse.data.paths import Layout
from calse.landmarks.crops import Square
from calse.landmarks.detector import FACES, PALMS, Detection, Detector
from calse.landmarks.hands import HandFollower, HandMesh
from calse.landmarks.mesh import FaceMesh, square_of_detection, square_of_landmarks
from calse.landmarks.models import FACE_DETECTOR, FACE_MESH, HAND_MESH, PALM_DETECTOR, model_path
from calse.landmarks.record import Floats, Landmarks, no_landmarks
from calse.landmarks.tflite import Network

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class FaceNetworks:
    """What tracking looks with."""

    faces: Detector
    mesh: FaceMesh
    palms: Detector
    hand: HandMesh


@cache
def load_networks(layout: Layout) -> FaceNetworks:
    """Load the networks, once a process. Raises CalseError when a model is missing or damaged."""
    networks = [Network(model_path(layout, model)) for model in (FACE_DETECTOR, FACE_MESH, PALM_DETECTOR, HAND_MESH)]
    return FaceNetworks(
        Detector(networks[0], FACES), FaceMesh(networks[1]), Detector(networks[2], PALMS), HandMesh(networks[3])
    )


def track_faces(frames: Pictures, networks: FaceNetworks, settings: LandmarkSettings) -> Landmarks:
    """Follow one face, and the hands near it, through frames `T x H x W x 3` RGB.

    Of several faces it is the largest and most central that is followed, and after a gap the one nearest to where it
    was. A frame without a face, or with one narrower than `settings.min_width`, is NaN.
    """
    return track_and_count(frames, networks, settings)[0]


def track_and_count(frames: Pictures, networks: FaceNetworks, settings: LandmarkSettings) -> tuple[Landmarks, int]:
    """Return the track as `track_faces` does, and in how many of the frames looked at afresh there were more faces."""
    follower = FaceFollower(networks, settings)
    landmarks = no_landmarks(len(frames))
    for number, frame in enumerate(frames):
        found = follower(frame)
        if found is not None:
            landmarks.face[number], landmarks.face_presence[number] = found
    landmarks.hands[:] = HandFollower(networks.palms, networks.hand)(frames, landmarks.face)
    return landmarks, follower.crowded


class FaceFollower:
    """Finds the same face in one frame after the other; `crowded` counts the detections with several faces."""

    def __init__(self, networks: FaceNetworks, settings: LandmarkSettings) -> None:
        self._networks, self._settings = networks, settings
        self._square: Square | None = None  # where the face will be in the next frame
        self._last: Floats | None = None  # where its middle was when it was last seen
        self._wait = 0
        self.crowded = 0

    def __call__(self, frame: Pictures) -> tuple[Floats, float] | None:
        """Return landmarks and presence of the face in the next frame, or nothing."""
        found = None
        if self._square is not None and self._wait > 0:
            found = self._landmarks(frame, self._square)
        if found is None:
            found = self._afresh(frame)
        self._wait -= 1
        self._square = None if found is None else square_of_landmarks(found[0])
        self._last = self._last if self._square is None else np.array(self._square[:2], np.float32)
        return found

    def _afresh(self, frame: Pictures) -> tuple[Floats, float] | None:
        """Detect; as long as the face is where it was tracked to, the tracked square stays, so that nothing jumps."""
        self._wait = self._settings.detect_every
        faces = self._networks.faces(frame)
        self.crowded += len(faces) > 1
        squares = [square_of_detection(self._choose(faces, frame))] if faces else []
        if self._square is not None and (not squares or _agree(squares[0], self._square)):
            squares = [self._square, *squares]
        tries = (self._landmarks(frame, square) for square in squares)
        return next((found for found in tries if found is not None), None)

    def _choose(self, faces: list[Detection], frame: Pictures) -> Detection:
        if self._last is not None:
            last = self._last
            return min(faces, key=lambda face: float(np.hypot(*(face.centre - last))))
        middle = np.array([frame.shape[1], frame.shape[0]]) / 2
        return max(faces, key=lambda face: _size(face) * (1 - np.abs(face.centre / middle - 1).max() / 2))

    def _landmarks(self, frame: Pictures, square: Square) -> tuple[Floats, float] | None:
        """Return landmarks and presence when they are those of a face, and of one wide enough."""
        landmarks, presence = self._networks.mesh(frame, square)
        enough = np.ptp(landmarks[:, 0]) >= self._settings.min_width * frame.shape[1]
        return (landmarks, presence) if presence >= self._settings.min_presence and enough else None


def _size(face: Detection) -> float:
    return float(face.box[2] - face.box[0])


def _agree(one: Square, other: Square) -> bool:
    """Tell whether two squares are about the same face."""
    return float(np.hypot(one.x - other.x, one.y - other.y)) < min(one.side, other.side) / 4
