"""Landmarks of the frames of a clip: face, body and hands, detected now and then, tracked in between."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np

from calse.config.params import LandmarkSettings
from calse.data.paths import Layout
from calse.landmarks.body import BodyFollower, BodyMesh
from calse.landmarks.crops import Frame, Square
from calse.landmarks.detector import BODIES, FACES, PALMS, Detection, Detector
from calse.landmarks.hands import LOOKS_BACK, Found, HandFollower, HandMesh, near_face
from calse.landmarks.mesh import FaceMesh, square_of_detection, square_of_landmarks
from calse.landmarks.models import (
    BODY_DETECTOR,
    BODY_MESH,
    FACE_DETECTOR,
    FACE_MESH,
    HAND_MESH,
    PALM_DETECTOR,
    ModelFile,
    model_path,
)
from calse.landmarks.record import Floats, Landmarks, joined, no_landmarks
from calse.landmarks.tflite import Network
from calse.runtime.prefetch import prefetched

AnyFrame = TypeVar("AnyFrame", bound=Frame)
Item = TypeVar("Item")
PART = 64  # frames of which the landmarks are laid out together
# Frames, for whoever looks at faces alone. With every third one a hand that came fast was found too late in one more
# frame: a fifth of the face lay under it.
BODY_EVERY = 2
AHEAD = 16  # frames by which face and body are found before the hands
SOON = 4  # of those, as many are looked at for a hand that comes to the face: the next two bodies


@dataclass(frozen=True)
class Networks:
    """What landmarks are found with."""

    faces: Detector
    mesh: FaceMesh
    bodies: Detector
    body: BodyMesh
    palms: Detector
    hand: HandMesh


@cache
def load_networks(layout: Layout) -> Networks:
    """Load the networks, once a process. Raises CalseError when a model is missing or damaged."""

    def network(model: ModelFile, outputs: tuple[int, ...] | None = None) -> Network:
        return Network(model_path(layout, model), outputs)

    return Networks(
        faces=Detector(network(FACE_DETECTOR), FACES),
        mesh=FaceMesh(network(FACE_MESH)),
        bodies=Detector(network(BODY_DETECTOR), BODIES),
        body=BodyMesh(network(BODY_MESH, BodyMesh.OUTPUTS)),
        palms=Detector(network(PALM_DETECTOR), PALMS),
        hand=HandMesh(network(HAND_MESH)),
    )


@dataclass(frozen=True)
class Followed:
    """A clip's landmarks, and in how many of the frames looked at afresh there were several faces, or bodies."""

    landmarks: Landmarks
    several_faces: int
    several_bodies: int


def landmarks_of_frames(
    frames: Iterable[Frame], networks: Networks, settings: LandmarkSettings, at_face: bool = False
) -> Landmarks:
    """Find one person's face, body and hands in frames `H x W x 3` RGB.

    Of several faces it is the largest and most central that is followed, and after a gap the one nearest to where it
    was; body and hands are those of the face, or without one those of the tallest body. A frame without a face, or with
    one narrower than `settings.min_width`, has none. `at_face` is for whoever looks at faces alone, in half of the
    time: hands are found where they may hide the face, the body in every other frame.
    """
    return follow(frames, networks, settings, at_face).landmarks


def follow(frames: Iterable[Frame], networks: Networks, settings: LandmarkSettings, at_face: bool = False) -> Followed:
    """Find landmarks as `landmarks_of_frames` does, and count; a few frames at a time are in memory.

    Face and body, which need no hands, are found a few frames ahead in a thread of their own: 75 frames with both hands
    take 1.2 instead of 2.1 s of two cores, to the same bits.
    """
    face_of = FaceFollower(networks, settings)
    body_of = BodyFollower(networks.bodies, networks.body)
    fill_in_hands = HandFollower(networks.palms, networks.hand)
    clip: list[Found] = []
    parts: list[Landmarks] = []

    def people() -> Iterator[tuple[Frame, Found, set[int]]]:
        """Yield the frames with face and body, found in a thread of its own, and which hands matter there."""
        body = None
        for number, frame in enumerate(frames):
            face = face_of(frame)
            if body is None or not at_face or number % BODY_EVERY == 0:
                body = body_of(frame, None if face is None else face[0])
            found = Found(face, body)
            yield frame, found, near_face(found) if at_face else {0, 1}

    with closing(prefetched(people(), AHEAD)) as found_ahead:
        for (frame, found, near), coming in _with_next(found_ahead, SOON if at_face else 0):
            fill_in_hands(frame, found, near.union(*(later for *_, later in coming)))
            clip.append(found)
            # Many small arrays among those of the frames keep the heap from shrinking: 90 kB a frame instead of 7.
            if len(clip) == PART + LOOKS_BACK:
                parts.append(as_arrays(clip[:PART]))
                del clip[:PART]
    return Followed(joined([*parts, as_arrays(clip)]), face_of.crowded, body_of.crowded)


