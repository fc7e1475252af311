"""33 points of a body out of a crop turned so that it stands upright, followed from frame to frame."""

import numpy as np

from calse.landmarks.crops import Frame, Square, cut, into_picture, upwards
from calse.landmarks.detector import Detection, Detector
from calse.landmarks.record import BODY_POINTS, Floats
from calse.landmarks.tflite import Network, sigmoid

NOSE, SHOULDERS, ELBOWS, WRISTS, LITTLES, INDICES = 0, (11, 12), (13, 14), (15, 16), (17, 18), (19, 20)  # left, right
_OUTPUT_POINTS = 39  # the body's, and those that say where the body will be
_HEAT, _REACH = 64, 3  # side of a heat map; cells beside the regressed one that refine it
_CENTRE, _TOP = 33, 34  # middle of the hips, and a point as far above as the body reaches
_MARGIN = 1.25  # side of the crop over twice that distance
_MIN_PRESENCE = 0.5


class BodyMesh:
    """The landmark model of a body.

    Of its outputs it reads points, presence and heat maps: the mask of the person would take half the time.
    """

    OUTPUTS = (0, 1, 3)

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, frame: Frame, square: Square) -> tuple[Floats, float, Square]:
        """Return points `33 x 3` in pixels of the frame, the presence 0..1 of a body, and its square hereafter."""
        size = self._network.size
        values, presence, heat = self._network(cut(frame, square, size))
        crop = values.reshape(_OUTPUT_POINTS, -1)[:, :3].copy()
        crop[:, :2] = refined(crop[:, :2] / (size / _HEAT), heat.reshape(_HEAT, _HEAT, -1)) * (size / _HEAT)
        points = into_picture(crop, square, size)
        return points[:BODY_POINTS], float(presence[0]), _square(points[_CENTRE, :2], points[_TOP, :2])


def refined(cells: Floats, heat: Floats) -> Floats:
    """Return points `K x 2` (x, y) moved to where their heat maps, `H x W x K` logits, are warm around them.

    A point becomes its neighbourhood's mean weighted by heat, where that reaches .5 anywhere; else it stays.
    """
    steps = np.arange(-_REACH, _REACH + 1)
    x, y = np.trunc(cells).astype(int).T
    x, y = x[:, None, None] + steps[None, None, :], y[:, None, None] + steps[None, :, None]
    inside = (x >= 0) & (x < heat.shape[1]) & (y >= 0) & (y < heat.shape[0])
    number = np.arange(len(cells))[:, None, None]
    near = heat[y.clip(0, heat.shape[0] - 1), x.clip(0, heat.shape[1] - 1), number]
    weights = np.where(inside, sigmoid(near), 0)
    total = weights.sum(axis=(1, 2))
    means = np.stack([(weights * part).sum(axis=(1, 2)) for part in (x, y)], axis=1) / np.maximum(total, 1e-9)[:, None]
    return np.where((weights.max(axis=(1, 2)) >= _MIN_PRESENCE)[:, None], means, cells).astype(np.float32)


class BodyFollower:
    """Finds the same body in one frame after the other; `crowded` counts the detections with several bodies."""

    def __init__(self, bodies: Detector, mesh: BodyMesh) -> None:
        self._bodies, self._mesh = bodies, mesh
        self._square: Square | None = None  # where the body will be in the next frame
        self.crowded = 0

    def __call__(self, frame: Frame, face: Floats | None) -> tuple[Floats, float] | None:
        """Return points and presence of the body in the next frame, or nothing; `face`, `468 x 3`, is the person's."""
        tracked = [] if self._square is None else [self._square]
        return self._look(frame, tracked) or self._look(frame, self._afresh(frame, face))

    def _look(self, frame: Frame, squares: list[Square]) -> tuple[Floats, float] | None:
        """Return points and presence when a square shows a body."""
        self._square = None
        for square in squares:
            points, presence, after = self._mesh(frame, square)
            if presence >= _MIN_PRESENCE:
                self._square = after
                return points, presence
        return None

    def _afresh(self, frame: Frame, face: Floats | None) -> list[Square]:
        """Detect; of several bodies it is that under the face, and without a face the tallest."""
        found = self._bodies(frame)
        self.crowded += len(found) > 1
        if not found:
            return []
        if face is None:
            best = max(found, key=_height)
        else:
            middle = face[:, :2].mean(axis=0)
            best = min(found, key=lambda body: float(np.linalg.norm(body.points[2] - middle)) / _height(body))
        return [_square(best.points[0], best.points[1])]


def _height(body: Detection) -> float:
    """Return how far a detected body reaches: its points are middles of hips and shoulders, each before its extent."""
    return max(1.0, float(np.linalg.norm(body.points[1] - body.points[0])))


def _square(middle: Floats, top: Floats) -> Square:
    """Return where to look for a body with its hips in the middle that reaches up to `top`."""
    side = 2 * _MARGIN * float(np.linalg.norm(top - middle))
    return Square(float(middle[0]), float(middle[1]), max(1.0, side), upwards(middle, top))
