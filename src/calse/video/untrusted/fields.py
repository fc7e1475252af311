"""Interlaced film to whole pictures, one for each frame: half the lines are from another moment, which combs hands."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    import av.filter

    from calse.video.untrusted.decode import Picture


def progressive(pictures: "Iterable[Picture]") -> "Iterator[Picture]":
    """Yield every picture, what is marked as interlaced with the lines of its first field and the others filled in.

    FFmpeg's bwdif fills them from the pictures before and after. Until one is interlaced, nothing is touched.
    """
    graph, kind = None, None
    waiting: deque[Picture] = deque()
    for picture in pictures:
        coded = picture.coded
        if graph is None and not coded.interlaced_frame:
            yield picture
            continue
        if graph is None or kind != _kind(coded):
            if graph is not None:
                yield from _filtered(graph, None, waiting)
            graph, kind = _graph(coded), _kind(coded)
        waiting.append(picture)
        yield from _filtered(graph, coded, waiting)
    if graph is not None:
        yield from _filtered(graph, None, waiting)


def _kind(coded: "av.VideoFrame") -> tuple[int, int, str]:
    return coded.width, coded.height, coded.format.name


def _graph(coded: "av.VideoFrame") -> "av.filter.Graph":
    import av.filter

    graph = av.filter.Graph()
    graph.threads = 1
    source = graph.add_buffer(width=coded.width, height=coded.height, format=coded.format, time_base=coded.time_base)
    graph.link_nodes(source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _filtered(
    graph: "av.filter.Graph", coded: "av.VideoFrame | None", waiting: "deque[Picture]"
) -> "Iterator[Picture]":
    """Give the filter a picture, or None at the end, and yield those that it is done with: as many, in order."""
    graph.vpush(coded)
    with suppress(BlockingIOError, EOFError):  # it wants the next picture, or has no more
        while True:
            done = graph.vpull()
            yield waiting.popleft()._replace(coded=done)
