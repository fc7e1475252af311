"""Videos the published way, and the least that can be done with one."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from calse.video.ours.encode import QP, SPEED


def published_affine(video: Path, target: Path, matrix: np.ndarray) -> None:
    """Warp a video as the published augmentation library does: OpenCV decodes, warps, writes MPEG-4 part 2."""
    capture = cv2.VideoCapture(str(video))
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    codec = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(target), codec, capture.get(cv2.CAP_PROP_FPS), size)
    while True:
        there, picture = capture.read()
        if not there:
            break
        writer.write(cv2.warpAffine(picture, matrix, size))
    capture.release()
    writer.release()


def decode_and_encode(video: Path, target: Path, size: tuple[int, int] | None = None) -> None:
    """Decode a video and encode it with our settings, its planes handed on as they are or scaled to (width, height).

    No resampling in time, no RGB, no hash, no check: what every tool that goes from file to file must do.
    """
    with av.open(str(video)) as source, av.open(str(target), "w") as container:
        pictures = source.streams.video[0]
        pictures.thread_count = 1
        width, height = size or (pictures.codec_context.width, pictures.codec_context.height)
        stream = container.add_stream("libx264", rate=25, options=SPEED | {"qp": str(QP)})
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for number, frame in enumerate(source.decode(pictures)):
            small = frame.reformat(width, height, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
