"""Which runs are still being trained: each holds a locked file, which the system unlocks however its process ends."""

import fcntl
from pathlib import Path
from typing import IO, Any

from calse.tracking.store import given_uri, store_folder


def hold(run_id: str) -> IO[str]:
    """Mark a run as alive for as long as the returned file stays open."""
    path = _path(run_id)
    path.parent.mkdir(exist_ok=True)
    file = open(path, "w")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def forget(run_id: str) -> None:
    """Remove the mark of a run whose end stands in the store."""
    _path(run_id).unlink(missing_ok=True)


def is_alive(run: Any) -> bool:
    """Say whether an MLflow run says that it runs, and something trains it."""
    return run.info.status == "RUNNING" and _is_held(run.info.run_id)


def is_dead(run: Any) -> bool:
    """Say whether an MLflow run was killed: it says that it runs, and nothing trains it."""
    return run.info.status == "RUNNING" and not _is_held(run.info.run_id)


def _is_held(run_id: str) -> bool:
    """Say whether a process holds a run's mark; in a store that is shared, a run without one is another machine's."""
    try:
        with open(_path(run_id)) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return bool(given_uri())
    except BlockingIOError:
        return True
    return False


def _path(run_id: str) -> Path:
    return store_folder() / "alive" / run_id
