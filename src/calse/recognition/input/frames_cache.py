"""Decoded clips, kept as memory maps: a training reads every clip in every epoch, and decoding costs 80 times more.

The cache lies in the scratch folder and can be deleted at any time. Its key is the clip's sha256, its size, and the
code that decodes and shrinks; what other code has made goes as soon as no process reads it. Every file ends in a
checksum, which is held against the frames before a stage reads them. CALSE_CACHE_GB bounds it: clips for which there is
no space are decoded whenever they are read, to the same frames.
"""

import fcntl
import math
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterable
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
from calse.runtime.files import atomic_file
from calse.runtime.fingerprint import PACKAGE, code
from calse.runtime.repository import scratch

# It notices damage by a disk, for which CRC-32 suffices: it reads 2 GB/s, SHA-256 1.2 GB/s.
CHECKSUM = 4  # bytes
GIGABYTE = 10**9
LIMIT = 100  # gigabytes: four times the study at its own size; 30,000 clips would take 600
VIDEO = ".mp4"


def cached_frames(clips: list[Clip], layout: Layout, size: int) -> list[Path]:
    """Decode clips, shrink them to room for crops of `size` pixels, and return their files in the clips' order.

    Each file opens with `open_frames`; one that is damaged is made anew. Raises CalseError naming the clip when its
    video is missing, has changed since it was made, or does not decode.
    """
    made_by = code((PACKAGE / file for file in CODE), PACKAGES)[:16]
    side = short_side(size)
    folder = _kept_for_us(scratch() / "frames" / made_by) / str(side)
    paths = [folder / f"{clip.sha256}.npy" for clip in clips]
    videos = {path: verify(clip, layout.root) for path, clip in zip(paths, clips, strict=True)}
    with ThreadPoolExecutor(worker_count()) as threads:
        kept = {path for path, whole in zip(videos, threads.map(is_whole, videos), strict=True) if whole}
    for path, video in videos.items():
        _link(path, video)
        if path not in kept:
            path.unlink(missing_ok=True)  # a damaged one must not be read when there is no space for a sound one
    scales = [side / min(clip.height, clip.width) for clip in clips]
    sizes = {
        path: clip.frames * max(side, round(clip.height * scale)) * max(side, round(clip.width * scale)) * 3
        for path, clip, scale in zip(paths, clips, scales, strict=True)
    }
    chosen = _that_fit(sorted(videos, key=lambda path: path not in kept), sizes)
    _make_space(folder.parent, chosen, sizes)
    jobs = [(videos[path], path, side) for path in chosen if path not in kept]
    if jobs:
        map_parallel(_decode_one, jobs, "decode clips")
    if len(chosen) < len(videos):
        print(
            f"{len(videos) - len(chosen)} of {len(videos)} clips are decoded whenever they are read, about 80 times "
            f"slower: raise CALSE_CACHE_GB to {math.ceil(sum(sizes.values()) / GIGABYTE)} to keep all",
            file=sys.stderr,
        )
    return paths


def cache_limit() -> float:
    """Return how many bytes of decoded frames are kept: CALSE_CACHE_GB, else LIMIT. Never changes a result."""
    text = os.environ.get("CALSE_CACHE_GB") or str(LIMIT)
    try:
        limit = float(text) * GIGABYTE
    except ValueError:
        limit = math.nan
    if not limit >= 0:
        raise CalseError(f"CALSE_CACHE_GB={text!r} is not a number of gigabytes; unset it or give 0 or more")
    return limit


def _that_fit(paths: Iterable[Path], sizes: dict[Path, int]) -> list[Path]:
    """Return the first of these files that fit into the cache together."""
    left, chosen = cache_limit(), []
    for path in paths:
        left -= sizes[path]
        if left < 0:
            break
        chosen.append(path)
    return chosen


def _make_space(folder: Path, chosen: list[Path], sizes: dict[Path, int]) -> None:
    """Remove clips of all sizes that were used longest ago until the chosen ones fit beside the others.

    A training that still reads one decodes it from then on.
    """
    needed = set(chosen)
    left = cache_limit() - sum(sizes[path] for path in chosen)
    others = []
    for path in folder.glob("*/*.npy"):
        with suppress(FileNotFoundError):  # another process makes space too
            status = path.stat()
            if path in needed:  # the access time says when it was used; the modification time, which file was checked
                os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
            else:
                others.append((status.st_atime_ns, status.st_size, path))
    for _, size, path in sorted(others, reverse=True):
        left -= size
        if left < 0:
            path.unlink(missing_ok=True)


def _link(path: Path, video: Path) -> None:
    """Note beside a clip's place which video it is decoded from."""
    link, target = path.with_suffix(VIDEO), video.resolve()
    if not link.is_symlink() or link.readlink() != target:
        with atomic_file(link) as aside:
            aside.symlink_to(target)


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
        _mapped(path)
        status = path.stat()
        return _has_its_checksum(path, (status.st_ino, status.st_size, status.st_mtime_ns))
    except (OSError, ValueError):
        return False


@cache
def _has_its_checksum(path: Path, version: tuple[int, int, int]) -> bool:
    """Say whether a version of a file ends in the checksum of the rest."""
    data = np.memmap(path, np.uint8, "r")
    return zlib.crc32(data[:-CHECKSUM].data) == int.from_bytes(data[-CHECKSUM:].tobytes(), "big")


def open_frames(path: Path) -> np.ndarray:
    """Map a cached clip T x H x W x 3 uint8 into memory, or decode it when there was no space for it.

    Raises OSError or ValueError when it is not there in full.
    """
    try:
        return _mapped(path)
    except FileNotFoundError:
        return shrunk_frames(path.with_suffix(VIDEO), int(path.parent.name))


def _mapped(path: Path) -> np.ndarray:
    """Map a cached clip into memory. Raises ValueError when it is none."""
    frames = np.load(path, mmap_mode="r")
    if frames.ndim != 4 or frames.dtype != np.uint8:
        raise ValueError(f"{path} is not a clip")
    return np.asarray(frames)


def _decode_one(job: tuple[Path, Path, int]) -> None:
    """Decode one clip into its file, with the checksum at the end."""
    video, target, side = job
    frames = shrunk_frames(video, side)
    try:
        with atomic_file(target) as aside:
            with open(aside, "wb") as file:
                np.save(file, frames)
            checksum = zlib.crc32(np.memmap(aside, np.uint8, "r").data)
            with open(aside, "ab") as file:
                file.write(checksum.to_bytes(CHECKSUM, "big"))
    except OSError as error:
        raise CalseError(f"{target}: the decoded clip cannot be kept: {error.strerror}; free some disk") from None
