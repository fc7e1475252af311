"""The stage `swap-train`: the model of a face-swapped set, made by its method."""

from calse.config.params import Params
from calse.data.paths import Layout
from calse.faceswap.registry import find_method, set_of


def swap_train(params: Params, layout: Layout, set_name: str) -> None:
    """Write models/faceswap/<SET> and metrics/swap-train/<SET>.csv. Raises CalseError for an unknown set."""
    find_method(set_of(params, set_name).method).train(params, layout, set_name)
