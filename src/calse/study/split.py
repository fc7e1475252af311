"""The stage `split`: which clips train and which test, for every test source of a recipe."""

from dataclasses import asdict

from calse.clips import COLUMNS, Clip, read_manifest, write_rows
from calse.errors import CalseError
from calse.layout import Layout
from calse.params import Params


def split(params: Params, layout: Layout, recipe: str) -> None:
    """Write a recipe's split. Its bytes change only when one of this recipe's clips changes.

    Raises CalseError for an unknown recipe or when a test clip would reach the training side.
    """
    if recipe not in params.recipes:
        raise CalseError(f"recipes.{recipe} is not in params.yaml; its recipes are: {', '.join(params.recipes)}")
    filmed = [clip for name in params.filmed for clip in read_manifest(layout.source_manifest(name))]
    generated = [clip for name in params.recipes[recipe] for clip in read_manifest(layout.set_manifest(name))]
    check_leaks(filmed, generated)
    rows = [
        asdict(clip) | {source: role(clip, source) for source in params.test_sources}
        for clip in sorted(filmed + generated, key=lambda clip: clip.clip)
    ]
    write_rows(layout.split(recipe), COLUMNS + list(params.test_sources), rows)


def role(clip: Clip, test_source: str) -> str:
    """Return what a clip does when a source is held out: filmed clips of that source test, their copies do nothing."""
    if clip.source != test_source:
        return "train"
    return "" if clip.parent else "test"


def check_leaks(filmed: list[Clip], generated: list[Clip]) -> None:
    """Refuse what would let a test clip train: one recording in two sources, a copy on another side than its parent.

    Raises CalseError naming the clips.
    """
    recordings: dict[str, Clip] = {}
    for clip in filmed:
        twin = recordings.setdefault(clip.content, clip)
        if twin.source != clip.source:
            raise CalseError(f"clips {twin.clip} and {clip.clip} show the same recording; remove one and ingest again")
    by_id = {clip.clip: clip for clip in filmed}
    for clip in generated:
        parent = by_id.get(clip.parent)
        if parent is None:
            raise CalseError(f"clip {clip.clip} was made from {clip.parent!r}, which is not there; rerun its set")
        if (clip.source, clip.gloss) != (parent.source, parent.gloss):
            raise CalseError(
                f"clip {clip.clip} has another source or gloss than its parent {parent.clip}; rerun its set"
            )
