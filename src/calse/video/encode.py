"""Writing a clip: H.264 in mp4, the same bytes for the same frames, also on other x86 processors."""

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from calse.errors import CalseError
from calse.files import written_aside
from calse.video.planes import Planes, frame_of, planes_of_rgb

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
_BITEXACT = {"fflags": "+bitexact", "flags": "+bitexact"}
# In H.273's numbers smpte170m and "tv": what decoders take RGB from when nothing is said, so that all of them agree.
_BT601, _LIMITED = 6, 1


def write_video(
    path: Path,
    frames: Iterable[np.ndarray | Planes],
    fps: float,
    metadata: dict[str, str] | None = None,
    qp: int = QP,
) -> None:
    """Encode frames at a constant rate as H.264 (yuv420p, BT.601), in one step.

    `frames` are RGB, `H x W x 3 uint8`, or Planes, all of one size with even sides; they are taken one by one, so a
    generator needs no memory for the whole clip. `metadata` goes into the container (`title`, `comment`); a `qp` of
    0 loses nothing more.
    One encoder thread: bytes depend on the number of threads. Raises CalseError naming the file.
    """
    import av

    stream_of_frames = iter(frames)
    first = next(stream_of_frames, None)
    if first is None:
        raise CalseError(f"{path}: there is no frame to write")
    size = _size(path, first)
    rate = Fraction(fps).limit_denominator(60_000)
    with written_aside(path) as aside, av.open(str(aside), "w", format="mp4", container_options=_BITEXACT) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream("libx264", rate=rate, options=SPEED | {"qp": str(qp)} | _BITEXACT)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.thread_count = 1
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        context.color_range = _LIMITED
        for image in itertools.chain([first], stream_of_frames):
            if _size(path, image) != size:
                raise CalseError(f"{path}: frames differ in size: {size} and {_size(path, image)}")
            planes = image if isinstance(image, Planes) else planes_of_rgb(image)
            container.mux(stream.encode(frame_of(planes)))
        container.mux(stream.encode(None))


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
