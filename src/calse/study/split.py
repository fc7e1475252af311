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
    generated = [clip for name in params.recipes[recipe].sets for clip in read_manifest(layout.set_manifest(name))]
    check_leaks(filmed, generated)
    check_donors(params, layout, recipe, filmed)
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


def check_donors(params: Params, layout: Layout, recipe: str, filmed: list[Clip]) -> None:
    """Refuse a recipe whose swapped clips show the face of somebody who is tested on. Raises CalseError naming both."""
    tested = {clip.signer: clip.source for clip in filmed if clip.source in params.test_sources}
    for donor in {params.swap[name].donor for name in params.recipes[recipe].sets if name in params.swap}:
        for clip in read_manifest(layout.source_manifest(donor)):
            if clip.signer in tested:
                where = tested[clip.signer]
                raise CalseError(f"donor {donor}: {clip.signer} signs in the test source {where}; take another donor")
