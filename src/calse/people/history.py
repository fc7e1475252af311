"""Every version of the study that git and the working tree hold: what DVC recorded, and the tables of clips."""

import csv
import hashlib
import io
import json
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from calse.runtime.errors import CalseError
from calse.runtime.repository import git

TABLES = ("data/manifests/", "data/splits/")
Entry = dict[str, Any]  # of an output or dependency: `path`, and `md5` once it is known
Rows = list[dict[str, str]]
Objects = Callable[[str], bytes | None]


@dataclass(frozen=True)
class State:
    """One version: stages as dvc.lock has them, what .dvc files add, and how the text of a table is read.

    `commits` are those that have it, none for the working tree.
    """

    commits: tuple[str, ...]
    stages: dict[str, Entry]
    added: list[Entry]
    read: Callable[[str], bytes | None]

    def text(self, entry: Entry, objects: Objects) -> str | None:
        """Return the table that an output is, as it was recorded: of this version, or of DVC's cache; else nothing."""
        for data in (self.read(entry["path"]), objects(entry.get("md5", ""))):
            if data is not None and hashlib.md5(data).hexdigest() == entry.get("md5"):
                return data.decode("utf-8", "replace")
        return None


class Tables:
    """Tables of clips and listings of folders as DVC recorded them, each read once; `objects` reads one by its hash."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._listings: dict[str, dict[str, str]] = {}
        self._rows: dict[str, Rows] = {}

    def rows(self, state: State, table: Entry) -> Rows:
        """Return the rows of a table as a version has it; none when its text is nowhere any more."""
        key = f"{table.get('md5')} {table['path']}"
        if key not in self._rows:
            self._rows[key] = rows_of((state.text(table, self.objects) or "").encode())
        return self._rows[key]

    def listing(self, out: Entry) -> dict[str, str]:
        """Return path and hash of the files in a folder of DVC's; none when its listing is nowhere any more."""
        digest = out.get("md5", "")
        if not digest.endswith(".dir"):
            return {}
        if digest not in self._listings:
            data = self.objects(digest)
            self._listings[digest] = {one["relpath"]: one["md5"] for one in json.loads(data or b"[]")}
        return self._listings[digest]


def rows_of(data: bytes) -> Rows:
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(data.decode("utf-8", "replace"))))


def states(root: Path) -> Iterator[State]:
    """Yield the working tree and every commit of branches, tags, experiments, stashes and git's log, each tree once."""
    yield _working_tree(root)
    trees: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for commit in git("rev-list", "--all", "--reflog").split():
        trees.setdefault(tuple(sorted(_listed(commit).items())), []).append(commit)
    contents = _contents({blob for tree in trees for _, blob in tree})
    for tree, commits in trees.items():
        yield _of_commits(commits, {path: contents[blob] for path, blob in tree})


def _working_tree(root: Path) -> State:
    """Return what lies here now, committed or not."""

    def read(path: str) -> bytes | None:
        """Return a file as it lies there, or nothing."""
        file = root / path
        return file.read_bytes() if file.is_file() else None

    files = [file for pattern in ("*.dvc", "*/*.dvc") for file in (root / "data/raw").glob(pattern)]
    added = [entry for file in files for entry in _added(file.relative_to(root), read)]
    return State((), _stages(read("dvc.lock"), "dvc.lock"), added, read)


def _of_commits(commits: list[str], files: dict[str, bytes]) -> State:
    """Return the version that these commits share, by the contents of its files."""
    added = [entry for path in files if path.endswith(".dvc") for entry in _added(Path(path), files.get)]
    return State(tuple(commits), _stages(files.get("dvc.lock"), f"dvc.lock of {commits[0][:8]}"), added, files.get)


def _listed(commit: str) -> dict[str, str]:
    """Return path and blob of what tells, in a commit, who is in what."""
    lines = git("ls-tree", "-r", "-z", commit, "--", "dvc.lock", "data").split("\0")
    kept = {}
    for line in filter(None, lines):
        about, _, path = line.partition("\t")
        if path == "dvc.lock" or path.endswith(".dvc") or path.startswith(TABLES):
            kept[path] = about.split()[2]
    return kept


def _contents(blobs: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of git's blobs by name; one process reads them all, for each start takes milliseconds."""
    names = list(blobs)
    batch = subprocess.run(
        ["git", "cat-file", "--batch"], input="".join(f"{name}\n" for name in names).encode(), capture_output=True
    )
    replies, found = io.BytesIO(batch.stdout), {}
    for name in names:
        size = int(replies.readline().split()[-1])  # of `NAME blob SIZE`; after the bytes comes a line's end
        found[name] = replies.read(size)
        replies.read(1)
    return found


def _stages(data: bytes | None, where: str) -> dict[str, Entry]:
    """Return the stages of a dvc.lock."""
    stages = _parsed(data or b"", where).get("stages", {})
    return stages if isinstance(stages, dict) else {}


def _added(path: Path, read: Callable[[str], bytes | None]) -> list[Entry]:
    """Return what a .dvc file adds, by paths relative to the repository."""
    outs = _parsed(read(path.as_posix()) or b"", path.as_posix()).get("outs", [])
    return [out | {"path": (path.parent / out["path"]).as_posix()} for out in outs]


@cache
def _parsed(data: bytes, where: str) -> dict[str, Any]:
    """Return what a file of DVC holds. Raises CalseError when it is damaged."""
    try:
        return dict(YAML(typ="safe").load(data) or {})  # in C: the file of a study has thousands of lines
    except (YAMLError, TypeError, ValueError):
        raise CalseError(f"{where} is no file of DVC's; restore it: git checkout, or calse unlock") from None
