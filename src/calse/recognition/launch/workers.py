"""Several trainings side by side, each in a process of its own, none outliving this one; or on a cluster."""

import multiprocessing
import sys
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

from calse.recognition.launch.observer import Run
from calse.recognition.launch.ranks import SAVES_MEMORY, failure, ranks_of, train_run
from calse.recognition.registry import find_recogniser
from calse.recognition.training.jobs import Job
from calse.runtime.errors import CalseError
from calse.runtime.executor import on_cluster
from calse.runtime.lifeline import end_with_parent
from calse.runtime.locks import locked

Worker = tuple[Run, BaseProcess]


def run_side_by_side(jobs: Sequence[Job], slots: int, tell: Callable[..., None]) -> None:
    """Train all jobs, `slots` at a time, and pass on what they tell: `tell(kind, run, *details)`.

    A process of its own for each makes a run's result independent of its neighbours. The first failure stops the
    others and is raised as CalseError. On a cluster it has the say how many run at a time.
    """
    if on_cluster():
        from calse.recognition.launch.nodes import train_on_cluster

        train_on_cluster(jobs, partial(_pass_on, tell))
        return
    waiting = list(jobs)
    running: dict[Connection, Worker] = {}
    try:
        while waiting or running:
            while waiting and len(running) < slots:
                connection, worker = _start(waiting.pop(0))
                running[connection] = worker
            for ready in wait(list(running)):
                _receive(cast(Connection, ready), running, tell)
    finally:
        for _, process in running.values():
            process.terminate()
        for _, process in running.values():
            process.join()


def _start(job: Job) -> tuple[Connection, Worker]:
    """Fork a worker from a server that has imported torch and never used it: only then does torch survive a fork."""
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload([find_recogniser(job.run.recogniser).needs])
    ours, theirs = context.Pipe(duplex=False)
    ranks = ranks_of(job.run.recogniser, job.settings)
    process = context.Process(target=_train, args=(job, ranks, theirs), daemon=ranks == 1)  # a daemon may start none
    try:
        process.start()
    except (EOFError, ConnectionError):  # the server died
        raise CalseError(f"{job.run}: its process does not start; out of memory? set CALSE_WORKERS=1") from None
    theirs.close()
    return ours, (job.run, process)


def _receive(connection: Connection, running: dict[Connection, Worker], tell: Callable[..., None]) -> None:
    """Pass one message on. Raises CalseError when the run failed or its process died."""
    run, process = running[connection]
    try:
        kind, *details = connection.recv()
    except EOFError:
        del running[connection]
        process.join()
        if process.exitcode:
            hint = f"out of memory? {SAVES_MEMORY}"
            raise CalseError(f"{run}: its process died with code {process.exitcode}; {hint}") from None
        return
    if kind == "failed":
        raise CalseError(f"{run}: {details[0]}")
    _pass_on(tell, kind, run, *details)


def _pass_on(tell: Callable[..., None], kind: str, run: Run, *details: Any) -> None:
    """Hand on one message; that a run waits for another process is for the terminal alone."""
    if kind == "waiting":
        print(f"{run}: another process trains it; waiting", file=sys.stderr)
    else:
        tell(kind, run, *details)


def _train(job: Job, ranks: int, connection: Connection) -> None:
    """Train one run in this process, telling over the connection."""
    end_with_parent()
    try:
        with locked(job.lock, waiting=lambda: connection.send(("waiting",))):
            train_run(job, ranks, lambda *message: connection.send(message))
    except Exception as error:
        connection.send(("failed", failure(error)))
