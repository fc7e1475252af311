"""One training on several processes of this machine, its ranks: CALSE_RANKS. They share the parts of each batch."""

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from math import ceil
from multiprocessing.connection import wait
from typing import Any

from calse.recognition.registry import find_recogniser
from calse.recognition.settings import NetworkSettings
from calse.recognition.training.jobs import Job
from calse.runtime.errors import CalseError, counted, lacks_memory
from calse.runtime.executor import rank_count
from calse.runtime.lifeline import end_with_parent

TIMEOUT = timedelta(minutes=10)  # for a rank that stands still; one that has died is noticed at once
SAVES_MEMORY = "set its model.recompute or optim.micro_batch, or CALSE_WORKERS=1"


def ranks_of(name: str, settings: Any) -> int:
    """Return how many processes share a training of a recogniser. Raises CalseError when a batch has fewer parts."""
    ranks = rank_count() if isinstance(settings, NetworkSettings) else 1
    if ranks > 1:
        batch, parameter = settings.optim.batch, f"train.{name}.optim"
        parts = ceil(batch / (settings.optim.micro_batch or batch))
        if parts < ranks:
            raise CalseError(
                f"CALSE_RANKS={ranks} share the parts of a batch, and {parameter}.micro_batch makes {parts} of it; "
                + (f"set it to at most {batch // ranks}" if batch >= ranks else f"{parameter}.batch is {batch} only")
            )
    return ranks


def train_run(job: Job, ranks: int, tell: Callable[..., None]) -> None:
    """Train one run as so many ranks: this process, and others of this machine which end with it.

    Raises CalseError when one of them fails, dies or stands still.
    """
    if ranks == 1:
        find_recogniser(job.run.recogniser).train(job, tell)
        return
    store = _store(job, ranks, fresh=True)
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    others = [context.Process(target=_follow, args=(job, rank, ranks), daemon=True) for rank in range(1, ranks)]
    try:
        for process in others:
            process.start()
        _train_as(0, ranks, store, job, tell)
    except Exception:
        wait([process.sentinel for process in others], timeout=1)  # one that failed takes a moment to end
        codes = [process.exitcode for process in others if process.exitcode]
        killed = any(code < 0 for code in codes)  # then the others can only say that it is gone
        if store.check(["failed"]) and not killed:
            raise CalseError(store.get("failed").decode()) from None
        if codes:
            what = f"one of its {ranks} processes died with code {min(codes)}"
            raise CalseError(f"{what}; out of memory? {SAVES_MEMORY}") from None
        raise
    finally:
        for process in others:
            process.kill()
            process.join()


def _store(job: Job, ranks: int, fresh: bool = False) -> Any:
    """Return what the ranks of a training know of each other; afresh, for a killed one's ranks are no more."""
    from torch.distributed import FileStore  # type: ignore[attr-defined]

    file = job.states / "ranks"
    if fresh:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
    return FileStore(str(file), ranks)


def _train_as(rank: int, ranks: int, store: Any, job: Job, tell: Callable[..., None]) -> None:
    """Train one run as one of its ranks, on an accelerator of its own. Raises CalseError when there are too few."""
    import torch
    import torch.distributed as dist

    if torch.cuda.is_available():
        if torch.cuda.device_count() < ranks:
            found = counted(torch.cuda.device_count(), "accelerator")
            raise CalseError(f"CALSE_RANKS={ranks}, but this machine has {found}")
        torch.cuda.set_device(rank)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")  # for this machine alone
    dist.init_process_group(store=store, rank=rank, world_size=ranks, timeout=TIMEOUT)
    find_recogniser(job.run.recogniser).train(job, tell)
    dist.destroy_process_group()


def _follow(job: Job, rank: int, ranks: int) -> None:
    """Train one run as a rank beside the first, which alone writes and tells."""
    end_with_parent()
    store = _store(job, ranks)
    try:
        _train_as(rank, ranks, store, job, lambda *_: None)
    except Exception as error:
        store.set("failed", failure(error))
        sys.exit(1)


def failure(error: Exception) -> str:
    """Return what went wrong in a training in one line; where in the code is printed when it is ours to mend."""
    if isinstance(error, CalseError):
        return str(error)
    lacking = lacks_memory(error)
    if not lacking:
        traceback.print_exception(error)
    hint = f"; out of memory: {SAVES_MEMORY}" if lacking else ""
    return f"{' '.join(repr(error).split())[:300]}{hint}"
