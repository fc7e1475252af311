"""The repository: its root, git, and where MLflow's store and scratch folder lie, which outlive DVC's workspaces."""

import os
import subprocess
from pathlib import Path

_HERE: list[str] = []  # the user's working directory relative to the root, once a command has gone to the root


def enter_root() -> None:
    """Go to the root of the repository that the user stands in, as git and dvc do; outside of any, stay."""
    start = Path.cwd()
    root = next((folder for folder in (start, *start.parents) if (folder / "dvc.yaml").is_file()), start)
    if root != start:
        os.chdir(root)
        _HERE[:] = [start.relative_to(root).as_posix()]


def in_repository() -> bool:
    """Say whether this is the root of a study, where its commands may write."""
    return Path("dvc.yaml").is_file()


def from_root(path: str) -> Path:
    """Return a path that the user gave relative to their working directory, relative to the root."""
    return Path(*_HERE, path)


def git(*arguments: str) -> str:
    """Return what a git command prints, or nothing outside git."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main_repository() -> Path:
    """Return the absolute root of the main repository, also from inside a temporary DVC workspace."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def scratch() -> Path:
    """Return the folder for what can always be made again: decoded frames, resumable training states."""
    return main_repository() / ".scratch"
