"""Writing files and folders so that nobody ever sees a half-written one."""

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from calse.errors import StarvedError

FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the limit of a file's size is reached",
}
CLOSED = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
}


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its place in one step, on failure it is removed."""
    with shortage_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(path)
        try:
            yield aside
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; on success it replaces `folder`, on failure it is removed."""
    with shortage_named(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = _aside(folder)
        former = aside.with_name(f"{aside.name}.former")
        aside.mkdir()
        try:
            yield aside
            if folder.exists():
                os.replace(folder, former)
            os.replace(aside, folder)
        finally:
            _remove(aside)
            _remove(former)


@contextmanager
def folder_for_now(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that only the user may read; it is removed, after a kill at the next call."""
    with shortage_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = _aside(path)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            _remove(folder)


@contextmanager
def shortage_named(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or closed disk into one line that names the file and what is left."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL | CLOSED:
            raise
        named = error.filename2 or error.filename or ".part"  # of a copy its target
        where = path if ".part" in str(named) else named
        if error.errno in CLOSED:
            raise StarvedError(f"{where}: {CLOSED[error.errno]}; allow it, then run the same command again") from None
        there = next(folder for folder in path.absolute().parents if folder.exists())
        free = shutil.disk_usage(there).free / 1e6
        raise StarvedError(
            f"{where}: {FULL[error.errno]} ({free:.1f} MB are free in {path.parent}); "
            "make room, then run the same command again"
        ) from None


@contextmanager
def locked(path: Path, patience: float = math.inf, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock file, which the system lets go however this process ends; `waiting` is called when it is not free.

    Raises TimeoutError when another process holds it for more than `patience` seconds.
    """
    deadline, told = time.monotonic() + patience, False
    while (file := _lock(path)) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"another process holds {path}")
        if not told:
            waiting()
            told = True
        time.sleep(0.1)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(path: Path) -> IO[str] | None:
    """Return the open lock file when it could be had; one that its former holder has removed counts for nothing."""
    with shortage_named(path):
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


def _aside(path: Path) -> Path:
    """Return a temporary name beside `path`; what killed processes left there under such a name is removed."""
    head = f".{path.stem[:80]}."
    for left in path.parent.iterdir():
        owner = re.match(rf"{re.escape(head)}(\d+)\.part", left.name)
        if owner and (int(owner[1]) == os.getpid() or not _runs(int(owner[1]))):
            _remove(left)
    return path.with_name(f"{head}{os.getpid()}.part{path.suffix}")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON in one step: sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
