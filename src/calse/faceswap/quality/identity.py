"""Whose face it is: 128 numbers a face, near for one person and far apart for two."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from calse.data.paths import Layout
from calse.faceswap.quality.embedder import SIDE, Embedder
from calse.landmarks.models import FACE_IDENTITY, model_path
from calse.landmarks.record import Floats

SAME_PERSON = 0.6  # distances under this are one person's, by the model's authors
# The five points the model was trained on, as mesh points: image-right eye (outer, inner), left eye, under the nose.
_FIVE = (263, 362, 33, 133, 2)
_PADDING = 0.25  # share of the face's size around it, as dlib's own function has it


def embed(layout: Layout, frame: NDArray[np.uint8], landmarks: Floats) -> Floats:
    """Return the identity embedding of a face, `128`; takes about 10 ms.

    `frame` is `H x W x 3` RGB, `landmarks` `468 x 3` in its pixels. Compare two by Euclidean distance (SAME_PERSON);
    the cosine hardly moves. Raises CalseError when the model is missing or damaged.
    """
    import dlib

    points = [dlib.point(round(float(x)), round(float(y))) for x, y in landmarks[list(_FIVE), :2]]
    left, top = np.floor(landmarks[:, :2].min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(landmarks[:, :2].max(axis=0)).astype(int).tolist()
    face = dlib.full_object_detection(dlib.rectangle(left, top, right, bottom), points)
    return _embedder(layout)(dlib.get_face_chip(np.ascontiguousarray(frame), face, SIDE, _PADDING))


@cache
def _embedder(layout: Layout) -> Embedder:
    return Embedder(model_path(layout, FACE_IDENTITY))
