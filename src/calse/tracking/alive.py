"""Which runs are still being trained: each holds a locked file, which the system unlocks however its process ends."""

import fcntl
import os
from pathlib import Path
from typing import IO, Any

from calse.tracking.store import store_folder


def hold(run_id: str) -> IO[str]:
    """Mark a run as alive for as long as the returned file stays open."""
    path = _path(run_id)
    path.parent.mkdir(exist_ok=True)
    file = open(path, "w")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return file


def release(run_id: str, file: IO[str]) -> None:
    """Mark a run as ended."""
    _path(run_id).unlink(missing_ok=True)
    file.close()


def is_alive(run_id: str) -> bool:
    """Say whether a run is still being trained; in a store that is shared, what another machine trains counts too."""
    try:
        with open(_path(run_id)) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return "MLFLOW_TRACKING_URI" in os.environ
    except BlockingIOError:
        return True
    _path(run_id).unlink(missing_ok=True)
    return False


def is_dead(run: Any) -> bool:
    """Say whether an MLflow run was killed: it says that it runs, and nothing trains it."""
    return run.info.status == "RUNNING" and not is_alive(run.info.run_id)


def _path(run_id: str) -> Path:
    return store_folder() / "alive" / run_id
