"""The two sides of a swap: whose faces are replaced, and who lends theirs."""

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError


def clips_of_sides(params: Params, layout: Layout, donor: str) -> tuple[list[Clip], list[Clip]]:
    """Return the clips that a donor's model trains on: the interpreters', whose faces it replaces, and the donor's.

    The gate has made sure that nobody who is tested on is among them. Raises CalseError for an unknown donor.
    """
    if donor not in params.sources_of("donor"):
        known = ", ".join(params.sources_of("donor")) or "none"
        raise CalseError(f"corpus.sources: {donor!r} is no source of kind donor; those are: {known}")
    return read_manifest(layout.source_manifest(params.swap_train.signers)), read_manifest(
        layout.source_manifest(donor)
    )