def _with_next(items: Iterable[Item], count: int) -> Iterator[tuple[Item, list[Item]]]:
    """Yield each item with up to so many that follow it."""
    waiting: deque[Item] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > count:
            yield waiting.popleft(), list(waiting)
    while waiting:
        yield waiting.popleft(), list(waiting)


def as_arrays(clip: list[Found]) -> Landmarks:
    """Return what was found in some frames as arrays."""
    landmarks = no_landmarks(len(clip))
    for number, found in enumerate(clip):
        if found.face is not None:
            landmarks.face[number], landmarks.face_presence[number] = found.face
        if found.body is not None:
            landmarks.body[number], landmarks.body_presence[number] = found.body
        for slot, hand in enumerate(found.hands):
            if hand is not None:
                landmarks.hands[number, slot], landmarks.hands_world[number, slot] = hand.points, hand.world
                landmarks.hands_presence[number, slot] = hand.presence
    return landmarks


def as_it_is(frame: AnyFrame, square: Square | None) -> AnyFrame:
    """Return the frame itself."""
    return frame


class FaceFollower:
    """Finds the same face in one frame after the other; `crowded` counts the detections with several faces.

    `view` changes what the networks look at: a frame in the square that landmarks are sought in, or for None all of it.
    """

    def __init__(
        self,
        networks: Networks,
        settings: LandmarkSettings,
        view: Callable[[Any, Square | None], Frame] = as_it_is,
    ) -> None:
        self._networks, self._settings, self._view = networks, settings, view
        self._square: Square | None = None  # where the face will be in the next frame
        self._last: Floats | None = None  # where its middle was when it was last seen
        self._wait = 0
        self.crowded = 0

    def __call__(self, frame: Frame) -> tuple[Floats, float] | None:
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

    def _afresh(self, frame: Frame) -> tuple[Floats, float] | None:
        """Detect; as long as the face is where it was tracked to, the tracked square stays, so that nothing jumps."""
        self._wait = self._settings.detect_every
        faces = self._networks.faces(self._view(frame, None))
        self.crowded += len(faces) > 1
        squares = [square_of_detection(self._choose(faces, frame))] if faces else []
        tracked = self._square
        if tracked is not None:
            apart = float(np.hypot(squares[0].x - tracked.x, squares[0].y - tracked.y)) if squares else 0.0
            if not squares or apart < min(squares[0].side, tracked.side) / 4:
                squares = [tracked, *squares]
        tries = (self._landmarks(frame, square) for square in squares)
        return next((found for found in tries if found is not None), None)

    def _choose(self, faces: list[Detection], frame: Frame) -> Detection:
        """Return the face nearest to the last one; at the start the largest and most central."""
        if self._last is not None:
            last = self._last
            return min(faces, key=lambda face: float(np.hypot(*(face.centre - last))))
        middle = np.array([frame.shape[1], frame.shape[0]]) / 2
        return max(faces, key=lambda face: _size(face) * (1 - np.abs(face.centre / middle - 1).max() / 2))

    def _landmarks(self, frame: Frame, square: Square) -> tuple[Floats, float] | None:
        """Return landmarks and presence when they are those of a face, and of one wide enough."""
        landmarks, presence = self._networks.mesh(self._view(frame, square), square)
        enough = np.ptp(landmarks[:, 0]) >= self._settings.min_width * frame.shape[1]
        return (landmarks, presence) if presence >= self._settings.min_presence and enough else None


def _size(face: Detection) -> float:
    return float(face.box[2] - face.box[0])
