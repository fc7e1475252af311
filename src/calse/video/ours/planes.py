"""Pictures in the planes that H.264 keeps: what goes from one clip to another without a way through RGB.

A colour sample lies in the middle of its four pixels, where all converters here put it.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import av


class Planes(NamedTuple):
    """Brightness `H x W`, blue and red difference `H/2 x W/2`: uint8, BT.601, limited range."""

    luma: np.ndarray
    blue: np.ndarray
    red: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.luma.shape
        return height, width

    def part(self, rows: slice, columns: slice) -> "Planes":
        """Return views of a part; odd ends shift its colours by half of a sample of theirs."""
        half = slice(rows.start // 2, (rows.stop + 1) // 2), slice(columns.start // 2, (columns.stop + 1) // 2)
        return Planes(self.luma[rows, columns], self.blue[half], self.red[half])


BLACK = (16, 128, 128)  # of each plane
# Rows: brightness, blue and red difference; columns: red, green, blue and what is added (ITU-R BT.601, 8 bits).
_FROM_RGB = np.array(
    [
        [65.481 / 255, 128.553 / 255, 24.966 / 255, 16],
        [-37.797 / 255, -74.203 / 255, 112 / 255, 128],
        [112 / 255, -93.786 / 255, -18.214 / 255, 128],
    ],
    np.float32,
)
_TO_RGB = np.linalg.inv(_FROM_RGB[:, :3].astype(np.float64))
_TO_RGB = np.column_stack([_TO_RGB, -_TO_RGB @ _FROM_RGB[:, 3]]).astype(np.float32)


def planes_of(frame: "av.VideoFrame") -> Planes:
    """Return the planes of a yuv420p frame: views of its memory, which can be written."""
    lines = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    return Planes(*(each[: plane.height, : plane.width] for each, plane in zip(lines, frame.planes, strict=True)))


def frame_of(planes: Planes) -> "av.VideoFrame":
    """Return a yuv420p frame that holds a copy of the planes."""
    import av

    frame = av.VideoFrame(planes.luma.shape[1], planes.luma.shape[0], "yuv420p")
    for place, plane in zip(planes_of(frame), planes, strict=True):
        place[:] = plane
    return frame


def planes_of_rgb(image: np.ndarray) -> Planes:
    """Return a picture `H x W x 3 uint8` RGB, with even sides, in planes; colours are the mean of their four pixels."""
    import cv2

    quarter = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return Planes(cv2.transform(image, _FROM_RGB[:1]), *cv2.split(cv2.transform(quarter, _FROM_RGB[1:])))


def rgb_of(planes: Planes) -> np.ndarray:
    """Return a picture as `H x W x 3 uint8` RGB, as decoders of our clips do."""
    return np.asarray(frame_of(planes).to_ndarray(format="rgb24"))


def rgb_of_full(planes: Planes) -> np.ndarray:
    """Return planes that are all as large as the picture, as those resampled to one size, as `H x W x 3 uint8` RGB."""
    import cv2

    return np.asarray(cv2.transform(cv2.merge(planes), _TO_RGB))


def coded_values(frame: "av.VideoFrame") -> tuple[np.ndarray, ...]:
    """Return what a frame holds: its planes when they are of the usual kind, else its RGB."""
    if frame.format.name in ("yuv420p", "yuvj420p"):
        return planes_of(frame)
    return (frame.to_ndarray(format="rgb24", threads=1),)


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize `H x W x 3 uint8` to (width, height): by area when it shrinks, by Lanczos when it grows."""
    import cv2

    if size == (image.shape[1], image.shape[0]):
        return image
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4))
