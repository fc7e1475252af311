"""Clips that a killed stage had finished: called again on the same inputs, it takes them as they are."""

import hashlib
import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from ruamel.yaml import YAML

from calse.runtime.files import folder_written_aside, sha256_of, shortage_named
from calse.runtime.fingerprint import meaning_of
from calse.runtime.locks import locked
from calse.runtime.repository import scratch

Item = TypeVar("Item")
Result = TypeVar("Result")

RECORD = "record.json"
PACKAGE = Path(__file__).parents[1]
TRAINING = {"av", "decord", "eva_decord", "numpy", "opencv_python_headless", "torch", "torchvision"}  # packages


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
        with shortage_named(item.folder):
            for name in record["files"]:
                _link(made / name, item.folder / name)
        return _type_of_result(self.function).validate_python(record["result"])  # type: ignore[no-any-return]

    def _make(self, item: Any, made: Path) -> dict[str, Any]:
        """Make an item's files and keep them with the result."""
        with folder_written_aside(made) as aside:
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


def code(files: Iterable[Path] | None = None, packages: Container[str] | None = None) -> str:
    """Return a hash of this project's code, Python and the installed packages: another may make other bytes.

    `files` (folders stand for all Python in them) and `packages` narrow it down to what shapes something; of `files`
    comments and messages do not count either. Of the whole code every byte does: parsing it takes a third of a second.
    """
    digest = hashlib.sha256(sys.version.encode())
    given = [PACKAGE] if files is None else files
    for path in sorted(path for file in given for path in (file.rglob("*.py") if file.is_dir() else [file])):
        content = path.read_bytes() if files is None else meaning_of([path]).encode()
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + content)
    installed = {path.stem for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info")}
    chosen = sorted(name for name in installed if packages is None or name.partition("-")[0] in packages)
    return hashlib.sha256(f"{digest.hexdigest()} {' '.join(chosen)}".encode()).hexdigest()


def code_of_stage(stage: str, **items: str) -> list[Path]:
    """Return the code that dvc.yaml lists for a stage: what shapes its output. `items` are those of its matrix."""
    root = PACKAGE.parents[1]
    stages = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = [dep for dep in stages[stage].get("do", stages[stage])["deps"] if dep.startswith("src/")]
    return [root / re.sub(r"\$\{item\.(\w+)\}", lambda found: items[found[1]], dep) for dep in deps]
