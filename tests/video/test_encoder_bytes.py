"""Equal frames are encoded to equal bytes: again and again, from anywhere in memory, in any process, on any x86-64."""

import hashlib
import multiprocessing
import platform

import numpy as np
import pytest

from calse.video.ours.encode import write_video
from calse.video.ours.planes import Planes
from videos import write_clip

# Frames, height, width -> the file's sha256. An Intel processor with AVX-512 and emulated ones without it (Intel
# Haswell and Nehalem, AMD Rome) gave these. ARM has others
# (x264 searches there without some of x86's kernels), and so may another version of x264.
FILES = {
    (12, 48, 64): "1ff914d4705dd1a7adc87aae363f0b909785f20825cf5d12956bcedc6f728cd5",
    (10, 128, 342): "3de21002fed8dc2768c94c40f377669c6afba646d998dcbc22507dad04802f4e",
    (30, 256, 342): "b381426381e614016491bd8f50eaea6f3c2f224022c9401f8cb1bfce1450e947",
}
TIMES = 10


def drawn(frames, height, width):
    """Planes of a disc that crosses a noisy ground; integers only, which are the same on every machine."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(7).integers(0, 12, (frames, height, width))
    for number in range(frames):
        disc = (x - width // 4 - 4 * number) ** 2 + (y - height // 2 - 2 * number) ** 2 < (height // 5) ** 2
        luma = 40 + 120 * disc + (x + y) // 8 % 40 + noise[number]
        yield Planes(*(plane.astype(np.uint8) for plane in (luma, 128 + y[::2, ::2] % 9, 120 + x[::2, ::2] // 16 % 9)))


def moved(plane, offset):
    """Return a copy that begins at another place in memory."""
    room = np.empty(plane.size + offset, np.uint8)
    place = room[offset:].reshape(plane.shape)
    place[:] = plane
    return place


def files_of(folder, shape):
    """Encode one clip many times, each from other places in memory, and return the files' hashes."""
    folder.mkdir()
    frames, kept, hashes = list(drawn(*shape)), [], set()
    for number in range(TIMES):
        kept.append(np.full(1000 + 4096 * (number % 5), 255, np.uint8))  # so that the encoder finds other memory too
        placed = [Planes(*(moved(plane, 16 * number + number % 3) for plane in planes)) for planes in frames]
        write_video(folder / "clip.mp4", placed, 25)
        hashes.add(hashlib.sha256((folder / "clip.mp4").read_bytes()).hexdigest())
    return hashes


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these bytes are of x86-64 processors")
def test_equal_frames_give_the_stated_bytes_from_anywhere_in_memory_in_any_process(tmp_path, cold):
    work = [(tmp_path / f"{number}-{shape[1]}", shape) for shape in FILES for number in range(2)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        files = pool.starmap(files_of, work)
    assert files == [{FILES[shape]} for _, shape in work]


def test_other_frames_give_other_bytes(tmp_path):
    assert write_clip(tmp_path / "a.mp4", seed=0).read_bytes() != write_clip(tmp_path / "b.mp4", seed=1).read_bytes()
