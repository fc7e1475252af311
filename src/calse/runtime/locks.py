"""Lock files: one process at a time, on every node that shares the folder."""

import fcntl
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from calse.runtime.files import explain_disk_errors


@contextmanager
def locked(path: Path, timeout: float = math.inf, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file, which the system lets go however this process ends; `waiting` is called when it is not free.

    Raises TimeoutError when another process holds it for more than `timeout` seconds.
    """
    deadline, announced = time.monotonic() + timeout, False
    while (file := _lock(path)) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"another process holds {path}")
        if not announced:
            waiting()
            announced = True
        time.sleep(0.1)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str] | None:
    """Return the open lock file when it could be had; one that its former holder has removed counts for nothing."""
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "w")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None
