"""Work on the nodes of a Ray cluster, for CALSE_EXECUTOR=ray: the same functions on the same files, so equal results.

Files go over a file system that every node has under the same path; only small records travel through Ray.
"""

import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from calse.runtime.errors import CalseError
from calse.runtime.files import owner, remove_left
from calse.runtime.repository import in_repository

DEFAULT_ADDRESS = "127.0.0.1:6379"  # where `ray start --head` listens
PORT_TIMEOUT = 5  # seconds for a port to answer; Ray itself waits for ten minutes
RETRIES = 3  # of what a dead process or node was at; without a limit a clip that exhausts memory goes round for ever
PASSED = ("CALSE_", "DVC_", "MLFLOW_", "OMP_")  # variables that nodes need too: Ray takes none along
SETTINGS = {  # of Ray, unless the environment has others
    "grpc_client_keepalive_time_ms": 10000,  # it notices after 7 minutes only that a host's network has gone
    "grpc_client_keepalive_timeout_ms": 20000,
    "task_oom_retries": RETRIES,  # it counts those that its memory monitor ends apart, and without a limit
}
WATCH_INTERVAL = 5.0  # seconds between two looks at the nodes
NODES_TIMEOUT = 300.0  # seconds without any node at work before a stage gives up; who replaces a node takes a while
NEEDED = "every node needs the same folder, the same packages and the same version of Python"


@cache
def connect() -> Any:
    """Return Ray, connected to the cluster at RAY_ADDRESS or on this host. Raises CalseError when there is none."""
    handler = signal.getsignal(signal.SIGTERM)
    for name, value in SETTINGS.items():
        os.environ.setdefault(f"RAY_{name}", str(value))
    try:
        import ray
    except ImportError:
        raise CalseError('CALSE_EXECUTOR=ray needs the extra "cluster": make extras') from None
    address = os.environ.get("RAY_ADDRESS") or DEFAULT_ADDRESS
    _ask_port(address)
    variables = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    variables |= {"CALSE_EXECUTOR": "local", "CALSE_WORKS_FOR": owner()}
    variables["PYTHONPATH"] = os.pathsep.join(
        str(Path(part).resolve()) for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part
    )
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": variables})
    except Exception as error:
        why = " ".join(str(error).split())[:400]
        raise CalseError(
            f"the Ray cluster at {address} does not take this process: {why}; its version, its token and "
            "RAY_AUTH_MODE must be the same here"
        ) from None
    # Else Ray writes a page to stdout about each dead process, which we tell in a line.
    ray._private.worker._worker_logs_enabled = False
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # Ray's own ends a process with nothing put in order
    return ray


def _ask_port(address: str) -> None:
    """Raise CalseError when nothing listens at an address."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), PORT_TIMEOUT).close()
    except (OSError, ValueError):
        raise CalseError(
            f"CALSE_EXECUTOR=ray, but no Ray cluster answers at {address}; start one with: ray start --head, "
            "or set RAY_ADDRESS=HOST:PORT"
        ) from None


def remote(ray: Any, **options: Any) -> Callable[..., Any]:
    """Return what starts `function(*arguments, *handles)` somewhere in the cluster and gives a reference to its result.

    `options` are those of a Ray task. `result_of` reads the result.
    """

    # Defined here, for Ray then sends its code along: a node that cannot import this package is able to say so.
    def work(folder: str, shared: str, call: bytes, *handles: Any) -> tuple[bool, Any, set[Path]]:
        """Return whether this node has the folder, the call's result or the reason, and the folders it wrote in."""
        import os
        import pickle
        import socket

        if not os.path.exists(shared):  # noqa: PTH110  # an empty mount point is a folder too
            return False, f"the node {socket.gethostname()} has no {shared}", set()
        os.chdir(folder)
        from calse.runtime.files import take_folders

        function, arguments = pickle.loads(call)
        result = function(*arguments, *handles)
        return True, result, take_folders()

    task = ray.remote(max_retries=RETRIES, **options)(work)
    folder = str(Path.cwd())
    shared = str(Path("dvc.yaml" if in_repository() else "").absolute())
    return lambda function, *arguments, handles=(): task.remote(
        folder, shared, pickle.dumps((function, arguments)), *handles
    )


