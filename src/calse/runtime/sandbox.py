"""Work on foreign files in processes that may die: a hostile file costs one clip, never the run."""

import multiprocessing
import queue
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Generic, TypeVar

from calse.runtime.errors import CalseError, StarvedError, lacks_memory
from calse.runtime.executor import map_parallel, on_cluster, progress_bar, worker_count
from calse.runtime.lifeline import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

MEMORY = 2 * 1024**3  # bytes one file may take: 4K video needs a tenth
CLOCK_FACTOR = 10  # how many times its CPU time a file may take by the clock: others use this machine too
OTHERS_SIGNALS = (-signal.SIGKILL, -signal.SIGTERM)  # no decoder dies of these by itself


def _nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Refused:
    """An item whose work failed, and why."""

    reason: str


@dataclass(frozen=True)
class _Failed:
    """What may be the fault of a process that has served others: its memory is in pieces, or used up."""

    reason: str


@dataclass(frozen=True)
class _Bug:
    """An error that is ours and not the file's."""

    text: str


def map_sandboxed(
    function: Callable[[Item], Result], items: Sequence[Item], description: str, seconds: float
) -> list[Result | Refused]:
    """Apply a picklable function to every item in killable processes; return results in the items' order.

    An item gives Refused when the function raises CalseError, takes over `seconds` of CPU time or CLOCK_FACTOR times
    that by the clock, over MEMORY bytes, or brings its process down; the others go on. Processes serve many items and
    start anew after a death; only a new one may refuse an item for its memory or its death. Raises StarvedError when
    somebody else ended a process: the file may be sound.
    """
    if on_cluster():
        return map_parallel(partial(_run_in_worker, function, seconds), items, description)
    sandbox = Sandbox(function, seconds, min(worker_count(), len(items)))
    try:
        return sandbox.map(items, description)
    finally:
        sandbox.stop()


class Sandbox(Generic[Item, Result]):
    """Killable processes that apply a function to items, each within so many seconds of CPU time; see map_sandboxed.

    `prepare` is called in every new process before the first item comes. Whoever wants nothing of one item to be there
    when the next one comes gives them to different sandboxes.
    """

    def __init__(
        self,
        function: Callable[[Item], Result],
        seconds: float,
        processes: int,
        prepare: Callable[[], object] = _nothing,
    ) -> None:
        self._workers = [_Worker(function, seconds, prepare) for _ in range(max(1, processes))]

    def start(self) -> None:
        """Start the processes now, which else start when they are needed; return at once."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.stop()

    def kill(self) -> None:
        """End the processes under whoever waits for their results."""
        for worker in self._workers:
            worker.kill()

    def map(self, items: Sequence[Item], description: str) -> list[Result | Refused]:
        """Return the function's results in the items' order, with progress."""
        free: queue.SimpleQueue[_Worker[Item, Result]] = queue.SimpleQueue()
        for worker in self._workers:
            free.put(worker)

        def run(item: Item) -> Result | Refused:
            """Apply the function in a free process."""
            worker = free.get()
            try:
                return worker.run(item)
            finally:
                free.put(worker)

        with progress_bar() as progress, ThreadPoolExecutor(len(self._workers)) as threads:
            try:
                futures = [threads.submit(run, item) for item in items]
                return [future.result() for future in progress.track(futures, description=description)]
            except BaseException:  # let the threads go: they wait for these processes
                threads.shutdown(wait=False, cancel_futures=True)
                self.kill()
                raise


def _run_in_worker(function: Callable[[Item], Result], seconds: float, item: Item) -> Result | Refused:
    """Apply the function in a process of its own beside this worker of a cluster, and with which it ends."""
    worker: _Worker[Item, Result] = _own_worker(function, seconds)
    return worker.run(item)


@cache
def _own_worker(function: Callable[[Item], Result], seconds: float) -> "_Worker[Item, Result]":
    """Return the process that serves this worker of a cluster, the same one for all its items."""
    return _Worker(function, seconds, _nothing)


class _Worker(Generic[Item, Result]):
    """One process and the pipe to it, started when first needed."""

    def __init__(self, function: Callable[[Item], Result], seconds: float, prepare: Callable[[], object]) -> None:
        self._function, self._seconds, self._prepare = function, seconds, prepare
        self._process: multiprocessing.process.BaseProcess | None = None

    def run(self, item: Item) -> Result | Refused:
        """Return the result of the process, or why there is none."""
        served_others = self._process is not None and self._process.is_alive()
        outcome = self._send(item)
        if served_others and isinstance(outcome, _Failed):
            self.stop()
            outcome = self._send(item)
        if isinstance(outcome, StarvedError):
            raise outcome
        if isinstance(outcome, _Bug):
            raise RuntimeError(outcome.text)
        return Refused(outcome.reason) if isinstance(outcome, _Failed) else outcome

    def _send(self, item: Item) -> Result | Refused | StarvedError | _Failed | _Bug:
        """Send an item to the process, started when none is alive, and return its result or why it died."""
        if self._process is None or not self._process.is_alive():
            self.start()
        try:
            self._pipe.send(item)
            return self._pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            return self._cause_of_death()

    def kill(self) -> None:
        """End the process under the thread that waits for its result."""
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the process and forget it."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None

    def start(self) -> None:
        """Start a process, in the place of one that is there."""
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        args = theirs, self._function, self._seconds, self._prepare
        self._process = context.Process(target=_serve, args=args, daemon=True)
        self._process.start()
        theirs.close()

    def _cause_of_death(self) -> Refused | _Failed:
        """Return why the process died. Raises StarvedError when somebody else ended it."""
        assert self._process is not None
        self._process.join(5)
        code = self._process.exitcode
        self.stop()
        if code == -signal.SIGPROF:
            return Refused(f"took over {self._seconds:g} s of CPU time")
        if code == -signal.SIGALRM:
            return Refused(f"did not end within {CLOCK_FACTOR * self._seconds:g} s")
        if code in OTHERS_SIGNALS:
            raise StarvedError("a process that reads videos was killed; out of memory? set CALSE_WORKERS=1")
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return _Failed(f"brought its decoder down ({how})")


def _serve(pipe: Connection, function: Callable[[Item], Result], seconds: float, prepare: Callable[[], object]) -> None:
    """Work on items until the pipe closes. The timers' default is to kill, in native code too."""
    end_with_parent()
    _limit_memory()
    prepare()
    with suppress(EOFError):
        while True:
            item = pipe.recv()
            _set_timers(seconds)
            outcome = _outcome_of(function, item)
            _set_timers(0)
            pipe.send(outcome)


def _set_timers(seconds: float) -> None:
    """Let this process die after so many seconds of CPU time, or CLOCK_FACTOR times that by the clock; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, CLOCK_FACTOR * seconds)


def _outcome_of(function: Callable[[Item], Result], item: Item) -> Result | Refused | StarvedError | _Failed | _Bug:
    """Apply the function; return its result, or why there is none."""
    try:
        return function(item)
    except StarvedError as error:
        return error
    except CalseError as error:
        return Refused(str(error))
    except Exception as error:
        if lacks_memory(error):
            return _Failed(f"takes over {MEMORY // 1024**3} GiB of memory")
        return _Bug(traceback.format_exc())


def _limit_memory() -> None:
    """Bound the address space to what the process has now and MEMORY more, where the system can."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        limit = int(statm.read_text().split()[0]) * resource.getpagesize() + MEMORY
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
