"""Decoded clips, kept as memory maps: a training reads every clip in every epoch, and decoding costs 80 times more.

The cache lies in the scratch folder and can be deleted at any time. Its key is the clip's sha256, its size, and the
code that decodes and shrinks; what other code has made goes as soon as no process reads it. Every file ends in a
checksum, which is held against the frames before a stage reads them.
"""

import fcntl
import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np

from calse.data.clips import Clip
from calse.data.manifests import verify
from calse.data.paths import Layout
from calse.recognition.input.frames import CODE, PACKAGES, short_side, shrunk_frames
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel, worker_count
from calse.runtime.files import written_aside
from calse.runtime.memo import PACKAGE, code
from calse.runtime.repository import scratch

# Damage by a disk is what is to be seen: CRC-32 reads 2 GB/s, and 1.2 GB/s is what SHA-256 does.
CHECKSUM = 4  # bytes


def cached_frames(clips: list[Clip], layout: Layout, size: int) -> list[Path]:
    """Decode clips, shrink them to room for crops of `size` pixels, and return their files in the clips' order.

    Each file opens with `open_frames`; one that is damaged is made anew. Raises CalseError naming the clip when its
    video is missing, has changed since it was made, or does not decode.
    """
    made_by = code((PACKAGE / file for file in CODE), PACKAGES)[:16]
    folder = _kept_for_us(scratch() / "frames" / made_by) / str(short_side(size))
    paths = [folder / f"{clip.sha256}.npy" for clip in clips]
    videos = [verify(clip, layout.root) for clip in clips]
    with ThreadPoolExecutor(worker_count()) as threads:
        whole = list(threads.map(is_whole, paths))
    jobs = {path: video for video, path, kept in zip(videos, paths, whole, strict=True) if not kept}
    if jobs:
        map_parallel(_decode_one, [(video, path, short_side(size)) for path, video in jobs.items()], "decode clips")
    return paths


def _kept_for_us(folder: Path) -> Path:
    """Return a folder after this process has marked it as read, and removed its neighbours that no process reads."""
    folder.mkdir(parents=True, exist_ok=True)
    _mark(folder)
    for other in folder.parent.iterdir():
        if other.is_dir() and other != folder:
            lock = other.with_suffix(".lock")
            with suppress(BlockingIOError), open(lock, "w") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other, ignore_errors=True)
                lock.unlink(missing_ok=True)
    return folder


@cache
def _mark(folder: Path) -> IO[str]:
    """Share the lock of a folder until this process ends; one that was removed meanwhile counts for nothing."""
    lock = folder.with_suffix(".lock")
    while True:
        file = open(lock, "w")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()


def is_whole(path: Path) -> bool:
    """Say whether a cached clip is there in full and as it was written; a file is read once a process."""
    try:
        open_frames(path)
        status = path.stat()
        return _has_its_checksum(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except (OSError, ValueError):
        return False


@cache
def _has_its_checksum(path: Path, version: tuple[int, int, int]) -> bool:
    data = np.memmap(path, np.uint8, "r")
    return zlib.crc32(data[:-CHECKSUM].data) == int.from_bytes(data[-CHECKSUM:].tobytes(), "big")


def open_frames(path: Path) -> np.ndarray:
    """Map a cached clip T x H x W x 3 uint8 into memory. Raises OSError or ValueError when it is not there in full."""
    frames = np.load(path, mmap_mode="r")
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"{path} is not a clip")
    return np.asarray(frames)


def _decode_one(job: tuple[Path, Path, int]) -> None:
    video, target, side = job
    frames = shrunk_frames(video, side)
    try:
        with written_aside(target) as aside:
            with open(aside, "wb") as file:
                np.save(file, frames)
            checksum = zlib.crc32(np.memmap(aside, np.uint8, "r").data)
            with open(aside, "ab") as file:
                file.write(checksum.to_bytes(CHECKSUM, "big"))
    except OSError as error:
        raise CalseError(f"{target}: the decoded clip cannot be kept: {error.strerror}; free some disk") from None
