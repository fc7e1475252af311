"""How much of a source's clips has landmarks: the metrics of the stage `landmarks`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calse.data.clips import Clip
from calse.landmarks.body import SHOULDERS, WRISTS
from calse.landmarks.following import Followed
from calse.landmarks.hands import hands_in_front
from calse.landmarks.record import Landmarks

ABSENT = 0.12  # of a clip's frames: a hand that is found in fewer takes no part in the sign
HEM = 1.6  # shoulder widths under the shoulders: below it a hand does not sign
DIGITS = 4


@dataclass(frozen=True)
class Rates:
    """What one clip showed: counts of frames (`hands`: at left and right wrist), and the width of every face in pixels.

    `active` are the frames in which the leading hand is up, `led` those of them in which it is found.
    """

    clip: str
    frames: int
    body: int
    hands: tuple[int, int]
    active: int
    led: int
    hand_in_front: int
    several_faces: int
    several_bodies: int
    widths: tuple[float, ...]


def rates_of(clip: Clip, followed: Followed) -> Rates:
    """Count what was found in a clip."""
    landmarks = followed.landmarks
    active, leading = active_part(landmarks)
    left, right = landmarks.has_hands.sum(axis=0).tolist()
    return Rates(
        clip=clip.clip,
        frames=len(landmarks.face),
        body=int(landmarks.has_body.sum()),
        hands=(left, right),
        active=int(active.sum()),
        led=int((active & landmarks.has_hands[:, leading]).sum()),
        hand_in_front=int(hands_in_front(landmarks).sum()),
        several_faces=followed.several_faces,
        several_bodies=followed.several_bodies,
        widths=tuple(np.ptp(landmarks.face[landmarks.has_face, :, 0], axis=1).tolist()),
    )


def active_part(landmarks: Landmarks) -> tuple[NDArray[np.bool_], int]:
    """Return in which frames the leading hand signs, `T`, and its slot: the hand whose wrist moves more, higher up.

    It signs from the first to the last frame in which its wrist is nearer to its highest place than to its lowest.
    """
    has_body = landmarks.has_body
    active = np.zeros(len(has_body), bool)
    if not has_body.any():
        return active, 0
    body = landmarks.body[has_body, :, :2]
    shoulders = body[:, list(SHOULDERS)]
    unit = max(1.0, float(np.median(np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1))))
    wrists = (body[:, list(WRISTS)] - shoulders.mean(axis=1, keepdims=True)) / unit
    moved = np.linalg.norm(np.diff(wrists, axis=0, prepend=wrists[:1]), axis=-1)
    leading = int((moved * np.clip(HEM - wrists[..., 1], 0, None)).sum(axis=0).argmax())
    top, rest = np.percentile(wrists[:, leading, 1], (10, 98))
    up = np.flatnonzero(has_body)[wrists[:, leading, 1] <= (top + rest) / 2]
    active[up[0] : up[-1] + 1] = True
    return active, leading


def summary(clips: list[Rates]) -> dict[str, Any]:
    """Return the metrics of a source; several faces or bodies are counted in frames that were detected afresh only."""
    frames = sum(one.frames for one in clips)
    widths = [width for one in clips for width in one.widths]
    absent = [[one.clip for one in clips if one.hands[slot] < ABSENT * one.frames] for slot in (0, 1)]

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
