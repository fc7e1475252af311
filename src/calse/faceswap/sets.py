"""What the stages of a face-swapped set read alike: its settings and its clips."""

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.faceswap.registry import SwapSet
from calse.runtime.errors import CalseError


def set_of(params: Params, set_name: str) -> SwapSet:
    """Return the settings of a face-swapped set. Raises CalseError listing those there are."""
    if set_name not in params.swap:
        raise CalseError(f"swap.{set_name} is not in params.yaml; its sets are: {', '.join(params.swap) or 'none'}")
    return params.swap[set_name]


def clips_of_set(layout: Layout, settings: SwapSet) -> tuple[list[Clip], list[Clip]]:
    """Return the clips of a set's signers, whose faces it replaces, and of its donor.

    The gate has made sure that nobody who is tested on is among them.
    """
    signers, donor = (read_manifest(layout.source_manifest(name)) for name in (settings.signers, settings.donor))
    return signers, donor
