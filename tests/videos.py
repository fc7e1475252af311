"""Small videos, good and bad, for the tests of video, import, ingest and the gate."""

import dataclasses
import struct
from pathlib import Path

import av
import numpy as np

from calse.config.params import Corpus, Ingest, Source, read_params
from calse.video.ours.encode import write_video


def moving(frames=12, height=48, width=64, seed=0):
    """Return a smooth picture that drifts: `T x H x W x 3 uint8`."""
    y, x = np.mgrid[0:height, 0:width]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [
        np.stack([np.sin(x / 9 + t / 4 + phase[0]), np.cos(y / 7 + phase[1]), np.sin((x + y) / 11 + phase[2])], -1)
        for t in range(frames)
    ]
    return ((np.stack(waves) + 1) * 110).astype(np.uint8)


def write_clip(path, seed=0, frames=12, fps=25, height=48, width=64):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, moving(frames, height, width, seed), fps)
    return path


def write_audio(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        for start in range(0, 5120, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 8000, start
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


def remux(source, target, **options):
    """Copy the video of `source` into the container that `target`'s name asks for."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    return target


def patched(source, target, box, offset, number):
    """Copy a file with one big-endian number of an mp4 box changed; `offset` counts from the box's name."""
    data = bytearray(source.read_bytes())
    struct.pack_into(">I", data, data.index(box) + offset, number)
    target.write_bytes(data)
    return target


def write_bad_files(folder: Path, good: Path) -> list[str]:
    """Make one file of each kind of damage that opens well enough to be imported, and the others; return names."""
    data = good.read_bytes()
    start = data.index(b"mdat")
    flipped = bytearray(data)
    for position in range(start + 800, len(data) - 1200, 37):
        flipped[position] ^= 0x55
    (folder / "FLIPPED.mp4").write_bytes(flipped)
    (folder / "EMPTY.mp4").write_bytes(b"")
    (folder / "TEXT.mp4").write_text("this is no video\n" * 40)
    (folder / "CUT.mp4").write_bytes(data[: len(data) // 2])
    fast = remux(good, folder / "LATE.mp4", movflags="faststart")
    fast.write_bytes(fast.read_bytes()[: len(data) * 3 // 4])
    whole = remux(good, folder / "HALF.mkv")
    whole.write_bytes(whole.read_bytes()[: len(data) // 2])
    patched(good, folder / "OVER.mp4", b"stts", 12, 100_000)
    write_audio(folder / "AUDIO.mp4")
    return sorted(path.name for path in folder.iterdir())


def small_params(glosses=2, sources=("SACU",), clips_per_gloss=1, **ingest):
    """Return the embedded corpus's parameters for a corpus `mine` of a few tiny clips."""
    params = read_params(Path(__file__).parents[1] / "presets/synthetic.yaml")
    listed = {name: Source("public", clips_per_gloss) for name in sources}
    settings = {"short_side": 32, "fps": 25, "on_bad_clip": "fail", "seconds_per_clip": 20} | ingest
    limits = dataclasses.replace(params.validate, min_side=32)
    return dataclasses.replace(
        params, corpus=Corpus("mine", glosses, listed), ingest=Ingest(**settings), validate=limits
    )
