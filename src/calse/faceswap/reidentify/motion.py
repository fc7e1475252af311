"""How somebody moves, in a few numbers a clip: statistics of normalised trajectories."""

import numpy as np
from numpy.typing import NDArray

from calse.landmarks.body import ELBOWS, NOSE, SHOULDERS, WRISTS
from calse.landmarks.record import Landmarks

POINTS = (NOSE, *ELBOWS, *WRISTS)
LEAST = 5  # frames with a body, to have an acceleration

Statistics = NDArray[np.float64]


def motion_of(landmarks: Landmarks, fps: float) -> Statistics | None:
    """Return the posture and the movement of a clip's signer, `4 x 10`; None when the body is hardly ever found.

    Rows are mean, deviation, deviation of the speed and of the acceleration of each coordinate, in shoulder widths and
    seconds from the middle of the shoulders, both the clip's medians: neither size nor place in the picture are left.
    After Bigand et al., 2021, https://doi.org/10.3389/fbioe.2021.710132, who identify signers by such statistics.
    """
    body = landmarks.body[landmarks.has_body].astype(np.float64)
    if len(body) < LEAST:
        return None
    shoulders = np.median(body[:, list(SHOULDERS), :2], axis=0)
    width = max(float(np.linalg.norm(shoulders[0] - shoulders[1])), 1.0)
    paths = ((body[:, list(POINTS), :2] - shoulders.mean(axis=0)) / width).reshape(len(body), -1)
    speeds = np.diff(paths, axis=0) * fps
    return np.stack(
        [paths.mean(axis=0), paths.std(axis=0), speeds.std(axis=0), np.diff(speeds, axis=0).std(axis=0) * fps]
    )


def without_posture(statistics: Statistics) -> Statistics:
    """Return the movement alone: of where the limbs are held, which the body's build and the camera's angle shape too,
    nothing is left.
    """
    return statistics[1:]
