"""The command `overlay`: a video with its landmarks drawn on it, to look at."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from calse.browse.pose import write_pose
from calse.browse.skeleton import ARMS, FINGERS
from calse.config.params import Params
from calse.data.paths import Layout
from calse.landmarks.body import NOSE
from calse.landmarks.crops import Pictures
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.landmarks.record import Floats, Landmarks
from calse.runtime.errors import CalseError
from calse.runtime.files import temporary_folder
from calse.runtime.repository import scratch
from calse.runtime.sandbox import Refused
from calse.video.ours.encode import write_video
from calse.video.ours.read import iterate_frames
from calse.video.untrusted.copy import Foreign, Times, copy_videos

FACE, BODY, HANDS = (255, 255, 255), (255, 220, 0), ((0, 220, 255), (255, 80, 200))  # the hands: left, right
SUBPIXEL = 4  # bits


def overlay(params: Params, layout: Layout, video: Path, target: Path) -> Landmarks:
    """Find the landmarks of any video and write it with them drawn in, or them alone as a .pose file; return them.

    Raises CalseError when the target exists or is neither .mp4 nor .pose, a model is missing or the video unreadable.
    """
    if target.exists():
        raise CalseError(f"{target} exists; remove it or choose another name")
    if target.suffix not in (".mp4", ".pose"):
        raise CalseError(f"{target}: call it NAME.mp4, or NAME.pose for the landmarks alone; git keeps those out")
    networks = load_networks(layout)
    with temporary_folder(scratch() / "foreign") as folder:
        copy, times = copied(params, video, folder)
        found = landmarks_of_frames(iterate_frames(copy), networks, params.landmarks)
        if target.suffix == ".pose":
            height, width = next(iterate_frames(copy)).shape[:2]
            write_pose(target, found, times.fps, width, height)
            return found
        pictures = drawn(iterate_frames(copy), found)
        write_like(target, pictures, times)
    return found


def copied(params: Params, video: Path, folder: Path) -> tuple[Path, Times]:
    """Return a safe copy of a foreign video and when its frames are on screen. Raises CalseError naming a bad video."""
    job = Foreign(video, folder / "copy.mp4")
    (times,) = copy_videos([job], params.ingest.seconds_per_clip)
    if isinstance(times, Refused):
        raise CalseError(f"{video}: {times.reason}")
    return job.copy, times


def write_like(target: Path, frames: Iterator[Pictures], times: Times, made: dict[str, str] | None = None) -> None:
    """Write frames that are on screen when those of another video were, with `made` in the container."""
    write_video(target, frames, times.fps, made, times=None if times.constant else times.seconds)


def drawn(frames: Iterator[Pictures], landmarks: Landmarks) -> Iterator[Pictures]:
    """Yield frames with face points, arms and hands drawn in: the signer's left hand is blue, the right one pink."""
    for number, frame in enumerate(frames):
        picture = np.array(frame, order="C")
        thickness = max(1, round(min(picture.shape[:2]) / 250))
        if landmarks.has_face[number]:
            for point in landmarks.face[number, ::3]:
                _line(picture, np.stack([point, point]), FACE, thickness)
        if landmarks.has_body[number]:
            for bone in ARMS:
                _line(picture, landmarks.body[number, list(bone)], BODY, thickness)
            _line(picture, landmarks.body[number, [NOSE, NOSE]], BODY, 4 * thickness)
        for slot in np.flatnonzero(landmarks.has_hands[number]).tolist():
            for finger in FINGERS:
                _line(picture, landmarks.hands[number, slot, list(finger)], HANDS[slot], thickness)
        yield picture


def _line(picture: Pictures, points: Floats, colour: tuple[int, int, int], thickness: int) -> None:
    """Draw a line through points, in place."""
    fixed = np.round(points[:, :2].clip(-1e4, 1e4) * 2**SUBPIXEL).astype(np.int32)
    cv2.polylines(picture, [fixed], False, colour, thickness, cv2.LINE_AA, SUBPIXEL)
