"""Work on many items at once, with progress: the one place that says where it runs, here or on a cluster."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from calse.runtime.errors import CalseError
from calse.runtime.lifeline import end_with_parent

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def worker_count() -> int:
    """Return how many processes to use: CALSE_WORKERS, or one a core. Never changes a result."""
    given = _processes("CALSE_WORKERS")
    if given is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return given


def rank_count() -> int:
    """Return how many processes share one training: CALSE_RANKS, or one. Never changes a result."""
    return _processes("CALSE_RANKS") or 1


def _processes(name: str) -> int | None:
    """Return the number of processes that a variable of the environment gives, if it is set."""
    text = os.environ.get(name)
    if text is not None and (not text.isdigit() or int(text) < 1):
        raise CalseError(f"{name}={text!r} is not a number of processes; unset it or give 1 or more")
    return None if text is None else int(text)


def has_accelerator() -> bool:
    """Say whether there is one that trains, without importing torch."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def on_cluster() -> bool:
    """Say whether work goes to the nodes of a Ray cluster: CALSE_EXECUTOR=ray. Never changes a result."""
    name = os.environ.get("CALSE_EXECUTOR") or "local"
    if name not in ("local", "ray"):
        raise CalseError(f"CALSE_EXECUTOR={name!r} is no place to run; unset it, or give local or ray")
    return name == "ray"


def progress_bar() -> "Progress":
    """Return a progress display on stderr; without a terminal it prints its last state only."""
    from rich import progress as rich  # not at the top: worker processes import this module and show nothing
    from rich.console import Console

    columns = (rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeElapsedColumn(), rich.TimeRemainingColumn())
    return rich.Progress(rich.TextColumn("{task.description}"), *columns, console=Console(stderr=True))


def _pool(workers: int, description: str) -> Executor:
    """Return an executor: processes of this machine, or the cluster."""
    if on_cluster():
        from calse.runtime.cluster import Cluster  # Ray is not imported by those who stay on one machine

        return Cluster(description)
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)


def map_parallel(function: Callable[[Item], Result], items: Sequence[Item], description: str) -> list[Result]:
    """Apply a picklable function to every item in worker processes and return the results in the items' order.

    They are `worker_count` processes of this machine, or on a cluster one for each core; instead of a single one, this
    process does the work itself. The first error stops the rest and is raised here; a process that was killed is a
    CalseError. Processes are spawned, not forked: video decoders and thread pools do not survive a fork.
    """
    workers = min(worker_count(), max(1, len(items)))
    if workers == 1 and not on_cluster():
        with progress_bar() as progress:
            return [function(item) for item in progress.track(items, description=description)]
    with progress_bar() as progress, _pool(workers, description) as pool:
        task = progress.add_task(description, total=len(items))
        try:
            futures = [pool.submit(function, item) for item in items]
            for future in as_completed(futures):
                future.result()
                progress.advance(task)
        except BrokenProcessPool:
            raise CalseError(f"{description}: a process was killed; out of memory? set CALSE_WORKERS=1") from None
        except BaseException as end:
            if not isinstance(end, Exception):  # whoever stops a stage does not wait for what is half-done
                for process in multiprocessing.active_children():
                    process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [future.result() for future in futures]
