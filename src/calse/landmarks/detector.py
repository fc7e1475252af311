"""Single-shot detection of faces, palms and bodies: a grid of anchors, a box and some points for each that scores."""

from typing import NamedTuple

import cv2
import numpy as np

from calse.landmarks.crops import Frame, Pictures
from calse.landmarks.record import Floats
from calse.landmarks.tflite import Network, sigmoid
from calse.video.ours.planes import Planes, rgb_of_full

MIN_SCORE = 0.5
MIN_OVERLAP = 0.3


class Detection(NamedTuple):
    """Something found: score 0..1, box `4` (left, top, right, bottom), points `K x 2`."""

    score: float
    box: Floats
    points: Floats

    @property
    def centre(self) -> Floats:
        """The box's middle, `2`."""
        return np.asarray((self.box[:2] + self.box[2:]) / 2, np.float32)


class Anchors(NamedTuple):
    """Layers of a detector as (stride in pixels, anchors in each cell), and the range its input lies in."""

    layers: tuple[tuple[int, int], ...]
    low: float
    high: float


FACES = Anchors(layers=((4, 1),), low=-1, high=1)
PALMS = Anchors(layers=((8, 2), (16, 6)), low=0, high=1)
BODIES = Anchors(layers=((8, 2), (16, 2), (32, 6)), low=-1, high=1)


class Detector:
    """A detection model and the anchors it was trained with."""

    def __init__(self, network: Network, anchors: Anchors) -> None:
        self._network, self._anchors = network, anchors
        self._centres = anchor_centres(network.size, anchors.layers)

    def __call__(self, frame: Frame) -> list[Detection]:
        """Return what is found in a frame, in its pixels, best first."""
        size = self._network.size
        square, scale, offset = letterbox(frame, size)
        low, high = self._anchors.low, self._anchors.high
        boxes, logits = self._network(square.astype(np.float32) * ((high - low) / 255) + low)
        found = merge(decode(boxes.reshape(len(logits), -1), logits, self._centres))
        back = [(one.score, (one.box.reshape(2, 2) - offset) / scale, (one.points - offset) / scale) for one in found]
        return [Detection(score, box.ravel(), points) for score, box, points in back]


def anchor_centres(size: int, layers: tuple[tuple[int, int], ...]) -> Floats:
    """Return the anchors' centres, `A x 2` (x, y) in pixels of the input, layer by layer and row by row."""
    parts = []
    for stride, count in layers:
        line = (np.arange(size // stride) + 0.5) * stride
        x, y = np.meshgrid(line, line)
        parts.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), count, axis=0))
    return np.concatenate(parts).astype(np.float32)


def letterbox(frame: Frame, size: int) -> tuple[Pictures, float, Floats]:
    """Fit a frame into the middle of a black square.

    Returns the square, RGB, pixels of it per pixel of the frame, and where the frame's corner lies in it (x, y).
    """
    height, width = frame.shape[:2]
    scale = size / max(height, width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size - fitted[0]) // 2, (size - fitted[1]) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + fitted[1], left : left + fitted[0]] = (
        rgb_of_full(Planes(*(_fitted(plane, fitted) for plane in frame)))
        if isinstance(frame, Planes)
        else _fitted(frame, fitted)
    )
    return square, scale, np.array([left, top], np.float32)


def _fitted(picture: Pictures, size: tuple[int, int]) -> Pictures:
    """Return a picture in another size, by area when it shrinks."""
    how = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=how))


def decode(boxes: Floats, logits: Floats, centres: Floats) -> list[Detection]:
    """Return the anchors that score, best first, in pixels of the input.

    `boxes` is `A x (4 + 2K)`: the box's centre and the points relative to the anchor's centre `A x 2`, and between
    them its width and height, all in pixels; `logits` is `A`. A box turned inside out is no detection.
    """
    scores = sigmoid(logits)
    enough = np.flatnonzero(scores >= MIN_SCORE)
    best = enough[np.argsort(-scores[enough], kind="stable")]
    found = []
    for index in best:
        centre, extent = centres[index] + boxes[index, :2], boxes[index, 2:4]
        if extent.min() > 0:
            box = np.concatenate([centre - extent / 2, centre + extent / 2])
            points = boxes[index, 4:].reshape(-1, 2) + centres[index]
            found.append(Detection(float(scores[index]), box, points))
    return found


def merge(found: list[Detection]) -> list[Detection]:
    """Return one detection for each group that overlaps its best: their mean, weighted by score."""
    merged, rest = [], found
    while rest:
        near = [overlap(rest[0].box, other.box) > MIN_OVERLAP for other in rest]
        group = [one for one, is_near in zip(rest, near, strict=True) if is_near]
        weights = [one.score for one in group]
        box = np.average([one.box for one in group], axis=0, weights=weights)
        points = np.average([one.points for one in group], axis=0, weights=weights)
        merged.append(Detection(rest[0].score, box.astype(np.float32), points.astype(np.float32)))
        rest = [one for one, is_near in zip(rest, near, strict=True) if not is_near]
    return merged


def overlap(one: Floats, other: Floats) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    inner = float(sides.prod())
    return inner / (float((one[2:] - one[:2]).prod()) + float((other[2:] - other[:2]).prod()) - inner)
