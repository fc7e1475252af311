"""A study that is started again and again, and what must be true of it in the end."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torture.toy import differences, environment, leftovers


def git(root: Path) -> None:
    """Make a folder a git repository."""
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


@contextmanager
def started(root: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start `dvc repro` in a process group of its own, which ends with this; what it says goes into a log beside."""
    with open(root.parent / f"{root.name}.log", "a") as log:
        variables, command = environment(**more), ["dvc", "repro"]
        running = subprocess.Popen(
            command, cwd=root, env=variables, stdout=log, stderr=log, text=True, start_new_session=True
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()


def faults_of(root: Path, expected: dict[str, str]) -> list[str]:
    """Hold a killed study against the undisturbed one: bytes, temporary files, locks, runs, nothing left to do."""
    faults = differences(root, expected)
    faults += [f"left over: {name}" for name in leftovers(root)]
    faults += [f"run not finished: {name} is {status}" for name, status in unfinished_runs(root)]
    # dvc drops the entries of dead processes in its lock file when they are in the way: then this must not stop
    again = subprocess.run(["dvc", "repro"], cwd=root, env=environment(), capture_output=True, text=True)
    if again.returncode or "Running stage" in again.stdout:
        faults.append(f"a second dvc repro had work to do: {again.stdout[-500:]}{again.stderr[-500:]}")
    return faults


def unfinished_runs(root: Path) -> list[tuple[str, str]]:
    """Return the MLflow runs that are not FINISHED."""
    if not (root / "mlruns/mlflow.db").is_file():
        return [("the store", "missing")]
    with sqlite3.connect(root / "mlruns/mlflow.db") as store:
        rows = store.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active' AND status != 'FINISHED'")
        return [(str(name), str(status)) for name, status in rows]
