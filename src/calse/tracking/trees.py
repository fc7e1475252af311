"""The repository's files, read the same way from the working tree and from a DVC experiment."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any, Protocol

from calse.runtime.errors import CalseError

UNTRACKED = ("__pycache__", ".pyc")


def parsed(content: bytes, path: str) -> Any:
    """Return what a JSON file holds. Raises CalseError naming it when it is damaged."""
    try:
        return json.loads(content)
    except ValueError:
        raise CalseError(f"{path} is damaged; remove it, then: dvc checkout, or dvc repro") from None


class Tree(Protocol):
    """Paths are relative to the repository's root, with forward slashes."""

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when it is not there."""

    def files(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted; none when it is not there."""


class Workspace:
    """What lies in the working tree."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when it is not there."""
        file = self.root / path
        return file.read_bytes() if file.is_file() else None

    def files(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted; none when it is not there."""
        found = (file for file in (self.root / folder).rglob("*") if file.is_file())
        return sorted(file.relative_to(self.root).as_posix() for file in found)


class Revision:
    """What a revision holds, in git or in DVC's cache; nothing is fetched from a remote."""

    def __init__(self, revision: str) -> None:
        from dvc.api import DVCFileSystem  # type: ignore[import-untyped]

        self.system: Any = DVCFileSystem(rev=revision)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None when it is neither in git nor in DVC's cache."""
        try:
            return bytes(self.system.read_bytes(f"/{path}"))
        except (OSError, ValueError):
            return None

    def files(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted; none when it is not there."""
        return sorted(path.lstrip("/") for path in self.system.find(f"/{folder}"))


def md5_of(tree: Tree, path: str) -> str | None:
    """Return the md5 that DVC gives a file or folder, or None when it is not there.

    A folder's is the md5 of the list of its files, with `.dir` behind it.
    """
    content = tree.read(path)
    if content is not None:
        return _md5(content)
    files = [file for file in tree.files(path) if not file.endswith(UNTRACKED[1]) and UNTRACKED[0] not in file]
    entries = [{"md5": _md5(tree.read(file) or b""), "relpath": file.removeprefix(f"{path}/")} for file in files]
    listing = sorted(entries, key=lambda entry: entry["relpath"])
    return f"{_md5(json.dumps(listing, sort_keys=True).encode())}.dir" if listing else None


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def git(*arguments: str) -> str:
    """Return what a git command prints, or nothing outside git."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def experiments() -> dict[str, str]:
    """Return the commit of every DVC experiment of this repository, by name."""
    refs = (line.split() for line in git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").splitlines())
    return {
        ref.split("/")[4]: commit for ref, commit in refs if len(ref.split("/")) == 5 and len(ref.split("/")[2]) == 2
    }
