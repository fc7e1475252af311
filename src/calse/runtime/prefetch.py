"""Two steps of one piece of work at once, where each item needs the one before it in both."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

Item = TypeVar("Item")
_END = object()


def prefetched(items: Iterable[Item], count: int) -> Generator[Item, None, None]:
    """Yield items in their order, while a thread makes up to `count` more.

    What making them raises is raised at its place. Close the generator when it is left early: the thread then ends with
    the item that it is at.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming: deque[Future[object]] = deque(thread.submit(next, source, _END) for _ in range(count))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, source, _END))
                yield cast(Item, item)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)
