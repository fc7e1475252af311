"""Reading a split: which clips train and which test, for every test source of a recipe."""

from dataclasses import dataclass
from pathlib import Path

from calse.clips import COLUMNS, Clip, read_manifest, read_rows
from calse.errors import CalseError

ROLES = ("train", "test", "")


@dataclass(frozen=True)
class Split:
    """The clips of a recipe and, for each test source, the role of every clip, in the clips' order."""

    path: Path
    clips: list[Clip]
    roles: dict[str, list[str]]

    @property
    def classes(self) -> list[str]:
        """The glosses, sorted: a gloss's place here is its class number."""
        return sorted({clip.gloss for clip in self.clips})

    def train(self, test_source: str) -> list[Clip]:
        """Return the training clips. Raises CalseError when there are none, or no such test source."""
        return self._with_role(test_source, "train")

    def test(self, test_source: str) -> list[Clip]:
        """Return the held-out clips. Raises CalseError when there are none, or no such test source."""
        return self._with_role(test_source, "test")

    def _with_role(self, test_source: str, role: str) -> list[Clip]:
        if test_source not in self.roles:
            raise CalseError(f"{self.path} has no column for the test source {test_source!r}; rerun the split stage")
        chosen = [clip for clip, mark in zip(self.clips, self.roles[test_source], strict=True) if mark == role]
        if not chosen:
            raise CalseError(f"{self.path}: no clip is marked {role!r} for the test source {test_source!r}")
        return chosen


def read_split(path: Path) -> Split:
    """Read a split: a manifest with one more column per test source, holding `train`, `test` or nothing.

    Raises CalseError naming the file and what is wrong with it.
    """
    clips, rows = read_manifest(path), read_rows(path, COLUMNS)
    sources = [name for name in (rows[0] if rows else {}) if name not in COLUMNS]
    roles = {source: [row[source] for row in rows] for source in sources}
    for source, marks in roles.items():
        wrong = next((number for number, mark in enumerate(marks, start=2) if mark not in ROLES), None)
        if wrong is not None:
            raise CalseError(f"{path}:{wrong}: {source} must be 'train', 'test' or empty, not {marks[wrong - 2]!r}")
    return Split(path, clips, roles)
