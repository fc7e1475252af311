"""How much of a source's clips has landmarks: the metrics of the stage `landmarks`."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.data.clips import Clip
from calse.landmarks.active import active_part, hands_that_sign
from calse.landmarks.body import SHOULDERS, WRISTS
from calse.landmarks.following import Followed
from calse.landmarks.record import Landmarks

HEM = 1.6  # shoulder widths under the shoulders: below it a hand does not sign
DIGITS = 4


@dataclass(frozen=True)
class Rates:
    """What one clip showed: counts of frames (`hands`: at left and right wrist), and the width of every face in pixels.

    `active` are the frames in which the leading hand is up, `led` those of them in which it is found. `absent` are the
    hands, 0 the left, that are found in too few of them to take part in the sign.
    """

    clip: str
    frames: int
    body: int
    hands: tuple[int, int]
    absent: tuple[int, ...]
    active: int
    led: int
    hand_in_front: int
    several_faces: int
    several_bodies: int
    widths: tuple[float, ...]


def rates_of(clip: Clip, followed: Followed) -> Rates:
    """Count what was found in a clip."""
    landmarks = followed.landmarks
    active, leading = leading_part(landmarks, clip.fps)
    left, right = landmarks.has_hands.sum(axis=0).tolist()
    return Rates(
        clip=clip.clip,
        frames=len(landmarks.face),
        body=int(landmarks.has_body.sum()),
        hands=(left, right),
        absent=tuple(np.flatnonzero(~_signing(landmarks, clip.fps)).tolist()),
        active=int(active.sum()),
        led=int((active & landmarks.has_hands[:, leading]).sum()),
        hand_in_front=int(hands_in_front(landmarks).sum()),
        several_faces=followed.several_faces,
        several_bodies=followed.several_bodies,
        widths=tuple(np.ptp(landmarks.face[landmarks.has_face, :, 0], axis=1).tolist()),
    )


def leading_part(landmarks: Landmarks, fps: float) -> tuple[NDArray[np.bool_], int]:
    """Return in which frames the leading hand signs, `T`, and its slot: the hand whose wrist moves more, higher up."""
    has_body = landmarks.has_body
    active = np.zeros(len(has_body), bool)
    if not has_body.any():
        return active, 0
    shoulders, unit = _scale(landmarks)
    wrists = (landmarks.body[has_body][:, list(WRISTS), :2] - shoulders) / unit
    moved = np.linalg.norm(np.diff(wrists, axis=0, prepend=wrists[:1]), axis=-1)
    leading = int((moved * np.clip(HEM - wrists[..., 1], 0, None)).sum(axis=0).argmax())
    first, last = np.flatnonzero(has_body)[list(active_part(wrists[:, leading, 1], fps))]
    active[first : last + 1] = True
    return active, leading


def _signing(landmarks: Landmarks, fps: float) -> NDArray[np.bool_]:
    """Return which of the two hands take part in the sign, as the recogniser has it; none without a body."""
    if not landmarks.has_body.any():
        return np.zeros(2, bool)
    shoulders, unit = _scale(landmarks)
    return hands_that_sign((landmarks.hands[:, :, 0, 1] - shoulders[1]) / unit, fps)


def _scale(landmarks: Landmarks) -> tuple[NDArray[np.floating], float]:
    """Return where a clip has the middle of the shoulders, `2`, and how far they are apart: medians, in pixels."""
    shoulders = landmarks.body[landmarks.has_body][:, list(SHOULDERS), :2]
    width = float(np.median(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)))
    return np.median(shoulders.mean(axis=1), axis=0), max(1.0, width)


def hands_in_front(landmarks: Landmarks) -> NDArray[np.bool_]:
    """Return in which frames a point of a hand lies inside the face's outline, `T`."""
    covered = np.zeros(len(landmarks.face), bool)
    for number in np.flatnonzero(landmarks.has_face):
        outline = cv2.convexHull(np.ascontiguousarray(landmarks.face[number, :, :2]))
        points = landmarks.hands[number, :, :, :2].reshape(-1, 2)
        points = points[~np.isnan(points[:, 0])].tolist()
        covered[number] = any(cv2.pointPolygonTest(outline, point, False) >= 0 for point in points)
    return covered


def summary(clips: list[Rates]) -> dict[str, Any]:
    """Return the metrics of a source; several faces or bodies are counted in frames that were detected afresh only."""
    frames = sum(one.frames for one in clips)
    widths = [width for one in clips for width in one.widths]
    absent = [[one.clip for one in clips if slot in one.absent] for slot in (0, 1)]

    def share(count: int, whole: int) -> float:
        """Return a share of a whole, 0 of nothing."""
        return round(count / whole, DIGITS) if whole else 0.0

    return {
        "clips": len(clips),
        "clips_with_left_hand_absent": len(absent[0]),
        "clips_with_right_hand_absent": len(absent[1]),
        "clips_with_several_persons": sorted(one.clip for one in clips if one.several_faces or one.several_bodies),
        "clips_without_face": sorted(one.clip for one in clips if not one.widths),
        "clips_without_hands": sorted(set(absent[0]) & set(absent[1])),
        "clips_without_person": sorted(one.clip for one in clips if not one.body),
        "face_width_median": round(float(np.median(widths)), 1) if widths else None,
        "frames": frames,
        "frames_with_body_share": share(sum(one.body for one in clips), frames),
        "frames_with_face": len(widths),
        "frames_with_face_share": share(len(widths), frames),
        "frames_with_hand_in_front": sum(one.hand_in_front for one in clips),
        "frames_with_left_hand_share": share(sum(one.hands[0] for one in clips), frames),
        "frames_with_right_hand_share": share(sum(one.hands[1] for one in clips), frames),
        "frames_with_several_faces": sum(one.several_faces for one in clips),
        "leading_hand_found_share": share(sum(one.led for one in clips), sum(one.active for one in clips)),
    }
