"""Damaged and hostile videos, made from tiny synthetic clips: the same bytes every time."""

import itertools
import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"udta"}
TABLES = {b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"elst", b"mvhd", b"tkhd", b"mdhd", b"stss", b"stsd", b"ftyp"}
CODECS = {"mp4": "libx264", "mov": "mjpeg", "mkv": "libx264", "avi": "mpeg4", "webm": "libvpx", "gif": "gif"}
CODECS |= {"mpg": "mpeg2video", "mts": "libx264", "y4m": "wrapped_avframe"}
FORMATS = {"mjpeg": "yuvj420p", "gif": "rgb8", "png": "rgb24"}


@dataclass(frozen=True)
class Box:
    """One box of an mp4: where it starts, where it ends, its name."""

    start: int
    end: int
    name: bytes


def write_hostile(folder: Path, flips: int = 40, every: int = 1, giants: bool = True) -> dict[str, str]:
    """Write every hostile file into an empty folder; return name -> kind.

    `flips` is how many there are per container; of the damaged ones only each `every`-th is written. Some are no
    files: a pipe, links, a folder named like a video. One is sparse and claims 8 TiB.
    """
    good = {suffix: encode(folder / f"good.{suffix}", suffix) for suffix in CODECS}
    kinds = {f"good.{suffix}": "good" for suffix in CODECS}
    for kind, name, content in itertools.islice(_damaged(good, flips), 0, None, every):
        (folder / name).write_bytes(content)
        kinds[name] = kind
    if giants:
        kinds |= dict.fromkeys(_made(folder), "giant")
    for kind, name in [*_special(folder, good["mp4"]), *_named(folder, good["mp4"])]:
        kinds[name] = kind
    return kinds


