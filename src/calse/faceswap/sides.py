"""The two sides of a swap: whose faces are replaced, and who lends theirs; and who must never meet."""

from calse.clips import Clip, read_manifest
from calse.errors import CalseError
from calse.layout import Layout
from calse.params import Params


def clips_of_sides(params: Params, layout: Layout, donor: str) -> tuple[list[Clip], list[Clip]]:
    """Return the clips that a donor's model trains on: the interpreters', whose faces it replaces, and the donor's.

    Raises CalseError for an unknown donor, and where a test clip or a person tested on would train the model.
    """
    if donor not in params.sources_of("donor"):
        known = ", ".join(params.sources_of("donor")) or "none"
        raise CalseError(f"corpus.sources: {donor!r} is no source of kind donor; those are: {known}")
    for name, settings in params.swap.items():
        if settings.donor == donor and settings.of == "public":
            raise CalseError(
                f"swap.{name}.of: a model that swaps public clips has seen the test clips of a fold; set interpreter"
            )
    lent = read_manifest(layout.source_manifest(donor))
    check_donor(params, layout, donor, lent)
    return read_manifest(layout.source_manifest(params.swap_train.signers)), lent


def check_donor(params: Params, layout: Layout, donor: str, lent: list[Clip]) -> None:
    """Refuse a donor who signs in a source that is held out for testing. Raises CalseError naming both."""
    for source in params.test_sources:
        tested = {clip.signer for clip in read_manifest(layout.source_manifest(source))}
        for signer in sorted(tested & {donor, *(clip.signer for clip in lent)}):
            raise CalseError(
                f"donor {donor}: {signer} signs in the test source {source} too, and swapped clips would show a tested"
                " face; take another donor"
            )
