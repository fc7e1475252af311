"""Examples: clips as the recogniser compares them, made of their landmarks and kept between runs."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.landmarks.generated import landmarks_of
from calse.landmarks.record import Landmarks
from calse.recognition.architectures.landmarks.normalise import NobodyError, normalise, without_second_hand
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.architectures.landmarks.signing import PALM, PARTS, Floats, Signing, mirrored, stacked
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.files import atomic_file, sha256_of
from calse.runtime.fingerprint import TRAINING, code
from calse.runtime.repository import scratch

WAIST, STILL = 1.0, 0.15  # shoulder widths below the shoulders; of movement

if TYPE_CHECKING:
    from calse.recognition.architectures.landmarks.encoder import Encoder


@dataclass(frozen=True)
class Example:
    """A clip as it is compared: its signing, and its embeddings `2 x D` as it is and mirrored; None when not made."""

    signing: Signing
    embeddings: Floats | None = None


@dataclass(frozen=True)
class Work:
    """An example to be made and kept: the signing of one clip, None without a person; an encoder, None for none."""

    signing: Signing | None
    encoder: Path | None
    kept: Path


def signing_of(landmarks: Landmarks, fps: float, settings: LandmarksSettings) -> Signing:
    """Return the signing of a clip, less what the settings leave out.

    Raises NobodyError when it shows no person, or neither hand for more than a moment.
    """
    signing = normalise(landmarks.body, landmarks.hands, landmarks.hands_world, fps, settings.mirror)
    if not signing.mask.any():
        raise NobodyError("shows no hand, or one for a moment only")
    if settings.hands == "leading" or second_hand_rests(signing):
        signing = without_second_hand(signing)
    if not settings.body:
        signing = replace(signing, nose=np.zeros_like(signing.nose), elbows=np.zeros_like(signing.elbows))
    return signing


def second_hand_rests(signing: Signing) -> bool:
    """Tell whether the second hand holds still at or below the waist, where people fold or hang it as they like."""
    palm = signing.hands[:, 1, PALM].mean(axis=1)
    return bool(palm[:, 1].min() > WAIST and np.ptp(palm, axis=0).max() < STILL)


def encoder_file(layout: Layout, settings: LandmarksSettings) -> Path | None:
    """Return the encoder's weights, or nothing for a distance that does without. Raises CalseError when missing."""
    if settings.distance == "dtw":
        return None
    path = layout.encoder()
    if not path.is_file():
        raise CalseError(f"{path} is missing; `dvc repro pretrain` makes it, or set distance: dtw")
    return path


def embedded(signing: Signing, encoder: Path | None) -> Example:
    """Return a signing with its embeddings, without them where there is no encoder."""
    if encoder is None:
        return Example(signing)
    return Example(signing, _loaded(encoder).embed(stacked([signing, mirrored(signing)])))


@cache
def _loaded(path: Path) -> "Encoder":
    """Load an encoder once a process."""
    import torch

    from calse.recognition.architectures.landmarks.encoder import load_encoder

    torch.set_num_threads(1)  # a second one waits and spins at this size
    return load_encoder(path)


def kept_examples(clips: list[Clip], layout: Layout, settings: LandmarksSettings) -> list[Path]:
    """Return a file with the example of each clip: clips with equal landmarks share one, made once.

    Raises CalseError naming what is missing.
    """
    encoder = encoder_file(layout, settings)
    made_by = [_code(), sha256_of(encoder) if encoder else ""]
    folder = scratch() / "signings" / hashlib.sha256("".join(made_by).encode()).hexdigest()[:16]
    paths, missing = [], {}
    for clip in clips:
        signing = _signing_if_any(clip, layout, settings)
        kept = folder / f"{_digest(signing)}.npz"
        paths.append(kept)
        if not _is_whole(kept):
            missing[kept] = Work(signing, encoder, kept)
    if missing:
        map_parallel(_keep, list(missing.values()), "signings")
    return paths


@cache
def _code() -> str:
    return code([Path(__file__).parent], TRAINING | {"scipy"})


def read_example(path: Path) -> Example | None:
    """Return a kept example, or nothing of a clip that shows no person."""
    with np.load(path, allow_pickle=False) as file:
        parts = {name: file[name] for name in file.files}
    embeddings = parts.pop("embeddings", None)
    return Example(Signing(**parts), embeddings) if parts else None


def _signing_if_any(clip: Clip, layout: Layout, settings: LandmarksSettings) -> Signing | None:
    """Return the signing of a clip, nothing when it shows nobody."""
    try:
        return signing_of(landmarks_of(clip, layout), clip.fps, settings)
    except NobodyError:
        return None


def _digest(signing: Signing | None) -> str:
    """Return a hash of a signing; one for all clips that show nobody."""
    digest = hashlib.sha256()
    for name in PARTS if signing else ():
        digest.update(np.ascontiguousarray(getattr(signing, name)).tobytes())
    return digest.hexdigest()[:32]


def _is_whole(path: Path) -> bool:
    """Say whether a kept example is there and can be read."""
    try:
        read_example(path)
    except (BadZipFile, EOFError, OSError, TypeError, ValueError):
        return False
    return True


def _keep(work: Work) -> None:
    """Make one example and write it."""
    arrays: dict[str, Floats] = {}
    if work.signing is not None:
        example = embedded(work.signing, work.encoder)
        arrays = {name: getattr(example.signing, name) for name in PARTS}
        arrays |= {} if example.embeddings is None else {"embeddings": example.embeddings}
    with atomic_file(work.kept) as aside, open(aside, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
