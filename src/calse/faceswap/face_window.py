"""The part of a video in which its face is, at any time: all work on faces is done there, the rest stays as it came."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calse.config.params import LandmarkSettings
from calse.faceswap.mask import face_window
from calse.landmarks.record import Floats, Landmarks
from calse.runtime.errors import CalseError
from calse.video.ours.planes import Planes, planes_of_rgb, rgb_of
from calse.video.ours.raw import iterate_raw

Pictures = NDArray[np.uint8]
MARGIN = 0.35  # of a face's width and height, around it: a blur reaches beyond, and a detector wants to see it whole
BLOCK = 16  # pixels: codecs work in blocks
MEMORY = 4 * 1024**3  # bytes that the window of all frames may take, before and after the swap


@dataclass(frozen=True)
class FaceWindow:
    """Rows and columns of frames of `height x width` pixels."""

    height: int
    width: int
    top: int
    bottom: int
    left: int
    right: int

    def of(self, planes: Planes) -> Planes:
        """Return the window of a frame: views of it."""
        return planes.part(slice(self.top, self.bottom), slice(self.left, self.right))

    def check_memory(self, count: int) -> None:
        """Raise CalseError when the window of so many frames, before and after a swap, would take more than MEMORY."""
        most = MEMORY // (2 * 3 * (self.bottom - self.top) * (self.right - self.left))
        if count > most:
            raise CalseError(
                f"its {count} frames take too much memory around the face; cut it into parts of {most} at most"
            )

    def read(self, video: Path, count: int) -> Pictures:
        """Return the window of every frame of a raw video, `T x h x w x 3` RGB, of so many frames."""
        pictures = np.empty((count, self.bottom - self.top, self.right - self.left, 3), np.uint8)
        for picture, planes in zip(pictures, iterate_raw(video), strict=True):
            picture[:] = rgb_of(self.of(planes))
        return pictures

    def put(self, picture: Pictures, planes: Planes, face: Floats | None = None) -> None:
        """Write the window, `h x w x 3` RGB, into a frame: as far as a face, `468 x 3` in it, reaches, or all of it."""
        place = self.of(planes)
        if face is not None:
            inside = face_window(face, *place.shape)
            rows, columns = (slice(one.start // 2 * 2, (one.stop + 1) // 2 * 2) for one in inside)
            place, picture = place.part(rows, columns), picture[rows, columns]
        if picture.size:
            for old, new in zip(place, planes_of_rgb(picture), strict=True):
                old[:] = new

    def inside(self, points: Floats) -> Floats:
        """Return points `... x 3` of a frame in pixels of the window."""
        return points - np.array([self.left, self.top, 0], np.float32)

    def moved(self, landmarks: Landmarks) -> Landmarks:
        """Return a video's landmarks in pixels of the window."""
        moved = {name: self.inside(getattr(landmarks, name)) for name in ("face", "body", "hands")}
        return replace(landmarks, **moved)

    def fitted(self, settings: LandmarkSettings) -> LandmarkSettings:
        """Return what finds faces of the same size in the window as the settings find in whole frames."""
        return replace(settings, min_width=min(1.0, settings.min_width * self.width / (self.right - self.left)))


def face_window_of(landmarks: Landmarks, height: int, width: int) -> FaceWindow:
    """Return the window around all faces of a video, of which there is one at least."""
    faces = landmarks.face[landmarks.has_face][..., :2]
    low, high = faces.min(axis=1), faces.max(axis=1)
    margin = MARGIN * (high - low)
    first = np.floor((low - margin).min(axis=0) / BLOCK) * BLOCK
    last = np.ceil((high + margin).max(axis=0) / BLOCK) * BLOCK
    left, top = np.clip(first, 0, [width - 2, height - 2]).astype(int) // 2 * 2
    right, bottom = np.clip(last, [left + 2, top + 2], [width, height]).astype(int)
    return FaceWindow(height, width, int(top), int(bottom), int(left), int(right))
