"""What the works work on: synthetic signers as frames and clips, random clips to train on, the landmark models."""

import fcntl
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calse.config.params import Params, read_params
from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.recognition.launch.observer import Run
from calse.recognition.settings import NetworkSettings
from calse.recognition.training.fit import Training
from calse.recognition.training.jobs import Job
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from signers.film import film
from signers.glosses import glosses
from signers.signers import SOURCES
from signers.take import rng_of

ROOT = Path(__file__).parents[2]
CLASSES = 100
FOREVER = 10**9  # steps: no benchmark comes to the end of a schedule


def preset(name: str = "synthetic", **train: Any) -> Params:
    """Return a preset's parameters with some of I3D's settings changed, and nothing to start from."""
    params = read_params(ROOT / "presets" / f"{name}.yaml")
    return replace(params, train={"i3d": changed(settings_of(params), **{"pretrained": None} | train)})


def settings_of(params: Params) -> NetworkSettings:
    """Return how I3D is trained."""
    settings = params.train["i3d"]
    assert isinstance(settings, NetworkSettings)
    return settings


def changed(settings: NetworkSettings, **values: Any) -> NetworkSettings:
    """Return a network's settings with some values changed, each where its name stands."""
    for name, value in values.items():
        parts = {part: getattr(settings, part) for part in ("model", "input", "optim", "schedule")}
        part = next((part for part, section in parts.items() if hasattr(section, name)), None)
        change = {name: value} if part is None else {part: replace(parts[part], **{name: value})}
        settings = replace(settings, **change)
    return settings


@cache
def filmed(frames: int, short_side: int, aspect: float = 4 / 3) -> np.ndarray:
    """Return the first frames of a sign, T x H x W x 3 uint8; where a sign is shorter, backwards and forwards again."""
    studio = replace(SOURCES["SACU"][0], aspect=aspect)
    shots = film(studio, glosses(14)[0], short_side, rng_of("benchmark"))
    taken = np.stack([frame for (frame, _), _ in zip(shots, range(frames), strict=False)])
    there_and_back = np.concatenate([taken, taken[::-1]])
    return there_and_back[np.arange(frames) % len(there_and_back)]


def write_clip(layout: Layout, name: str, frames: np.ndarray, source: str = "SACU", gloss: str = "NO") -> Clip:
    """Write frames as a clip of a repository, with a comment that makes its bytes its own; return its record."""
    path = Path("data/clips") / source / f"{name}.mp4"
    write_video(layout.root / path, frames, 25, {"comment": name})
    count, height, width = frames.shape[:3]
    sha256 = sha256_of(layout.root / path)
    return Clip(name, gloss, source, source, 1, "", "", str(path), sha256, sha256, width, height, 25.0, count, "{}")


def training_on(folder: Path, params: Params, clips: int) -> Training:
    """Return a training on so many clips of noise, decoded already, three frames longer than the network's."""
    settings, rng = settings_of(params), np.random.default_rng(0)
    shown = settings.input
    side = round(shown.size * 256 / 224)
    paths = [folder / f"{number}.npy" for number in range(clips)]
    for path in paths:
        np.save(path, rng.integers(0, 256, (shown.frames + 3, side, round(side * 4 / 3), 3), np.uint8))
    job = Job(
        run=Run("i3d", "benchmark", "SACU", 1),
        settings=settings,
        clips=[],
        inputs=paths,
        labels=[number % CLASSES for number in range(clips)],
        info={"classes": [str(number) for number in range(CLASSES)], "steps": FOREVER, "epochs": FOREVER},
        checkpoint=folder / "seed-1.safetensors",
        curve=folder / "curve.csv",
        states=folder / "training/states",
    )
    return Training(job)


def with_landmark_models(root: Path) -> Layout:
    """Return a repository at `root` that has the landmark models: this one's, or those fetched once into .scratch."""
    from calse.landmarks.models import fetch_models

    here, kept = Layout(ROOT), Layout(ROOT / ".scratch/landmark-models")
    if not here.landmark_models().is_dir():
        kept.root.mkdir(parents=True, exist_ok=True)
        with open(kept.root / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fetch_models(kept)
        here = kept
    layout = Layout(root)
    if not layout.landmark_models().exists():
        layout.landmark_models().parent.mkdir(parents=True, exist_ok=True)
        layout.landmark_models().symlink_to(here.landmark_models().resolve())
    return layout
