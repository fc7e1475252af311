"""Splits: which clips train and which test, for every test source of a recipe; written by the stage `split`."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from calse.config.params import Params
from calse.data.clips import COLUMNS, Clip, seed_of
from calse.data.donors import check_donors
from calse.data.manifests import read_manifest, read_rows, write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

VALIDATION = "validation"
ROLES = ("train", "test", VALIDATION, "")


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

    @property
    def validated(self) -> list[Clip]:
        """The clips held back from every training, to choose settings by; none but while somebody does."""
        marked = next(iter(self.roles.values()))
        return [clip for clip, role in zip(self.clips, marked, strict=True) if role == VALIDATION]

    def _with_role(self, test_source: str, role: str) -> list[Clip]:
        """Return the clips of one role. Raises CalseError when there are none, or no such test source."""
        if test_source not in self.roles:
            raise CalseError(f"{self.path} has no column for the test source {test_source!r}; rerun the split stage")
        chosen = [clip for clip, mark in zip(self.clips, self.roles[test_source], strict=True) if mark == role]
        if not chosen:
            raise CalseError(f"{self.path}: no clip is marked {role!r} for the test source {test_source!r}")
        return chosen


def read_split(path: Path) -> Split:
    """Read a split: a manifest with one more column per test source, holding `train`, `test`, `validation` or nothing.

    Raises CalseError naming the file and what is wrong with it.
    """
    clips, rows = read_manifest(path), read_rows(path, COLUMNS)
    sources = [name for name in (rows[0] if rows else {}) if name not in COLUMNS]
    roles = {source: [row[source] for row in rows] for source in sources}
    for source, marks in roles.items():
        wrong = next((number for number, mark in enumerate(marks, start=2) if mark not in ROLES), None)
        if wrong is not None:
            raise CalseError(
                f"{path}:{wrong}: {source} must be 'train', 'test', 'validation' or empty, not {marks[wrong - 2]!r}"
            )
    return Split(path, clips, roles)


def split(params: Params, layout: Layout, recipe: str) -> None:
    """Write a recipe's split. Its bytes change only when one of this recipe's clips changes.

    Raises CalseError for an unknown recipe or when a test clip would train.
    """
    if recipe not in params.recipes:
        raise CalseError(f"recipes.{recipe} is not in params.yaml; its recipes are: {', '.join(params.recipes)}")
    filmed = [clip for name in params.filmed for clip in read_manifest(layout.source_manifest(name))]
    generated = [clip for name in params.recipes[recipe].sets for clip in read_manifest(layout.set_manifest(name))]
    check_leaks(filmed, generated)
    swapped = [params.swap[name].donor for name in params.recipes[recipe].sets if name in params.swap]
    check_donors(layout, sorted(set(swapped)), params.test_sources)
    rows = [
        asdict(clip) | {source: role(clip, source, params.validation_source) for source in params.test_sources}
        for clip in sorted(filmed + generated, key=lambda clip: clip.clip)
    ]
    write_rows(layout.split(recipe), COLUMNS + list(params.test_sources), rows)


def role(clip: Clip, test_source: str, validation_source: str | None = None) -> str:
    """Return what a clip does when a source is held out: filmed clips of that source test, their copies do nothing.

    So it is with the source that validates.
    """
    if clip.source not in (test_source, validation_source):
        return "train"
    if clip.parent:
        return ""
    return "test" if clip.source == test_source else VALIDATION


def permuted(clips: list[Clip], seed: int) -> list[Clip]:
    """Return the clips with the filmed ones' glosses shuffled among them; a copy goes by its parent's new gloss."""
    filmed = [clip for clip in clips if not clip.parent]
    shuffled = sorted(filmed, key=lambda clip: seed_of(seed, clip.clip))
    gloss = {clip.clip: other.gloss for clip, other in zip(filmed, shuffled, strict=True)}
    parent = {clip.clip: clip.parent for clip in clips}

    def new(name: str) -> str:
        """Return the gloss that a clip, or what it was made from, goes by now."""
        return gloss[name] if name in gloss else new(parent[name])

    return [replace(clip, gloss=new(clip.clip)) for clip in clips]


def check_leaks(filmed: list[Clip], generated: list[Clip]) -> None:
    """Refuse what would let a test clip train: one recording in two sources, a generated clip that left its source.

    Raises CalseError naming the clips.
    """
    by_id: dict[str, Clip] = {}
    for clip in filmed + generated:
        if by_id.setdefault(clip.clip, clip) is not clip:
            raise CalseError(f"clip {clip.clip} is listed twice; rerun {clip.set or 'ingest'}")
    for clip in filmed:
        if clip.parent:
            raise CalseError(f"clip {clip.clip} of the source {clip.source} was made, not filmed; ingest again")
    check_twins(filmed + generated)
    for clip in generated:
        check_descent(clip, by_id)


def check_twins(clips: list[Clip]) -> None:
    """Refuse equal frames, or equal files, under two sources. Raises CalseError naming both clips."""
    first: dict[str, Clip] = {}
    for clip in clips:
        for digest in filter(None, (clip.content, clip.sha256)):
            twin = first.setdefault(digest, clip)
            if twin.source != clip.source:
                raise CalseError(
                    f"clips {twin.clip} and {clip.clip} show the same recording; remove one and ingest again"
                )


def check_descent(clip: Clip, by_id: dict[str, Clip]) -> None:
    """Follow a generated clip back to what was filmed: each step must keep source and gloss, and with them its role.

    Raises CalseError naming the clip where it does not.
    """
    passed: set[str] = set()
    while clip.set or clip.parent:
        parent = by_id.get(clip.parent)
        if parent is None or clip.clip in passed:
            raise CalseError(f"clip {clip.clip} was made from {clip.parent!r}, which is not there; rerun its set")
        if (clip.source, clip.gloss) != (parent.source, parent.gloss):
            raise CalseError(
                f"clip {clip.clip} has another source or gloss than its parent {parent.clip}; rerun its set"
            )
        passed.add(clip.clip)
        clip = parent