def result_of(outcome: tuple[bool, Any, set[Path]], folders: set[Path]) -> Any:
    """Return a task's result and note the folders in which it wrote. Raises CalseError when its node lacks ours."""
    there, result, written = outcome
    if not there:
        raise CalseError(f"{result}: {NEEDED}")
    folders |= written
    return result


def in_our_words(error: Exception, what: str = "") -> Exception:
    """Return the error of a task as it would have been on this machine; `what` stands before what Ray says."""
    import ray

    if isinstance(error, ray.exceptions.RayTaskError):
        cause = getattr(error, "cause", None) or error
        if isinstance(cause, ImportError):
            return CalseError(f"{what}a node cannot run it ({cause}): {NEEDED}")
        if not isinstance(cause, CalseError):
            cause.__cause__ = RuntimeError(str(error))  # where in the code it was, for ours to mend
        return cause  # type: ignore[no-any-return]
    tries = f"{what}its process or node died {RETRIES + 1} times"
    if isinstance(error, ray.exceptions.OutOfMemoryError | ray.exceptions.WorkerCrashedError):
        return CalseError(f"{tries}; out of memory? start nodes with fewer cores: ray start --num-cpus=N")
    if isinstance(error, ray.exceptions.RayError):
        return CalseError(f"{tries}; last: {' '.join(str(error).split())[:300]}")
    return error


class Watch:
    """Looks whether the cluster has nodes to work on: Ray itself waits for one without end."""

    def __init__(self, ray: Any) -> None:
        self.ray, self.met = ray, time.monotonic()

    def look(self) -> None:
        """Raise CalseError when no node had a core for a while."""
        if self.ray.cluster_resources().get("CPU"):
            self.met = time.monotonic()
        elif time.monotonic() - self.met > NODES_TIMEOUT:
            raise CalseError(
                f"no node of the Ray cluster is left, for {NODES_TIMEOUT / 60:.0f} minutes now; start nodes and run it "
                "again: it goes on where it stopped"
            )


def cancel(ray: Any, references: list[Any]) -> None:
    """End tasks and wait until they have ended."""
    for reference in references:
        ray.cancel(reference, force=True)
    if references:
        ray.wait(references, num_returns=len(references), timeout=10)


class Cluster(Executor):
    """The cluster as an executor: what is submitted runs on a free core of any node, again when that node dies."""

    def __init__(self, description: str) -> None:
        self._ray = connect()
        self._description = description
        self._start = remote(self._ray)
        self._references: list[Any] = []
        self._futures: list[Future[Any]] = []
        self._ended = threading.Event()
        self._folders: set[Path] = set()
        if not self._ray.cluster_resources().get("CPU"):
            raise CalseError(f"{description}: no node of the Ray cluster has a core to give; ray start --num-cpus=N")
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        """Give up what waits when no node is left."""
        watch = Watch(self._ray)
        while not self._ended.wait(WATCH_INTERVAL):
            try:
                watch.look()
            except Exception as error:
                for future in self._futures:
                    with suppress(InvalidStateError):  # which one that has its result is in
                        future.set_exception(error)
                return

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Send a picklable call to the cluster. Its future raises what the call raises, as on this machine."""
        reference = self._start(partial(function, **named) if named else function, *arguments)
        self._references.append(reference)
        future: Future[Any] = Future()
        self._futures.append(future)
        reference.future().add_done_callback(partial(self._settle, future))
        return future

    def _settle(self, future: "Future[Any]", done: "Future[Any]") -> None:
        """Pass the outcome of a task on to the future that stands for it."""
        with suppress(InvalidStateError):  # given up before
            try:
                future.set_result(result_of(done.result(), self._folders))
            except Exception as error:
                future.set_exception(in_our_words(error, f"{self._description}: "))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End what is still at work, and remove what dead processes left half-written."""
        self._ended.set()
        if cancel_futures:
            cancel(self._ray, self._references)
        self._references.clear()
        remove_left(self._folders)
