"""Writing files and folders so that nobody ever sees a half-written one."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    """Return the hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its place in one step, on failure it is removed."""
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
