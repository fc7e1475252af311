"""Landmarks as a .pose file, which sign-language tools read: components and names are those of MediaPipe Holistic."""

from pathlib import Path
from typing import Any

import numpy as np

from calse.browse.skeleton import ARMS
from calse.landmarks.record import FACE_POINTS, Landmarks
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file

# Each left, then right, after the points of the face.
_SIDED = ["SHOULDER", "ELBOW", "WRIST", "PINKY", "INDEX", "THUMB", "HIP", "KNEE", "ANKLE", "HEEL", "FOOT_INDEX"]
BODY = [
    *["NOSE", "LEFT_EYE_INNER", "LEFT_EYE", "LEFT_EYE_OUTER", "RIGHT_EYE_INNER", "RIGHT_EYE", "RIGHT_EYE_OUTER"],
    *["LEFT_EAR", "RIGHT_EAR", "MOUTH_LEFT", "MOUTH_RIGHT"],
    *(f"{side}_{name}" for name in _SIDED for side in ("LEFT", "RIGHT")),
]
_FINGERS = {
    "THUMB": "CMC MCP IP TIP",
    **dict.fromkeys(("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY"), "MCP PIP DIP TIP"),
}
HAND = ["WRIST", *(f"{finger}_{joint}" for finger, joints in _FINGERS.items() for joint in joints.split())]
FINGER_LIMBS = [(0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, 21)]
VERSION = 0.2


def write_pose(path: Path, landmarks: Landmarks, fps: float, width: int, height: int) -> None:
    """Write the landmarks of a video in one step: points in pixels, x right, y down; what was not found is masked.

    Raises CalseError when the package is missing.
    """
    try:
        from pose_format import Pose
        from pose_format.numpy import NumPyPoseBody
        from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions
    except ImportError:
        raise CalseError('.pose files need the extra "annotations": make extras') from None
    parts: list[tuple[str, list[str], list[tuple[int, int]], Any]] = [
        ("POSE_LANDMARKS", BODY, ARMS, landmarks.body),
        ("FACE_LANDMARKS", [str(point) for point in range(FACE_POINTS)], [], landmarks.face),
        ("LEFT_HAND_LANDMARKS", HAND, FINGER_LIMBS, landmarks.hands[:, 0]),
        ("RIGHT_HAND_LANDMARKS", HAND, FINGER_LIMBS, landmarks.hands[:, 1]),
    ]
    presences = (landmarks.body_presence, landmarks.face_presence, *landmarks.hands_presence.T)
    components = [PoseHeaderComponent(name, points, limbs, [(255, 220, 0)], "XYZC") for name, points, limbs, _ in parts]
    points = np.concatenate([places for *_, places in parts], axis=1)
    confidence = np.concatenate(
        [np.repeat(one[:, None], part[3].shape[1], axis=1) for one, part in zip(presences, parts, strict=True)], axis=1
    )
    confidence = np.where(np.isnan(points[..., 0]), 0, confidence)
    header = PoseHeader(VERSION, PoseHeaderDimensions(width, height, width), components)
    body = NumPyPoseBody(fps, np.nan_to_num(points)[:, None].astype(np.float32), confidence[:, None].astype(np.float32))
    with atomic_file(path) as aside, open(aside, "wb") as file:
        Pose(header, body).write(file)
