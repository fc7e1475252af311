"""468 points of a face out of a crop turned so that the eyes are level."""

import math

from calse.landmarks.crops import Frame, Square, cut, into_picture, square_around
from calse.landmarks.detector import Detection
from calse.landmarks.record import FACE_POINTS, Floats
from calse.landmarks.tflite import Network, sigmoid

# Outer corners of the eyes, left and right in the picture.
EYES = (33, 263)
_MARGIN = 1.5  # side of the crop over the face's extent, as in the model's training


class FaceMesh:
    """The landmark model."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, frame: Frame, square: Square) -> tuple[Floats, float]:
        """Return landmarks `468 x 3` in pixels of the frame and the presence 0..1 of a face in the square.

        Presence says nothing of what hides the face: painted half over it stays at 1.
        """
        size = self._network.size
        points, presence = self._network(cut(frame, square, size))
        return into_picture(points.reshape(FACE_POINTS, 3), square, size), float(sigmoid(presence)[0])


def square_of_detection(face: Detection) -> Square:
    """Return where to look for the landmarks of a detected face; its first two points are the eyes."""
    return square_around(face.box.reshape(2, 2), 0, _MARGIN)._replace(angle=_tilt(face.points[0], face.points[1]))


def square_of_landmarks(landmarks: Floats) -> Square:
    """Return where to look for the face in the next frame."""
    return square_around(landmarks[:, :2], _tilt(*landmarks[list(EYES), :2]), _MARGIN)


def _tilt(left: Floats, right: Floats) -> float:
    x, y = right - left
    return math.atan2(y, x)
