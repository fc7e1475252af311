"""Clips that a killed stage had finished: called again on the same inputs, it takes them as they are."""

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from calse.files import folder_written_aside, locked, shortage_named
from calse.layout import scratch

Item = TypeVar("Item")
Result = TypeVar("Result")

RESULT = "result.json"


@contextmanager
def resumable(function: Callable[[Item], Result], name: str) -> Iterator[Callable[[Item], Result]]:
    """Yield `function` with a memory that outlives a kill of the stage `name` and goes when the stage is done.

    An item is a dataclass: `folder` is where the function writes its files, the other fields are all that they depend
    on besides the code. The memory has one user: the same stage of an experiment at the same time goes without.
    """
    folder = scratch() / "finished" / name
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder.with_name(f"{name}.lock"), patience=0))
        except TimeoutError:
            yield function
        else:
            yield Resumable(function, folder, code())
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
        if not made.is_dir():
            with folder_written_aside(made) as aside:
                result = self.function(replace(item, folder=aside))
                text = json.dumps(_type_of_result(self.function).dump_python(result))
                (aside / RESULT).write_text(text, encoding="utf-8")
        with shortage_named(item.folder):
            for file in made.iterdir():
                if file.name != RESULT:
                    _link(file, item.folder / file.name)
        text = (made / RESULT).read_text(encoding="utf-8")
        return _type_of_result(self.function).validate_python(json.loads(text))  # type: ignore[no-any-return]


@cache
def _type_of_result(function: Callable[..., Any]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(get_type_hints(function)["return"])


def _link(file: Path, target: Path) -> None:
    """Give a file a second name; where the file system has none, copy it."""
    target.unlink(missing_ok=True)
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def code() -> str:
    """Return a hash of this project's code, Python and the installed packages: another may make other bytes."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    return digest.hexdigest() + hashlib.sha256(" ".join(sorted(path.name for path in packages)).encode()).hexdigest()
