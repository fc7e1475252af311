"""Where DVC keeps objects: its cache and every configured remote. What is there is looked up, read and removed."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calse.runtime.errors import CalseError
from calse.tracking.place import without_password

if TYPE_CHECKING:
    from dvc.repo import Repo  # type: ignore[import-untyped]


HASH = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")


@dataclass(frozen=True)
class Place:
    """The cache or a remote; `runs` is the folder of what DVC notes of finished runs, which names hashes."""

    name: str
    odb: Any
    runs: str

    def present(self, digests: Collection[str]) -> set[str]:
        """Return which objects are here. Raises CalseError when the place is out of reach."""
        with self._reached():
            return {digest for digest in self._listed() if digest in digests}

    def read(self, digest: str) -> bytes | None:
        """Return an object, or nothing when it is not here."""
        with self._reached():
            try:
                return bytes(self.odb.fs.cat_file(self.odb.oid_to_path(digest)))
            except FileNotFoundError:
                return None

    def remove(self, digests: Collection[str]) -> int:
        """Remove objects and the notes that name one of them; return how many files that were."""
        with self._reached():
            files = [self.odb.oid_to_path(digest) for digest in self.present(digests)]
            files += [path for path, named in self._notes() if named & set(digests)]
            for start in range(0, len(files), 500):
                self.odb.fs.remove(files[start : start + 500])
        return len(files)

    def left(self, digests: Collection[str]) -> int:
        """Return how many of these objects, and of the notes that name one, are still here: a new listing says so."""
        with self._reached():
            self.odb.fs.fs.invalidate_cache()
            notes = sum(bool(named & set(digests)) for _, named in self._notes())
            return len(self.present(digests)) + notes

    def _listed(self) -> Iterator[str]:
        """Yield the hash of every file that lies here, by its name and whatever else it may be."""
        fs, root = self.odb.fs, self.odb.path
        if fs.exists(root):
            for path in fs.find(root):
                yield "".join(fs.parts(path)[-2:])

    def _notes(self) -> Iterator[tuple[str, set[str]]]:
        """Yield each note of a finished run with the hashes in it."""
        fs = self.odb.fs
        for path in list(fs.find(self.runs)) if fs.exists(self.runs) else []:
            yield path, set(HASH.findall(fs.cat_file(path).decode("utf-8", "replace")))

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turn what the service raises into one line that names the place."""
        try:
            yield
        except CalseError:
            raise
        except Exception as error:  # of whatever kind: each service has errors of its own
            why = without_password(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
            raise CalseError(f"{self.name} is out of reach: {why}") from None


def places_of(repo: "Repo") -> tuple[list[Place], list[str]]:
    """Return DVC's cache and all remotes, and a line for each remote that cannot be searched: one of versions."""
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]

    cache = repo.cache.local
    # What DVC notes of finished runs lies in the layout of its version 2, whose hash had another name.
    found, others = [Place("the cache", cache, cache.fs.join(repo.cache.legacy.path, "runs"))], []
    for name in sorted(repo.config["remote"]):
        try:
            odb, older = repo.cloud.get_remote_odb(name), repo.cloud.get_remote_odb(name, hash_name="md5-dos2unix")
        except (DvcException, ImportError) as error:
            others.append(f"remote {name}, by hand: {' '.join(str(error).split())[:200]}")
            continue
        found.append(Place(f"remote {name}", odb, odb.fs.join(older.path, "runs")))
    return found, others


def reader(places: list[Place]) -> Callable[[str], bytes | None]:
    """Return a function that reads an object from the first place that has it; places out of reach have none."""

    def read(digest: str) -> bytes | None:
        """Return an object, or nothing."""
        for place in places if digest else []:
            try:
                data = place.read(digest)
            except CalseError:
                continue
            if data is not None:
                return data
        return None

    return read
