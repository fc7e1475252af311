"""Coded packets to pictures and the times at which they are shown."""

import itertools
import math
import os
import re
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import av
    import av.container

FIRST = 64  # packets that show whether a file knows when its pictures are shown
# The kind of unit that a key picture in H.264 consists of where earlier pictures count afterwards; else it is 5
# (ITU-T H.264, table 7-1).
_SLICE = 1


def decoded(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator[tuple[float | None, float, "av.VideoFrame"]]:
    """Yield every picture with its time, which the file may not know, and its duration, 0 where that is not known.

    A packet without bytes means that the picture before it stays.
    """
    held: tuple[float | None, float, av.VideoFrame] | None = None
    end = 0.0
    for time, frame in _timed(container, stream):
        if frame is None:
            end = max(end, time or 0.0)
            continue
        if held:
            yield held
        held = time, float(max(0, frame.duration or 0) * (frame.time_base or 0)), frame
    if held:
        time, duration, frame = held
        yield time, max(duration, end - (end if time is None else time)), frame


def _timed(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator[tuple[float | None, "av.VideoFrame | None"]]:
    """Yield every picture with its time; and times without a picture, until which the last one is shown at least.

    Some files (AVI) keep only the order of decoding, some packet a place. Each picture is then shown at the place of
    the packet which brings it out of the decoder; those that come after the last packet follow at the usual step.
    """
    decoder, packets = _decoder(stream), container.demux(stream)
    start = list(itertools.islice(packets, FIRST))
    offsets = {packet.pts - packet.dts for packet in start if packet.pts is not None and packet.dts is not None}
    is_avi = container.format.name == "avi"
    by_place = is_avi or (bool(stream.codec_context.has_b_frames) and len(offsets) == 1)
    places = [packet.dts for packet in start if packet.dts is not None]
    steps = [later - earlier for earlier, later in itertools.pairwise(places) if later > earlier]
    unit = float(stream.time_base or 0)
    step = (statistics.median_low(steps) if steps else 0) * unit
    newest, last, late = -math.inf, -math.inf, 0
    for packet, frames in _pictures_of(decoder, itertools.chain(start, packets)):
        if packet.pts is not None and not packet.size:
            yield float((packet.pts + (packet.duration or 0)) * packet.time_base), None
        is_placed = packet.dts is not None
        newest = packet.dts * unit if packet.dts is not None else newest
        for frame in frames:
            time = frame.time
            if by_place and newest > -math.inf:
                late += not is_placed
                last = time = newest if is_placed and newest > last else max(newest, last) + step
            yield time, frame
    if is_avi:
        yield (stream.duration or 0) * unit + late * step, None


def _pictures_of(
    decoder: "av.VideoCodecContext", packets: "Iterator[av.Packet]"
) -> "Iterator[tuple[av.Packet, list[av.VideoFrame]]]":
    """Yield each packet with the pictures that it brings out of the decoder.

    After a cut that lost no bit, the first pictures lean on some that are gone; no player shows them, and whether they
    decode does not matter. H.264 complains of them once more at the first picture that does not lean on them.
    """
    import av

    shown, key, is_cut = False, None, False
    for packet in packets:
        time = packet.pts if packet.size else None
        if packet.is_keyframe and key is None:
            key = time
            is_cut = decoder.name == "h264" and _SLICE in _units(bytes(packet), decoder.extradata or b"")
        frames: list[av.VideoFrame] = []
        try:
            if packet.size or packet.pts is None:
                frames = decoder.decode(packet)
        except av.FFmpegError:
            leads = packet.size and (is_cut or (time is not None and (key is None or time < key)))
            if not (packet.is_discard or (leads and not shown)):
                raise
        shown = shown or bool(frames)
        yield packet, frames


def _units(packet: bytes, header: bytes) -> set[int]:
    """Return the kinds of units in a packet of H.264: behind start codes, or lengths (ISO/IEC 14496-15, 5.3.3)."""
    if header[:1] != b"\1":
        return {packet[code.end()] & 31 for code in re.finditer(b"\0\0\1(?=.)", packet, re.DOTALL)}
    width, place, kinds = (header[4] & 3) + 1, 0, set()
    while place + width < len(packet):
        kinds.add(packet[place + width] & 31)
        place += width + int.from_bytes(packet[place : place + width])
    return kinds


def _decoder(stream: "av.VideoStream") -> "av.VideoCodecContext":
    """Return what decodes a video, one thread: FFmpeg's own decoders of VP8 and VP9 know no transparency."""
    import av

    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in ("vp8", "vp9"):
        decoder = av.VideoCodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}[decoder.name], "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}  # else damage is painted over
    return decoder


def is_another_clock(gap: float, container: str) -> bool:
    """Tell whether time jumps because recordings were put one after another: back, or far in a broadcast's format."""
    return gap < -1e-6 or (gap > 10 and container in ("mpegts", "mpeg"))


def places_in_avi(path: Path, number: int) -> int:
    """Count the chunks of a stream of an AVI file, the empty ones too, which FFmpeg passes over."""
    with path.open("rb") as file:
        names = _chunks(file, os.fstat(file.fileno()).st_size)
        return sum(name[:2] == b"%02d" % number and name[2:] != b"pc" for name in names)  # "pc" changes colours


def _chunks(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Yield the names of the chunks that are there wholly, those in lists too (RIFF)."""
    while (start := file.tell() + 8) <= end:
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if name in (b"RIFF", b"LIST"):
            file.seek(4, os.SEEK_CUR)
            yield from _chunks(file, min(end, start + size))
        elif start + size <= end:
            yield name
        file.seek(start + size + size % 2)
