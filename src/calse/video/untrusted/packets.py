"""Coded packets to pictures and the times at which they are shown."""

import heapq
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    import av.container

FIRST = 64  # packets from which it is told whether a file knows when its pictures are shown


def decoded(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> Iterator[tuple[float | None, "av.VideoFrame"]]:
    """Yield every picture with its time, which the file may not know.

    Some files (AVI) keep only the order of decoding. Pictures come in the order shown: each then takes the earliest
    time that is left. After a cut that lost no bit, the first pictures lean on some that are gone; no player shows
    them, and whether they decode does not matter.
    """
    import av

    decoder, packets = _decoder(stream), container.demux(stream)
    start = list(itertools.islice(packets, FIRST))
    offsets = {packet.pts - packet.dts for packet in start if packet.pts is not None and packet.dts is not None}
    guess = bool(stream.codec_context.has_b_frames) and len(offsets) == 1
    times: list[float] = []
    shown, key = False, None
    for packet in itertools.chain(start, packets):
        time = None if packet.pts is None or not packet.size else packet.pts
        if time is not None:
            key = time if key is None and packet.is_keyframe else key
            if not packet.is_discard:
                heapq.heappush(times, float(time * packet.time_base))
        try:
            frames = decoder.decode(packet)
        except av.FFmpegError:
            leads = not shown and time is not None and (key is None or time < key)
            if not (leads or packet.is_discard):
                raise
            continue
        for frame in frames:
            shown = True
            yield heapq.heappop(times) if guess and times else frame.time, frame


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
