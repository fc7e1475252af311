"""Clips that a killed stage had finished: called again on the same inputs, it takes them as they are."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from calse.runtime.files import atomic_folder, errors_named_as, explain_disk_errors, sha256_of
from calse.runtime.fingerprint import code
from calse.runtime.locks import locked
from calse.runtime.repository import scratch

Item = TypeVar("Item")
Result = TypeVar("Result")

RECORD = "record.json"


@contextmanager
def resumable(function: Callable[[Item], Result], name: str) -> Iterator[Callable[[Item], Result]]:
    """Yield `function` with a memory that outlives a kill of the stage `name` and goes when the stage is done.

    An item is a dataclass: `folder` is where the function writes its files, the other fields are all that they depend
    on besides the code. The memory has one user: the same stage of an experiment at the same time goes without.
    """
    folder = scratch() / "finished" / name
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder.with_name(f"{name}.lock"), timeout=0))
        except TimeoutError:
            yield function
        else:
            try:
                yield Resumable(function, folder, code())
            finally:
                for half in folder.glob("*/.*.part*"):  # a stage that stops also stops its workers, wherever they are
                    shutil.rmtree(half, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Resumable(Generic[Item, Result]):
    """A function that keeps what it made in a folder, each item under the hash of its fields and of the code."""

    function: Callable[[Item], Result]
    folder: Path
    code: str

    def __call__(self, item: Any) -> Result:
        """Make an item's files and result, or take those that are there."""
        key = repr((self.code, type(item).__qualname__, replace(item, folder=Path())))
        made = self.folder / hashlib.sha256(key.encode()).hexdigest() / "made"
        record = _read(made) or self._make(item, made)
        with explain_disk_errors(item.folder):
            for name in record["files"]:
                _link(made / name, item.folder / name)
        return _type_of_result(self.function).validate_python(record["result"])  # type: ignore[no-any-return]

    def _make(self, item: Any, made: Path) -> dict[str, Any]:
        """Make an item's files and keep them with the result."""
        with atomic_folder(made) as aside, errors_named_as(item.folder, aside):
            result = _type_of_result(self.function).dump_python(self.function(replace(item, folder=aside)))
            record = {"files": {file.name: sha256_of(file) for file in aside.iterdir()}, "result": result}
            (aside / RECORD).write_text(json.dumps(record), encoding="utf-8")
        return record


def _read(made: Path) -> dict[str, Any] | None:
    """Return what is kept of an item; nothing when it is not there or not as it was made, as after a power cut."""
    try:
        record: dict[str, Any] = json.loads((made / RECORD).read_text(encoding="utf-8"))
        whole = all(sha256_of(made / name) == digest for name, digest in record["files"].items())
    except (OSError, ValueError):
        return None
    return record if whole else None


@cache
def _type_of_result(function: Callable[..., Any]) -> Any:
    """Return what turns a function's result into plain values and back, by its annotation."""
    from pydantic import TypeAdapter

    return TypeAdapter(get_type_hints(function)["return"])


def _link(file: Path, target: Path) -> None:
    """Give a file a second name; where the file system has none, copy it."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
