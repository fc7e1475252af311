"""The landmarks of any clip: a filmed one has a file of its own, a generated one follows from its parent's."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.landmarks.record import Floats, Landmarks, no_landmarks, read_landmarks
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of

# The body's points after its left and right ones (eyes, ears, mouth, then joint by joint) have changed places.
OTHER_SIDE = (0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(point + 1 if point % 2 else point - 1 for point in range(11, 33)))
SAME_PLACES = ("swap", "omit")  # what changes pixels of the face alone


def landmarks_file(clip: Clip, layout: Layout) -> Path:
    """Return the file with the landmarks that a clip's own follow from: its parent's, or of a filmed one its own."""
    return layout.landmarks(clip.source) / f"{clip.parent or clip.clip}.npz"


def landmarks_hash(clip: Clip, layout: Layout) -> str:
    """Return the sha256 of that file. Raises CalseError when it is missing."""
    path = landmarks_file(clip, layout)
    if not path.is_file():
        raise CalseError(f"{path} is missing; `dvc repro` makes it")
    return sha256_of(path)


def landmarks_of(clip: Clip, layout: Layout) -> Landmarks:
    """Return the landmarks of a clip, without looking at it: nothing but the files of filmed clips is read.

    A clip whose facts hold a matrix has its parent's landmarks where the matrix takes them; a swapped or blurred one
    has its parent's body and hands, and no face. Raises CalseError naming a file that is missing, damaged or of another
    clip, and a clip of a kind that does not say where its pixels went.
    """
    path = landmarks_file(clip, layout)
    found = read_landmarks(path)
    if len(found.face) != clip.frames:
        raise CalseError(f"{path} is of {len(found.face)} frames, clip {clip.clip} has {clip.frames}; rerun landmarks")
    if not clip.parent:
        return found
    made = clip.details
    if made["by"] in SAME_PLACES:
        nobody = no_landmarks(clip.frames)
        return replace(found, face=nobody.face, face_presence=nobody.face_presence)
    if "matrix" not in made:
        raise CalseError(
            f"clip {clip.clip} of the set {clip.set}: its kind, {made['by']}, keeps no matrix in `facts`, so its "
            "landmarks are not known; leave the set out of what needs them"
        )
    return moved(found, np.array(made["matrix"], np.float64))


def moved(landmarks: Landmarks, matrix: NDArray[np.float64]) -> Landmarks:
    """Return landmarks under a `2 x 3` map of pixels; depths and metres follow its mean scale and its turn.

    In a mirror left and right change places, of hands and in the body; the face mesh, whose numbers have no such pairs
    here, is left out.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    turn = matrix[:, :2] / scale
    mirrored = bool(np.linalg.det(matrix[:, :2]) < 0)

    def in_picture(points: Floats) -> Floats:
        """Map points of the picture; depth scales with them."""
        flat = points[..., :2] @ matrix[:, :2].T + matrix[:, 2]
        return np.concatenate([flat, scale * points[..., 2:]], axis=-1).astype(np.float32)

    def in_metres(points: Floats) -> Floats:
        """Turn points in metres; their size is the person's."""
        return np.concatenate([points[..., :2] @ turn.T, points[..., 2:]], axis=-1).astype(np.float32)

    result = replace(
        landmarks,
        face=in_picture(landmarks.face),
        body=in_picture(landmarks.body),
        hands=in_picture(landmarks.hands),
        hands_world=in_metres(landmarks.hands_world),
    )
    return _sides_swapped(result) if mirrored else result


def _sides_swapped(landmarks: Landmarks) -> Landmarks:
    """Return landmarks as a detector names them in a mirror: who is seen there has the hands the other way round."""
    nobody = no_landmarks(len(landmarks.face))
    return replace(
        landmarks,
        face=nobody.face,
        face_presence=nobody.face_presence,
        body=landmarks.body[:, OTHER_SIDE],
        hands=landmarks.hands[:, ::-1],
        hands_world=landmarks.hands_world[:, ::-1],
        hands_presence=landmarks.hands_presence[:, ::-1],
    )
