"""What the stages of a face-swapped set read alike: its settings, its clips, their landmarks."""

from calse.config.params import Params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.faceswap.registry import SwapSet
from calse.landmarks.record import Landmarks, read_landmarks
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


def landmarks_of(clip: Clip, layout: Layout, frames: int) -> Landmarks:
    """Return the landmarks of a clip of so many frames. Raises CalseError when they are missing or of another clip."""
    path = layout.landmarks(clip.source) / f"{clip.clip}.npz"
    landmarks = read_landmarks(path)
    if len(landmarks.face) != frames:
        raise CalseError(
            f"{path} is of {len(landmarks.face)} frames, clip {clip.clip} has {frames}; "
            f"run: dvc repro landmarks@{clip.source}"
        )
    return landmarks
