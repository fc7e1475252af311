"""Writing a clip: H.264 in mp4, the same bytes for the same frames on one machine."""

import itertools
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from calse.errors import CalseError
from calse.files import written_aside

CRF = 18
PRESET = "veryfast"
_BITEXACT = {"fflags": "+bitexact", "flags": "+bitexact"}
# In H.273's numbers smpte170m and "tv": what decoders take RGB from when nothing is said, so that all of them agree.
_BT601, _LIMITED = 6, 1


def write_video(
    path: Path, frames: Iterable[np.ndarray], fps: float, metadata: dict[str, str] | None = None, crf: int = CRF
) -> None:
    """Encode RGB frames at a constant rate as H.264 (yuv420p, BT.601), in one step.

    `frames` are `H x W x 3 uint8`, all of one size with even sides; they are taken one by one, so a
    generator needs no memory for the whole clip. `metadata` goes into the container (`title`, `comment`);
    a `crf` of 0 loses nothing more.
    One encoder thread: bytes depend on the number of threads. Raises CalseError naming the file.
    """
    import av

    stream_of_frames = iter(frames)
    first = next(stream_of_frames, None)
    if first is None:
        raise CalseError(f"{path}: there is no frame to write")
    _check_frame(path, first, first.shape)
    rate = Fraction(fps).limit_denominator(60_000)
    with written_aside(path) as aside, av.open(str(aside), "w", format="mp4", container_options=_BITEXACT) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream("libx264", rate=rate, options={"preset": PRESET, "crf": str(crf)} | _BITEXACT)
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], "yuv420p"
        stream.thread_count = 1
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT601
        context.color_range = _LIMITED
        for image in itertools.chain([first], stream_of_frames):
            _check_frame(path, image, first.shape)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            converted = picture.reformat(
                format="yuv420p", dst_colorspace=_BT601, dst_color_range=_LIMITED, interpolation="BICUBIC"
            )
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))


def encoder_version() -> str:
    """Return the codec and the version of the library behind it: other versions give other bytes."""
    import av

    return "libx264, libavcodec " + ".".join(str(number) for number in av.library_versions["libavcodec"])


def _check_frame(path: Path, image: np.ndarray, shape: tuple[int, ...]) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise CalseError(f"{path}: a frame must be H x W x 3 uint8, not {image.shape} {image.dtype}")
    if image.shape != shape:
        raise CalseError(f"{path}: frames differ in size: {shape[:2]} and {image.shape[:2]}")
    if image.shape[0] % 2 or image.shape[1] % 2:
        raise CalseError(f"{path}: frames need even sides, not {image.shape[1]}x{image.shape[0]}")
