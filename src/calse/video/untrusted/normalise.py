"""Bringing frames of any rate and size to one rate and one short side."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from calse.video.ours.planes import Planes, planes_of
from calse.video.untrusted.decode import Frame, Picture
from calse.video.untrusted.display import converting, displayed

Timed = TypeVar("Timed", Frame, Picture)
COARSE = 1 / 500  # seconds


def at_rate(frames: Iterable[Timed], fps: float) -> Iterator[Timed]:
    """Resample in time: the picture at `k / fps` seconds is the frame that a player shows then.

    A frame stays on screen until the next one starts, so a rest lasts as long as it was filmed; of two frames at one
    time the later one is shown. Nothing is blended; the length stays: `round(seconds * fps)` frames, or one more where
    the last frame starts after the moment of that one, which shows the frame before it; at least one.
    """
    count, previous = 0, None
    for frame in frames:
        while previous and count / fps + _rounding(frame.clock) <= frame.seconds:
            yield previous
            count += 1
        previous = frame
    if previous:
        total = max(1, round((previous.seconds + max(0.0, previous.duration)) * fps))
        for _ in range(count, total):
            yield previous


def _rounding(clock: float) -> float:
    """Return by how many seconds a frame may seem to start late because its time was rounded to a clock's unit.

    Milliseconds, as in mkv, put the frames of 30 fps at 33, 67 and 100: the third one is on screen at 66.7. Two times
    are rounded, the first frame's and its own, so it is just under one unit. A clock coarser than 1/500 s counts
    frames, or a gif's hundredths, and rounds nothing.
    """
    return max(clock - 1e-7, 1e-7) if clock <= COARSE else 1e-7


def fitted_size(width: int, height: int, pixel_aspect: float, short_side: int) -> tuple[int, int]:
    """Return (width, height) with the shorter one at `short_side`, square pixels, both even and at least 2."""
    shown = width * pixel_aspect
    scale = short_side / min(shown, height)
    return _even(shown * scale), _even(height * scale)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))


def fitted(pictures: Iterable[Picture], short_side: int) -> Iterator[Planes]:
    """Bring pictures upright, to square pixels and one short side; a repeated one is scaled once.

    By area when it shrinks, by Lanczos when it grows.
    """
    previous = small = None
    for picture in pictures:
        if small is None or picture is not previous:
            previous, small = picture, _fitted(picture, short_side)
        yield small


def _fitted(picture: Picture, short_side: int) -> Planes:
    return upright(picture, fitted_size(*picture.size, picture.pixel_aspect, short_side))


def upright(picture: Picture, size: tuple[int, int]) -> Planes:
    """Return a picture upright; `size` is the width and height that it has as it is coded."""
    from av.video.reformatter import ColorRange, Colorspace

    width, height = size
    with converting():
        coded = displayed(picture.coded, size)
        small = coded.reformat(
            width,
            height,
            "yuv420p",
            dst_colorspace=Colorspace.ITU601,
            dst_color_range=ColorRange.MPEG,
            interpolation="AREA" if width * height < coded.width * coded.height else "LANCZOS",
            threads=1,
        )
    return Planes(*(picture.orientation.upright(plane) for plane in planes_of(small)))
