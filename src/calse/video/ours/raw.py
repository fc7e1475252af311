"""Frames as they are, written for another process to read, at once or while more of them come."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from calse.runtime.errors import CalseError
from calse.runtime.files import explain_disk_errors
from calse.video.ours.planes import Planes

# YUV4MPEG2, which FFmpeg reads too; the rate is any. Lossless H.264 takes twenty times as long to write.
_STREAM, _FRAME = "YUV4MPEG2 W{} H{} F25:1 Ip A1:1 C420jpeg\n", b"FRAME\n"


def write_raw(path: Path, frames: Iterable[Planes]) -> None:
    """Write frames of one size with even sides, 3 MB each of 1920 x 1080. Raises CalseError naming the file.

    They can be read while this writes, as it never changes what is there: not even a file of that name, which goes on
    to be whole for whoever reads it.
    """
    path.unlink(missing_ok=True)
    shape = None
    try:
        with explain_disk_errors(path), open(path, "xb") as file:
            for planes in frames:
                if shape is None:
                    shape = planes.luma.shape
                    file.write(_STREAM.format(*shape[::-1]).encode())
                file.write(_FRAME)
                for plane in planes:
                    file.write(np.ascontiguousarray(plane).data)
                file.flush()
        if shape is None:
            raise CalseError(f"{path}: there is no frame to write")
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def iterate_raw(path: Path, is_whole: Callable[[], bool] = lambda: True) -> Iterator[Planes]:
    """Yield the frames of a raw video: views of the file, of which only what is looked at is read.

    What is written to a frame changes nothing in the file. While `is_whole` says no, more frames are waited for.
    """
    number = 0
    while True:
        was_whole = is_whole()  # before looking: no frame that comes meanwhile is missed
        while (planes := _frame(path, number)) is not None:
            yield planes
            number += 1
        if was_whole:
            return


def _frame(path: Path, number: int) -> Planes | None:
    """Return a frame, or nothing when it is not there as a whole."""
    try:
        with open(path, "rb") as file:
            start = file.readline()
            if not start.endswith(b"\n"):
                return None
            width, height = (int(part[1:]) for part in start.split()[1:3])
            size = width * height * 3 // 2
            place = len(start) + number * (len(_FRAME) + size) + len(_FRAME)
            if file.seek(0, 2) < place + size:
                return None
            values = np.memmap(file, np.uint8, "c", place, size)
    except FileNotFoundError:
        return None
    luma, blue, red = np.split(np.asarray(values), [width * height, width * height * 5 // 4])
    return Planes(luma.reshape(height, width), *(each.reshape(height // 2, width // 2) for each in (blue, red)))
