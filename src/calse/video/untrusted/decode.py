"""Reading videos: whole clips of ours with decord, foreign files frame by frame with PyAV.

A foreign file goes through `sandbox`: here it is refused when it is wrong, there it is survived when it is hostile.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from calse.runtime.errors import CalseError, counted
from calse.video.ours.planes import resized
from calse.video.untrusted.display import (
    Orientation,
    converting,
    displayed,
    doubts,
    name_matrix,
    orientation_of,
    without_alpha,
)
from calse.video.untrusted.fields import progressive
from calse.video.untrusted.packets import decoded, is_another_clock, places_in_avi

if TYPE_CHECKING:
    import av
    import av.container

# Only formats that hold everything themselves: a playlist (hls, concat, dash ...), a list of pictures or a device makes
# FFmpeg open further files or addresses, which the file names.
FORMATS = "mov,matroska,avi,gif,mpegts,mpeg,mpegvideo,flv,asf,ogg,dv,mxf,yuv4mpegpipe"
_SAFE = {"protocol_whitelist": "file", "format_whitelist": FORMATS}

LONGEST, SLENDEREST = 8192, 8  # pixels of a side; how many times longer than the other one
HOURS = 6  # a damaged clock claims days, which would be filled with copies of a frame
GIF_SHORTEST, GIF_INSTEAD = 0.015, 0.1  # seconds: what browsers make of a gif's picture of one hundredth or none
SAME_SHAPE = 0.03  # by how much the aspect may differ where a call changes its size: both sides are rounded


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its video; `frames` is its claim, 0 when it makes none."""

    width: int
    height: int
    fps: float
    frames: int
    codec: str


class Frame(NamedTuple):
    """One decoded picture, upright: `H x W x 3 uint8` RGB; `pixel_aspect` is a pixel's width over its height.

    `clock` is the unit in seconds that its time is written in, 0 where the time is exact.
    """

    seconds: float
    duration: float
    image: np.ndarray
    pixel_aspect: float
    clock: float = 0.0


class Picture(NamedTuple):
    """One decoded picture, progressive but otherwise as it is coded; the aspect is the coded pixels'.

    `size` is the width and height of the file's first picture, which all are brought to. `doubts` say why it may not
    look as it was meant to.
    """

    seconds: float
    duration: float
    coded: "av.VideoFrame"
    pixel_aspect: float
    size: tuple[int, int]
    orientation: Orientation
    clock: float = 0.0
    doubts: tuple[str, ...] = ()


def probe(path: Path) -> VideoInfo:
    """Read the header of a video. Raises CalseError naming the file when there is no video to see."""
    with _opened(path) as (_, stream):
        context = stream.codec_context
        return VideoInfo(context.width, context.height, _rate(stream), stream.frames, context.name)


def iterate_frames(path: Path) -> Iterator[Frame]:
    """Decode a video to RGB, frame by frame, as `iterate_pictures` does."""
    for picture in iterate_pictures(path):
        with converting(path):
            shown = displayed(picture.coded, picture.size)
            # One thread: any more would be started for every single picture.
            image = resized(shown.to_ndarray(format="rgb24", threads=1), picture.size)
        image = np.ascontiguousarray(picture.orientation.upright(image))
        aspect = 1 / picture.pixel_aspect if picture.orientation.exchanged else picture.pixel_aspect
        yield Frame(picture.seconds, picture.duration, image, aspect, picture.clock)


def iterate_pictures(path: Path) -> Iterator[Picture]:
    """Decode a video picture by picture, in the order and at the times shown; the first is at 0 seconds.

    Raises CalseError naming the file when it does not open, holds no picture, is damaged anywhere, ends early or
    changes its shape.
    """
    with _opened(path) as (container, stream):
        pictures = _pictures(path, container, stream)
        known: dict[tuple[int, ...], tuple[str, ...]] = {}
        # FFmpeg marks H.265 as interlaced only where it is coded field by field: nothing is woven there.
        for picture in pictures if stream.codec_context.name == "hevc" else progressive(pictures):
            coded = picture.coded
            kind = (coded.rotation, coded.interlaced_frame, coded.colorspace, coded.color_primaries, coded.color_trc)
            if kind not in known:  # once each: a picture asked for its side data stays in memory
                known[kind] = tuple(doubts(coded))
            name_matrix(coded)
            yield picture._replace(doubts=known[kind])


def _pictures(path: Path, container: "av.container.InputContainer", stream: "av.VideoStream") -> Iterator[Picture]:
    shown, first, last, shift = 0, 0.0, 0.0, 0.0
    rotation, orientation = 0, Orientation()
    step, claim = 1 / _rate(stream), stream.frames
    shape = _Shape(path, stream)
    is_raw_avi = container.format.name == "avi" and stream.codec_context.name == "rawvideo"
    for time, lasts, frame in decoded(container, stream):
        seconds = last + step if time is None else time + shift
        if shown and is_another_clock(seconds - last, container.format.name):
            shift, seconds = shift + last + step - seconds, last + step
        first = first if shown else seconds
        last, shown = max(last, seconds) if shown else seconds, shown + 1
        if frame.is_corrupt:
            raise CalseError(f"{path}: frame {shown} is damaged")
        shape.check(frame, shown)
        duration = lasts if lasts > 0 else step
        if container.format.name == "gif" and duration < GIF_SHORTEST:
            shift, duration = shift + GIF_INSTEAD - duration, GIF_INSTEAD
        if last - first + duration > HOURS * 3600:
            raise CalseError(f"{path}: claims to last more than {HOURS} hours")
        # Some files (MPEG-TS) turn the first picture and mean all; another look at each would keep it in memory, as
        # side data makes a circle.
        if shown == 1 or frame.rotation not in (0, rotation):
            rotation, orientation = frame.rotation, orientation_of(frame)
        clock = float(frame.time_base or 0)
        coded = without_alpha(frame) if is_raw_avi else frame
        yield Picture(last - first, duration, coded, shape.pixel_aspect, shape.size, orientation, clock)
    if not shown:
        raise CalseError(f"{path}: holds no frame that decodes")
    if shown < claim or not claim:
        _check_complete(path)


