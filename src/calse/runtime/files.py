"""Writing files and folders so that nobody ever sees a half-written one."""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from calse.runtime.errors import CalseError, StarvedError

NO_SPACE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the limit of a file's size is reached",
}
NO_ACCESS = {
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
}
_WRITTEN_IN: set[Path] = set()
FORMER = ".former"  # ends the name of the folder that keeps what is about to be replaced


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its place in one step, on failure it is removed."""
    with explain_disk_errors(path):
        aside = _aside(path)
        try:
            with errors_named_as(path, aside):
                yield aside
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `folder`; on success it replaces `folder`, on failure it is removed.

    The former version is kept until the new one stands. A kill between the two steps leaves it beside its place, and
    the next call, or `calse unlock`, puts it back.
    """
    with explain_disk_errors(folder):
        aside = _aside(folder)
        former = _former_of(aside)
        try:
            aside.mkdir()
            with errors_named_as(folder, aside):
                yield aside
            _replace_folder(folder, aside, former)
        finally:
            put_back(former)
            _remove(aside)


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that only the user may read; it is removed, after a kill at the next one."""
    with explain_disk_errors(path):
        folder = _aside(path)
        try:
            folder.mkdir(mode=0o700)
            yield folder
        finally:
            _remove(folder)


@contextmanager
def errors_named_as(path: Path, aside: Path) -> Iterator[None]:
    """Let an error name a file or folder as what it was to become: the temporary one is gone when it is read."""
    try:
        yield
    except CalseError as error:
        if str(aside) not in str(error):
            raise
        raise type(error)(str(error).replace(str(aside), str(path))) from None


@contextmanager
def explain_disk_errors(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or closed disk into one line that names the file and what is left."""
    try:
        yield
    except Exception as error:
        number = _number_of(error)
        if number not in NO_SPACE | NO_ACCESS:
            raise
        # Of a copy its target; a library in Rust names no file.
        named = getattr(error, "filename2", None) or getattr(error, "filename", None) or ".part"
        where = path if ".part" in str(named) else named
        if number in NO_ACCESS:
            raise StarvedError(f"{where}: {NO_ACCESS[number]}; allow it, then run the same command again") from None
        there = next(folder for folder in path.absolute().parents if folder.exists())
        free = shutil.disk_usage(there).free / 1e6
        raise StarvedError(
            f"{where}: {NO_SPACE[number]} ({free:.1f} MB are free in {path.parent}); "
            "free some space, then run the same command again"
        ) from None


def _number_of(error: Exception) -> int:
    """Return the number of the system's error, also where safetensors tells it in words; 0 of any other error."""
    if isinstance(error, OSError):
        return error.errno or 0
    told = re.search(r"\(os error (\d+)\)", str(error))
    return int(told[1]) if told else 0


def _aside(path: Path) -> Path:
    """Return a free temporary name beside `path`, whose folder is made; what killed processes left there is swept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent.absolute())
    aside = path.with_name(f".{path.stem[:40]}.{owner()}.part{path.suffix}")
    put_back(_former_of(aside))
    _remove(aside)
    return aside


@cache
def _sweep(folder: Path) -> None:
    """Remove what killed processes of this host left in a folder; once a process, for a folder may hold many files."""
    _WRITTEN_IN.add(folder)
    for left in list(folder.iterdir()):
        mark = re.search(rf"^\..*?\.{host()}-(\d+)(\.\w+-\d+)?\.part", left.name)
        if mark and int(mark[1]) != os.getpid() and not is_running(int(mark[1])):
            with suppress(FileNotFoundError):  # another process sweeps here too
                put_back(left) if left.name.endswith(FORMER) else _remove(left)


def owner() -> str:
    """Return the mark of who writes: this process, after the one elsewhere that it works for on a cluster."""
    boss = os.environ.get("CALSE_WORKS_FOR")
    return f"{boss}.{host()}-{os.getpid()}" if boss else f"{host()}-{os.getpid()}"


def take_folders() -> set[Path]:
    """Return the folders in which this process has begun to write since the last call."""
    taken = set(_WRITTEN_IN)
    _WRITTEN_IN.clear()
    return taken


def remove_left(folders: Iterable[Path]) -> None:
    """Remove what processes that worked for this one left half-written in folders, now that none is at work."""
    for folder in folders:
        for left in folder.glob(f".*.{owner()}.*.part*"):
            _remove(left)


@cache
def host() -> str:
    """Return a mark of this host and its process namespace: on a shared disk a process id means nothing elsewhere."""
    space = Path("/proc/self/ns/pid")
    number = space.stat().st_ino if space.exists() else 0
    return hashlib.sha256(f"{socket.gethostname()} {number}".encode()).hexdigest()[:8]


def is_running(process: int) -> bool:
    """Say whether this host has a process of that id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _former_of(aside: Path) -> Path:
    """Return the folder that keeps, under its own name, what a new folder is about to replace."""
    return aside.with_name(f"{aside.name}{FORMER}")


def _replace_folder(folder: Path, aside: Path, former: Path) -> None:
    """Move `folder` into `former` and `aside` into its place; again when another process was quicker in between."""
    while True:
        if os.path.lexists(folder):
            former.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                os.replace(folder, former / folder.name)
        if _moved(aside, folder):
            return
        put_back(former)


def put_back(former: Path) -> bool:
    """Move a folder that nothing has replaced back into its place and say so; one that was replaced is removed."""
    back = False
    if former.is_dir():
        for old in list(former.iterdir()):
            back = _moved(old, former.with_name(old.name))
        gone = former.with_name(former.name.removesuffix(FORMER) + ".gone")  # half of a folder must not come back
        _remove(gone)
        os.replace(former, gone)
        _remove(gone)
    return back


def _moved(source: Path, place: Path) -> bool:
    """Rename a folder and say so, unless another one stands in that place."""
    if os.path.lexists(place):
        return False
    try:
        os.replace(source, place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step."""
    with atomic_file(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON in one step: sorted keys, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
