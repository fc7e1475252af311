"""Real parts for tests of faces: the published models, and synthetic signers filmed with one another's faces."""

import fcntl
from dataclasses import replace
from pathlib import Path

import numpy as np

from calse.config.params import read_params
from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.landmarks.models import fetch_models
from calse.landmarks.record import Landmarks, no_landmarks, write_landmarks
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from signers.film import film
from signers.glosses import glosses
from signers.scene import Studio
from signers.take import rng_of
from signers.truth import stacked

CACHE = Path(__file__).parents[1] / ".scratch/landmark-models"
FACES = read_params(Path(__file__).parents[1] / "presets/synthetic.yaml").landmarks

SWAP = {
    "method": "autoencoder",
    "donor": "DONOR-1",
    "signers": "INTERPRETER",
    "clips_per_gloss": None,
    "seed": 3,
    "erode": 0.03,
    "feather": 0.08,
}
SWAP |= {"smoothing": 2, "min_moved": 0.8, "min_kept": 0.6}


def fetched_models() -> Path:
    """The folder of the landmark models, downloaded once for all tests."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetch_models(Layout(CACHE))
    return Layout(CACHE).landmark_models()


def with_models(root: Path) -> Layout:
    """A repository that has the landmark models."""
    layout = Layout(root)
    layout.landmark_models().parent.mkdir(parents=True)
    layout.landmark_models().symlink_to(fetched_models())
    return layout


def filmed(studio: Studio, signer: Studio, gloss: str, short_side: int = 256) -> tuple[np.ndarray, dict]:
    """Frames and truth of a gloss as a studio films it, signed by whoever signs in another: the same movements."""
    sign = next(one for one in glosses(14) if one.name == gloss)
    shot = list(film(replace(studio, signer=signer.signer), sign, short_side, rng_of(gloss, 1)))
    return np.stack([frame for frame, _ in shot]), stacked([truth for _, truth in shot])


def write_clip(layout: Layout, path: Path, frames: np.ndarray, source: str, **changes: object) -> Clip:
    """Write frames as a clip of that repository and return its record."""
    write_video(layout.root / path, frames, 25)
    count, height, width = frames.shape[:3]
    sha256 = sha256_of(layout.root / path)
    clip = Clip(
        path.stem, "NO", source, source, 1, "", "", str(path), sha256, "", width, height, 25.0, count, '{"raw":"none"}'
    )
    return replace(clip, **changes)


def track_of(layout: Layout, clip: Clip, frames: np.ndarray) -> Landmarks:
    """Follow the face in a clip's frames and write what the stage `faces` would."""
    track = landmarks_of_frames(frames, load_networks(layout), FACES)
    write_landmarks(layout.landmarks(clip.source) / f"{clip.clip}.npz", track)
    return track


def drawn_track(count: int, centre: tuple[float, float] = (32, 32), width: float = 24) -> Landmarks:
    """A track whose face is a still ellipse, `width` pixels wide and a third higher, without hands."""
    from calse.faceswap.align import MEAN_FACE, MOUTH, MOUTH_CORNERS
    from calse.faceswap.mask import OVAL

    points = np.zeros((468, 3), np.float32)
    for index, (x, y) in MEAN_FACE.items():
        points[index, :2] = (np.array([x, y]) - 0.5) * width / 0.7
    points[list(MOUTH_CORNERS), 1] = (MOUTH - 0.5) * width / 0.7
    turn = np.linspace(0, 2 * np.pi, len(OVAL), endpoint=False) - np.pi / 2
    points[list(OVAL), 0] = width / 2 * np.cos(turn)
    points[list(OVAL), 1] = width * 2 / 3 * np.sin(turn)
    points[:, :2] += centre
    landmarks = np.repeat(points[None], count, axis=0)
    return replace(no_landmarks(count), face=landmarks, face_presence=np.ones(count, np.float32))
