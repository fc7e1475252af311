"""Writing a clip: H.264 in mp4, the same bytes for the same frames, also on other x86 processors."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file
from calse.video.ours.planes import Planes, frame_of, planes_of_rgb

if TYPE_CHECKING:
    import av

QP = 22
# Bytes must not depend on the processor, so nothing in here decides with floating-point numbers: a constant quantiser
# instead of a rate control, and no macroblock tree. x264's tree takes reciprocals from approximations that Intel, AMD
# and an emulator round differently, and with AVX-512 it gave up to 25 different files of 25 equal inputs. Against the
# tree at crf 21, 40 synthetic and filmed clips: .85 of the CPU time, 1.10 of the bytes, PSNR of luma +.3 and -.2 dB,
# of each clip's worst frame +.9 and +.3 dB.
# `tune psnr` spends no bits on smooth areas; three B-frames instead of five gain a little on filmed clips only.
SPEED = {
    "preset": "superfast",
    "tune": "psnr",
    "x264-params": "mbtree=0:bframes=5:b-adapt=0:weightp=0:scenecut=0",
}
# For large films. A synthetic and a filmed one of 1920 x 1080, 60 frames each, against `ultrafast` with the parameters
# above: .6 and .5 of the CPU time, 1.4 and 1.5 of the bytes, PSNR of luma +.1 and +.6 dB, of colours +.2 and +2.2.
FAST = SPEED | {
    "preset": "ultrafast",
    "x264-params": f"{SPEED['x264-params']}:bframes=0:no-dct-decimate=1:chroma-qp-offset=-2",
}
_BITEXACT = {"fflags": "+bitexact", "flags": "+bitexact"}
CLOCK = Fraction(1, 90_000)  # seconds, the clock of MPEG: milliseconds and the usual rates are whole in it
# In H.273's numbers smpte170m and "tv": what decoders take RGB from when nothing is said, so that all of them agree.
_BT601, _LIMITED = 6, 1


def write_video(
    path: Path,
    frames: Iterable[np.ndarray | Planes],
    fps: float,
    metadata: dict[str, str] | None = None,
    qp: int = QP,
    times: Sequence[float] | None = None,
    speed: dict[str, str] = SPEED,
) -> None:
    """Encode frames as H.264 (yuv420p, BT.601), in one step: at a constant rate, or each at its own time.

    `frames` are RGB, `H x W x 3 uint8`, or Planes, all of one size with even sides; they are taken one by one, so a
    generator needs no memory for the whole clip. `metadata` goes into the container (`title`, `comment`); a `qp` of
    0 loses nothing more; `speed`, SPEED or FAST, weighs time against bytes. `times` are the seconds at which
    each frame starts and, one more, at which the last one ends.
    One encoder thread: bytes depend on the number of threads. Raises CalseError naming the file.
    """
    import av

    stream_of_frames = iter(frames)
    first = next(stream_of_frames, None)
    if first is None:
        raise CalseError(f"{path}: there is no frame to write")
    size = _size(path, first)
    rate = Fraction(fps).limit_denominator(60_000)
    with atomic_file(path) as aside, av.open(str(aside), "w", format="mp4", container_options=_BITEXACT) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream("libx264", rate=rate, options=speed | {"qp": str(qp)} | _BITEXACT)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.thread_count = 1
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        context.color_range = _LIMITED
        timed = _timed(stream, times) if times else None
        for image in itertools.chain([first], stream_of_frames):
            if _size(path, image) != size:
                raise CalseError(f"{path}: frames differ in size: {size} and {_size(path, image)}")
            planes = image if isinstance(image, Planes) else planes_of_rgb(image)
            frame = frame_of(planes)
            if timed:
                frame.time_base, (frame.pts, frame.duration) = CLOCK, next(timed)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _timed(stream: "av.VideoStream", times: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Prepare a stream for frames at times of their own; return start and duration of each in units of CLOCK.

    A frame that would not last at all gets one unit. Without B-frames: mp4 keeps durations in the order of decoding.
    """
    from av.codec.context import Flags

    context = stream.codec_context
    context.options = context.options | {"x264-params": f"{context.options['x264-params']}:bframes=0"}
    context.time_base = CLOCK
    context.flags |= Flags.frame_duration  # else the last one lasts as long as the rate says
    starts: list[int] = []
    for seconds in times:
        starts.append(max(round(seconds / CLOCK), starts[-1] + 1 if starts else 0))
    return ((start, end - start) for start, end in itertools.pairwise(starts))


def encoder_version() -> str:
    """Return the codec and the version of the library behind it: other versions give other bytes."""
    import av

    return "libx264, libavcodec " + ".".join(str(number) for number in av.library_versions["libavcodec"])


def _size(path: Path, image: np.ndarray | Planes) -> tuple[int, int]:
    """Return height and width. Raises CalseError naming the file when they are odd, or it is no picture."""
    pixels = image.luma if isinstance(image, Planes) else image
    if pixels.dtype != np.uint8 or (pixels is image and image.shape[2:] != (3,)):
        raise CalseError(f"{path}: a frame must be H x W x 3 uint8, not {pixels.shape} {pixels.dtype}")
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        raise CalseError(f"{path}: frames need even sides, not {width}x{height}")
    return height, width
