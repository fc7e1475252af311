"""Which landmarks are drawn and how they are joined; as text that a page reads."""

import base64

import numpy as np

from calse.landmarks.body import ELBOWS, NOSE, SHOULDERS, WRISTS
from calse.landmarks.record import FACE_POINTS, HAND_POINTS, Landmarks

FACE = list(range(0, FACE_POINTS, 3))
ARMS = [(SHOULDERS[0], SHOULDERS[1]), *zip(SHOULDERS, ELBOWS, strict=True), *zip(ELBOWS, WRISTS, strict=True)]
FINGERS = [(0, 1, 2, 3, 4), (0, 5, 6, 7, 8), (5, 9, 10, 11, 12), (9, 13, 14, 15, 16), (13, 17, 18, 19, 20), (0, 17)]
BODY = sorted({NOSE, *SHOULDERS, *ELBOWS, *WRISTS})
STEPS, NOWHERE = 4, -(2**15)  # steps a pixel; the number that says that a point was not found


def drawing() -> dict[str, object]:
    """Return how to draw the points of `points_text`: how many there are, and the lines that join which of them."""
    after_body = len(BODY)
    hands = [[[after_body + slot * HAND_POINTS + point for point in line] for line in FINGERS] for slot in (0, 1)]
    return {
        "steps": STEPS,
        "points": after_body + 2 * HAND_POINTS + len(FACE),
        "nose": BODY.index(NOSE),
        "arms": [[BODY.index(point) for point in bone] for bone in ARMS],
        "left": hands[0],
        "right": hands[1],
        "face": after_body + 2 * HAND_POINTS,
    }


def points_text(landmarks: Landmarks) -> str:
    """Return body, left hand, right hand and face of every frame, x and y as 16-bit little-endian steps in base64."""
    frames = len(landmarks.face)
    parts = (landmarks.body[:, BODY], landmarks.hands.reshape(frames, -1, 3), landmarks.face[:, FACE])
    points = np.concatenate(parts, axis=1)[..., :2] * STEPS
    whole = np.where(np.isnan(points), NOWHERE, np.round(np.nan_to_num(points)).clip(NOWHERE + 1, -NOWHERE - 1))
    return base64.b64encode(whole.astype("<i2").tobytes()).decode()
