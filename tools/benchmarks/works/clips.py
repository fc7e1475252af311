"""From clip to file: affine copies and ingest. CPU time, because OpenCV decodes on all cores and ours on one."""

import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.material import filmed, preset, write_clip
from benchmarks.peers.video import decode_and_encode, published_affine
from benchmarks.race import Figure, Race, Setting, Times, fact, ratio
from calse.augment.affine import Options, draw_matrix
from calse.augment.stage import Copy, make_copy
from calse.corpus.ingest import Job, make_clip
from calse.corpus.raw import RawVideo
from calse.data.clips import seed_of
from calse.data.paths import Layout
from calse.video.ours.planes import resized
from calse.video.ours.read import read_frames
from calse.video.untrusted.normalise import fitted_size

MIXED = {  # name: codec, pixel format, width, height, frames a second
    "modern.mp4": ("libx264", "yuv420p", 640, 360, 30),
    "phone.mov": ("libx264", "yuv420p", 480, 854, 30),
    "web.webm": ("libvpx-vp9", "yuv420p", 720, 576, 25),
    "old.avi": ("mpeg4", "yuv420p", 320, 240, 25),
    "tiny.gif": ("gif", "rgb8", 160, 120, 12),
}


def affine_copy(setting: Setting, frames: np.ndarray) -> Copy:
    """Return the work of one affine copy; its parent's file is written."""
    layout = Layout(setting.folder)
    parent = write_clip(layout, f"parent-{frames.shape[1]}", frames)
    folder = setting.folder / "copies"
    folder.mkdir(exist_ok=True)
    return Copy(parent, "AF2", preset().augment["AF2"], 1, folder, layout)


def affine(setting: Setting) -> Race:
    """An affine copy of a clip of one size, frame for frame; its bytes, and how near it is to the exact warp."""
    copy = affine_copy(setting, filmed(8, 64) if setting.tiny else filmed(41, 240))
    assert isinstance(copy.options, Options)
    rng = np.random.default_rng(seed_of(1974, copy.parent.clip, 1))
    matrix = draw_matrix(copy.options, copy.parent.width, copy.parent.height, rng)
    video, theirs = setting.folder / copy.parent.path, setting.folder / "theirs.mp4"
    published_affine(video, theirs, matrix)
    ours = copy.folder / Path(make_copy(copy).path).name
    gain = psnr(ours, video, matrix) - psnr(theirs, video, matrix)
    name = f"affine copy, {copy.parent.width} x {copy.parent.height}"
    return Race(
        sides={
            "ours": lambda: make_copy(copy),
            "published": lambda: published_affine(video, theirs, matrix),
            "codec": lambda: decode_and_encode(video, setting.folder / "same.mp4"),
        },
        figures=[
            ratio(f"{name}: CPU, published library / ours", "published", "ours", 1),
            ratio(f"{name}: CPU, ours / decode + encode alone", "ours", "codec"),
            fact(f"{name}: bytes, published library / ours", "x", theirs.stat().st_size / ours.stat().st_size, 2),
            fact(f"{name}: PSNR to the exact warp, ours - published library", "dB", gain, 0),
        ],
        clock=time.process_time,
    )


def affine_workers(setting: Setting) -> Race:
    """Affine copies in one and in two worker processes that have begun already; so the same files' codec alone."""
    copy = affine_copy(setting, filmed(8, 64) if setting.tiny else filmed(41, 240))
    copies = [replace(copy, number=number) for number in range(1, 9)]
    video, context = setting.folder / copy.parent.path, get_context("spawn")
    one, two = (setting.cleanup.enter_context(ProcessPoolExecutor(workers, context)) for workers in (1, 2))
    codec = partial(decode_and_encode, video)
    files = [setting.folder / f"same-{copy.number}.mp4" for copy in copies]

    def of_the_codecs_gain(times: Times) -> float:
        return (times["one"] / times["two"]) / (times["codec in one"] / times["codec in two"])

    return Race(
        sides={
            "one": lambda: list(one.map(make_copy, copies)),
            "two": lambda: list(two.map(make_copy, copies)),
            "codec in one": lambda: list(one.map(codec, files)),
            "codec in two": lambda: list(two.map(codec, files)),
        },
        figures=[
            ratio("affine copies: 1 worker / 2", "one", "two", 1.9),
            ratio("affine copies: decode + encode alone, 1 worker / 2", "codec in one", "codec in two"),
            Figure("affine copies: gain of 2 workers, ours / decode + encode alone", "x", of_the_codecs_gain),
        ],
    )


def affine_1080p(setting: Setting) -> Race:
    """A copy of a 1080p original: ours warps the ingested clip, the published library the original."""
    pictures = filmed(8, 96, 16 / 9) if setting.tiny else filmed(24, 1080, 16 / 9)
    large = affine_copy(setting, pictures).parent
    size = fitted_size(large.width, large.height, 1, 32 if setting.tiny else 256)
    copy = affine_copy(setting, np.stack([resized(picture, size) for picture in pictures]))
    video, matrix = setting.folder / large.path, np.array([[1.02, 0.1, 5], [-0.1, 1.02, 5]])
    name = f"affine copy of {large.width} x {large.height} through short side {copy.parent.height}"
    return Race(
        sides={
            "ours": lambda: make_copy(copy),
            "published": lambda: published_affine(video, setting.folder / "theirs.mp4", matrix),
        },
        figures=[ratio(f"{name}: CPU, published library / ours", "published", "ours", 5)],
        clock=time.process_time,
    )


def psnr(video: Path, parent: Path, matrix: np.ndarray) -> float:
    """Return decibels of a warped video against the exact warp of its parent's frames, over all RGB values."""
    frames = read_frames(parent)
    size = (frames.shape[2], frames.shape[1])
    exact = np.stack([cv2.warpAffine(frame.astype(np.float32), matrix, size) for frame in frames])
    return float(10 * np.log10(255**2 / np.mean((read_frames(video) - exact) ** 2)))


def ingest(setting: Setting) -> Race:
    """Clips of a mixed folder, one after the other in this process, against decoding and encoding alone."""
    short_side, frames = (32, 6) if setting.tiny else (256, 48)
    raw, target = setting.folder / "raw", setting.folder / "clips"
    target.mkdir()
    jobs = [
        Job(path.stem, "SACU", RawVideo(path.name, "NO", "A", 1, ""), path, target, path.stem, 25, short_side)
        for path in write_mixed(raw, frames, scale=8 if setting.tiny else 1)
    ]

    def codec_alone() -> None:
        for job in jobs:
            size = fitted_size(*MIXED[job.raw.name][2:4], 1, short_side)
            decode_and_encode(job.raw, target / f"{job.clip}-codec.mp4", size)

    return Race(
        sides={
            "ours": lambda: [make_clip(job) for job in jobs],
            "codec": codec_alone,
        },
        figures=[ratio("ingest of a mixed folder: CPU, ours / decode + encode alone", "ours", "codec", 1.5, True)],
        clock=time.process_time,
    )


def write_mixed(folder: Path, frames: int, scale: int = 1) -> list[Path]:
    """Write one video of each kind, its sides divided by `scale`; return their paths."""
    folder.mkdir()
    pictures = filmed(frames, 256 // scale)
    for name, (codec, pixels, width, height, rate) in MIXED.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height = (side // scale // 2 * 2 for side in (width, height))
            stream.pix_fmt = pixels
            for picture in pictures:
                small = cv2.resize(picture, (stream.width, stream.height))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
            container.mux(stream.encode(None))
    return [folder / name for name in MIXED]
