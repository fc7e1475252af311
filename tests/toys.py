"""A tiny repository to train on: bright squares that move, one way for each gloss, over a ground that says nothing."""

from copy import deepcopy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from calse.config.params import Params, check_params
from calse.data.clips import COLUMNS, Clip, clip_id
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.recognition.settings import Input, NetworkSettings
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video

PRESET = Path(__file__).parents[1] / "presets/synthetic.yaml"
WAYS = {"AÑO": (1, 0), "NO": (0, 1), "SUR": (-1, 0)}
TRAIN = {
    "width": 0.125,
    "frames": 9,
    "size": 32,
    "epochs": 2,
    "batch": 4,
    "precision": "fp32",
    "dropout": 0.0,
    "label_smoothing": 0.0,
    "brightness": 0.1,
    "crop": 1.0,
    "lr": 0.003,
    "warmup": 0.3,
    "threads": 1,
}


def toy_params(recogniser: str = "i3d", **train: object) -> Params:
    """The embedded corpus's parameters with one recipe and a tiny training; `train` overrides some of its settings."""
    return check_params(toy_tree(recogniser, **train))


def toy_settings(recogniser: str = "i3d", **train: object) -> NetworkSettings:
    """The settings of that training."""
    settings = toy_params(recogniser, **train).train[recogniser]
    assert isinstance(settings, NetworkSettings)
    return settings


def toy_input(**train: object) -> Input:
    """What that training is shown."""
    return toy_settings(**train).input


def toy_tree(recogniser: str = "i3d", **train: object) -> dict[str, Any]:
    """The same as params.yaml has them."""
    tree = deepcopy(_preset())
    tree["recipes"] = {"Baseline": []}
    tree["test_sources"] = ["SACU", "STS"]
    tree["omit"] = ["SACU"]
    tree["train"] = {recogniser: changed(tree["train"]["i3d"], TRAIN | train)}
    return tree


@cache
def _preset() -> dict[str, Any]:
    tree: dict[str, Any] = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))
    return tree


def changed(settings: dict[str, Any], values: dict[str, object]) -> dict[str, Any]:
    """The settings of a network with some values changed, each where its name stands."""
    for name, value in values.items():
        section = next(part for part in [*settings.values(), settings] if isinstance(part, dict) and name in part)
        section[name] = value
    return settings


def moving_square(way: tuple[int, int], seed: list[int], frames: int = 12, side: int = 48) -> np.ndarray:
    """A square of 16 pixels that crosses the picture, 2 pixels a frame, over still noise."""
    rng = np.random.default_rng(seed)
    clip = np.repeat(rng.integers(0, 120, (1, side, side, 3), dtype=np.uint8), frames, axis=0)
    start = np.array([16, 16]) - frames * np.array(way) + rng.integers(-4, 5, 2)
    for number, frame in enumerate(clip):
        row, column = start + 2 * number * np.array(way)
        frame[max(0, row) : row + 16, max(0, column) : column + 16] = 240
    return clip


def make_repository(root: Path, takes: int = 2) -> Layout:
    """Write the clips and Baseline's split: SACU and STS film each gloss once, the interpreter `takes` times.

    SACU's omitted clips are the filmed ones under other names: there is no face to blur.
    """
    layout = Layout(root)
    clips = [
        _make_clip(layout, source, gloss, take)
        for source, count in (("SACU", 1), ("STS", 1), ("INTERPRETER", takes))
        for gloss in WAYS
        for take in range(1, count + 1)
    ]
    rows = [
        asdict(clip) | {test: "test" if clip.source == test else "train" for test in ("SACU", "STS")} for clip in clips
    ]
    write_rows(layout.split("Baseline"), [*COLUMNS, "SACU", "STS"], rows)
    omitted = [replace(clip, clip=f"OMIT-{clip.clip}", parent=clip.clip) for clip in clips if clip.source == "SACU"]
    write_manifest(layout.omitted_manifest("SACU"), omitted)
    return layout


def _make_clip(layout: Layout, source: str, gloss: str, take: int) -> Clip:
    name = clip_id(source, gloss, take)
    path = Path("data/clips") / source / f"{name}.mp4"
    write_video(layout.root / path, moving_square(WAYS[gloss], list(name.encode())), 25)
    return Clip(
        name, gloss, source, source, take, "", "", str(path), sha256_of(layout.root / path), "", 48, 48, 25, 12, "{}"
    )


def ramp() -> np.ndarray:
    """12 frames of 40 x 36 in which every value tells its place."""
    return (np.arange(12 * 40 * 36 * 3, dtype=np.int64) * 7 % 251).astype(np.uint8).reshape(12, 40, 36, 3)