class _Shape:
    """The size and the pixels' aspect of a film's first picture; no other may have another shape on screen."""

    def __init__(self, path: Path, stream: "av.VideoStream") -> None:
        self.size, self.pixel_aspect = (0, 0), float(stream.sample_aspect_ratio or 1)
        self._path, self._context = path, stream.codec_context
        self._aspect, self._coded = self.pixel_aspect, self._coded_aspect()

    def check(self, frame: "av.VideoFrame", number: int) -> None:
        """Raise CalseError where a picture changes the shape, or has one that is no picture of a person.

        A decoder learns of another aspect with the key picture that has it first, some pictures before it shows that.
        Where the container names another aspect than the pictures, it holds for all.
        """
        if frame.key_frame and (coded := self._coded_aspect()) != self._coded:
            self._aspect = coded if self._aspect == self._coded else self._aspect
            self._coded = coded
        _check_shape(self._path, frame.width, frame.height, self._aspect)
        self.size = self.size if number > 1 else (frame.width, frame.height)
        before = self.size[0] * self.pixel_aspect / self.size[1]
        if abs(frame.width * self._aspect / frame.height / before - 1) > SAME_SHAPE:
            old = f"{round(self.size[0] * self.pixel_aspect)}x{self.size[1]}"
            new = f"{round(frame.width * self._aspect)}x{frame.height}"
            turns = f"from {old} to {new} pixels at frame {number}"
            raise CalseError(f"{self._path}: changes its shape {turns}; cut it there")

    def _coded_aspect(self) -> float:
        return float(self._context.sample_aspect_ratio or 1)


def _check_shape(path: Path, width: int, height: int, pixel_aspect: float) -> None:
    """Raise CalseError when no encoder could take a picture of that size, or what it becomes at another one."""
    slender = max(width * pixel_aspect / height, height / (width * pixel_aspect))
    if max(width, height) > LONGEST or slender > SLENDEREST:
        raise CalseError(f"{path}: {width}x{height} pixels (aspect {pixel_aspect:g}) is no picture of a person")


def _check_complete(path: Path) -> None:
    """Raise CalseError when a file holds less than its header promises.

    Counted without edit lists: what those hide is in the file and rightly not shown. Matroska promises a length only,
    AVI counts empty chunks.
    """
    packets, end = 0, 0.0
    with _opened(path, ignore_editlist="1") as (container, stream):
        for packet in container.demux():
            if packet.size and packet.pts is not None:
                packets += packet.stream_index == stream.index
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packets < stream.frames and container.format.name == "avi":
            packets = max(packets, places_in_avi(path, stream.index))
        if packets < stream.frames:
            raise CalseError(f"{path}: its header promises {counted(stream.frames, 'frame')}, there: {packets}")
        promised = (container.duration or 0) / 1e6 if container.format.name.startswith("matroska") else 0
        if end < 0.95 * promised - 0.1:
            raise CalseError(f"{path}: its header promises {promised:.1f} seconds, {end:.1f} are there")


@contextmanager
def _opened(path: Path, **options: str) -> Iterator[tuple["av.container.InputContainer", "av.VideoStream"]]:
    """Open a container at its video, with one decoder thread. Raises CalseError naming the file on any damage."""
    import av

    what = "does not open"
    try:
        if not path.is_file():  # a pipe would wait for ever
            absent = "is a folder; name the videos in it" if path.is_dir() else "is missing, or no regular file"
            raise CalseError(f"{path}: {absent}")
        with av.open(str(path), options=_SAFE | options, metadata_errors="replace") as container:
            videos = [stream for stream in container.streams.video if not _is_cover(stream)]
            if not videos:
                raise CalseError(f"{path}: holds no video")
            best = container.streams.best("video")  # as players choose: the default track
            video = best if best in videos else videos[0]
            if video.codec_context is None:
                raise CalseError(f"{path}: holds a video in an unknown format")
            video.thread_count = 1
            what = "is damaged"
            yield container, video
    except (CalseError, MemoryError):
        raise
    except Exception as error:  # there is no end to what a damaged file makes a decoder raise
        if what == "does not open" and getattr(error, "errno", 0) == errno.EINVAL:
            known = FORMATS.replace(",", ", ")
            raise CalseError(f"{path}: is in no format that is read here ({known})") from None
        if what == "does not open" and isinstance(error, av.error.InvalidDataError):
            raise CalseError(f"{path}: is no video, or damaged from its start") from None
        raise CalseError(f"{path}: {what}: {getattr(error, 'strerror', None) or error}") from None


def _is_cover(stream: "av.VideoStream") -> bool:
    """Tell a cover picture, as music files have, from a video."""
    import av.stream

    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _rate(stream: "av.VideoStream") -> float:
    """Return frames a second as the container says, or 25 when it says nothing."""
    return float(stream.average_rate or stream.guessed_rate or 25)