def encode(
    path: Path, codec: str, sides: tuple[int, int] = (48, 64), frames: int = 10, rate: Fraction | int = 25
) -> bytes:
    """Write a drifting pattern, height x width, and return the file's bytes; `codec` may be a container's suffix."""
    name = CODECS.get(codec, codec)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream(name, rate=rate, options={"flags": "+bitexact"})
        stream.height, stream.width = sides
        stream.pix_fmt, stream.thread_count = FORMATS.get(name, "yuv420p"), 1
        for number in range(frames):
            column = np.arange(sides[1]) * 3 + number * 9
            image = np.broadcast_to((column % 256).astype(np.uint8)[None, :, None], (*sides, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Walk the boxes of an mp4, parents before children."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        if size < 8:
            return
        yield Box(start, start + size, name)
        if name in PARENTS:
            yield from boxes(data, start + 8, start + size)
        start += size


def _damaged(good: dict[str, bytes], flips: int) -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of every file made by changing a good one."""
    for suffix, data in good.items():
        for position in _cuts(suffix, data):
            yield "cut", f"cut-{position}.{suffix}", data[:position]
        for seed in range(flips):
            yield "flipped bits", f"flip-{seed}.{suffix}", _flipped(data, seed)
    data = good["mp4"]
    yield from (("wrong number", f"number-{name}.mp4", patched) for name, patched in _wrong_numbers(data))
    yield from _shaped(good)


def _shaped(good: dict[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Yield kind, name and bytes of files that claim a giant size, length or number of tracks."""
    data = good["mp4"]
    for name, box, offset, content in [
        ("wide", b"avc1", 28, b"\xff\xff\xff\xff"),
        ("flat", b"avc1", 28, b"\x00\x00\x00\x00"),
        ("screen", b"tkhd", 80, b"\x7f\xff\xff\xff" * 2),
        ("endless", b"stts", 16, struct.pack(">I", 500_000_000)),
    ]:
        yield "giant", f"giant-{name}.mp4", _patched(data, data.index(box) + offset, content)
    yield "giant", "giant-screen.gif", _patched(good["gif"], 6, b"\xff\xff\xff\xff")
    yield "giant", "giant-jpeg.mov", _every(good["mov"], b"\xff\xc0\x00\x11\x08", b"\xff\xdc\xff\xdc")
    yield "streams", "streams.mp4", _many_tracks(data, 1000)
    yield "streams", "tracks.mp4", _many_tracks(data, 20000)


def _cuts(suffix: str, data: bytes) -> list[int]:
    """Where to cut: in an mp4 or mov at each box's edges and middle, elsewhere in steps."""
    if suffix not in ("mp4", "mov"):
        return sorted({len(data) * step // 16 for step in range(16)})
    places = {place for box in boxes(data) for place in (box.start, box.start + 8, (box.start + box.end) // 2)}
    return sorted(place for place in places if place < len(data))


def _flipped(data: bytes, seed: int) -> bytes:
    """Flip 1 to 64 bits: one half of the files anywhere, the other in the first kilobyte."""
    rng, changed = random.Random(seed), bytearray(data)
    end = len(data) if seed % 2 else min(len(data), 1024)
    for _ in range(2 ** rng.randrange(7)):
        changed[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _wrong_numbers(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a box's size, then its counts and offsets, each set to what it cannot be."""
    for number, box in enumerate(boxes(data)):
        name = f"{number}-{box.name.decode('ascii', 'replace').strip()}"
        for size in (0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF):
            yield f"{name}-size-{size}", _patched(data, box.start, struct.pack(">I", size))
        if box.name in TABLES:
            for place in range(box.start + 12, min(box.end, box.start + 32), 4):
                for value in (0, 0x7FFFFFFF, 0xFFFFFFFF):
                    yield f"{name}-{place - box.start}-{value}", _patched(data, place, struct.pack(">I", value))


def _patched(data: bytes, place: int, content: bytes) -> bytes:
    return data[:place] + content + data[place + len(content) :]


def _every(data: bytes, mark: bytes, content: bytes) -> bytes:
    """Put content after every mark."""
    place = data.find(mark)
    while place >= 0:
        data = _patched(data, place + len(mark), content)
        place = data.find(mark, place + 1)
    return data


def _many_tracks(data: bytes, count: int) -> bytes:
    """Repeat the track; the media lie before the index, so that no offset changes."""
    found = {box.name: box for box in boxes(data)}
    moov, trak = found[b"moov"], found[b"trak"]
    body = data[moov.start + 8 : trak.start] + data[trak.start : trak.end] * count + data[trak.end : moov.end]
    return data[: moov.start] + struct.pack(">I4s", len(body) + 8, b"moov") + body + data[moov.end :]


def _made(folder: Path) -> Iterator[str]:
    """Encode whole videos whose shape, length or rate is the attack; yield their names."""
    videos: list[tuple[str, str, tuple[int, int], int, Fraction | int]] = [
        ("bomb.mov", "png", (8000, 8000), 4, 25),
        ("big.mov", "png", (4000, 4000), 8, 25),
        ("ribbon.mov", "png", (2, 16000), 4, 25),
        ("tower.mov", "png", (16000, 2), 4, 25),
        ("slow.mkv", "libx264", (48, 64), 10, Fraction(1, 1000)),
        ("fast.mkv", "libx264", (48, 64), 10, 60000),
        ("long.mkv", "libx264", (16, 16), 20000, 25),
        ("still.mp4", "libx264", (48, 64), 1, 25),
    ]
    for name, codec, sides, frames, rate in videos:
        encode(folder / f"giant-{name}", codec, sides, frames, rate)
        yield f"giant-{name}"


def _special(folder: Path, data: bytes) -> Iterator[tuple[str, str]]:
    """Make what is no plain file, or no honest one; yield kind and name."""
    os.mkfifo(folder / "endless-pipe.mp4")
    (folder / "folder.mp4").mkdir()
    (folder / "endless-sparse.mp4").write_bytes(data)
    os.truncate(folder / "endless-sparse.mp4", 2**43)
    for name, target in [
        ("link-out.mp4", "../private.mp4"),
        ("link-passwd.mp4", "/etc/passwd"),
        ("link-zero.mp4", "/dev/zero"),
        ("link-loop.mp4", "link-loop.mp4"),
        ("link-nowhere.mp4", "nowhere.mp4"),
        ("link-up", ".."),
    ]:
        (folder / name).symlink_to(target)
        yield "link", name
    yield from (("endless", name) for name in ("endless-pipe.mp4", "endless-sparse.mp4"))
    yield "link", "folder.mp4"


NAMES = [
    b"new\nline.mp4",
    b"return\r.mp4",
    b"quote\"'`.mp4",
    b"..mp4",
    b"...mp4",
    b"..\\..\\up.mp4",
    b"-rf.mp4",
    b"$(touch escaped).mp4",
    b"; touch escaped;.mp4",
    b"%00.mp4",
    b"file:%2fetc%2fpasswd.mp4",
    b"concat:a|b.mp4",
    b"comma,semi;colon.mp4",
    b"=cmd().mp4",
    b"[red]markup.mp4",
    b"\x1b[31mcolour.mp4",
    b"bytes\xff\xfe.mp4",
    b"cut\xc3.mp4",
    "الإشارة.mp4".encode(),
    "手話.mp4".encode(),
    "手語.mp4".encode(),
    "\u202egnorw.mp4".encode(),
    "e\u0301.mp4".encode(),
    "é.mp4".encode(),
    "👋.mp4".encode(),
    b" .mp4",
    b"\t.mp4",
    b"x" * 251 + b".mp4",
    "ñ".encode() * 125 + b".mp4",
    b"NULL.mp4",
    b"CON.mp4",
    b"same_1.mp4",
    b"same_01.mp4",
    "arabic_٣.mp4".encode(),
    b"UPPER.MP4",
    b"upper.mp4",
]


def _named(folder: Path, data: bytes) -> Iterator[tuple[str, str]]:
    """Write good clips under hostile names, each with a box of its own so that none is another's copy."""
    for number, name in enumerate(NAMES):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(
            data + struct.pack(">I4sI", 12, b"free", number)
        )
        yield "name", os.fsdecode(name)
