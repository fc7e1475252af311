"""What is to be trained: every run of a recipe with all that decides its result."""

import hashlib
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from calse.config.params import Params, Train, as_dict
from calse.data.clips import Clip, compact_json
from calse.data.paths import Layout
from calse.data.splits import Split
from calse.recognition.input.frames_cache import cached_frames
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.memo import TRAINING, code, code_of_stage
from calse.runtime.repository import scratch


@dataclass(frozen=True)
class Job:
    """One run, ready to be sent to a worker: decoded clips and class numbers, and where the results go.

    `states` is the folder of what was trained of it so far by this code, all of it or some epochs.
    """

    run: Run
    train: Train
    frames: list[Path]
    labels: list[int]
    info: dict[str, Any]
    checkpoint: Path
    curve: Path
    states: Path

    @property
    def lock(self) -> Path:
        """The file that whoever trains this run holds: a queued experiment may come to the same one."""
        return self.states.with_suffix(".lock")

    @property
    def classes(self) -> int:
        """The number of glosses."""
        return len(self.info["classes"])

    @property
    def steps(self) -> int:
        """How often the optimiser moves the weights."""
        return int(self.info["steps"])

    @property
    def epochs(self) -> int:
        """How often the clips are gone through; in the last epoch perhaps only in part."""
        return ceil(self.steps / ceil(len(self.frames) / self.train.batch))


def runs_of(params: Params, recipe: str) -> list[Run]:
    """Return a recipe's runs, test source by test source. Raises CalseError for an unknown recipe."""
    if recipe not in params.recipes:
        raise CalseError(f"there is no recipe {recipe!r} in params.yaml; those are: {', '.join(params.recipes)}")
    return [Run(recipe, source, seed) for source in params.test_sources for seed in params.seeds_of(recipe)]


def jobs_of(params: Params, layout: Layout, split: Split, recipe: str, models: Path, curves: Path) -> list[Job]:
    """Prepare a recipe's runs, decoding its training clips. `models` and `curves` are the folders of the results."""
    runs = runs_of(params, recipe)
    data = data_of(params, split) | {"equal_steps": params.recipes[recipe].equal_steps}
    needed = list({clip.clip: clip for run in runs for clip in split.train(run.test_source)}.values())
    paths = dict(zip(needed, cached_frames(needed, layout, params.train.size), strict=True))
    return [job_of(run, params.train, split.train(run.test_source), paths, data, models, curves) for run in runs]


def job_of(
    run: Run, train: Train, clips: list[Clip], paths: dict[Clip, Path], data: dict[str, Any], models: Path, curves: Path
) -> Job:
    """Prepare one run on these clips."""
    info: dict[str, Any] = {"recipe": run.recipe, "test_source": run.test_source, "seed": run.seed} | data
    number = {gloss: place for place, gloss in enumerate(data["classes"])}
    info["steps"] = steps_of(train, clips, data["equal_steps"])
    info["fingerprint"] = fingerprint(info, clips)
    return Job(
        run=run,
        train=train,
        frames=[paths[clip] for clip in clips],
        labels=[number[clip.gloss] for clip in clips],
        info=info | {"clips": len(clips)},
        checkpoint=checkpoint_path(models, run),
        curve=curves / f"{run.test_source}-seed-{run.seed}.csv",
        states=scratch() / "training" / f"{info['fingerprint'][:32]}-{training_code()[:16]}",
    )


def fingerprint(info: dict[str, Any], clips: list[Clip]) -> str:
    """Return a hash of all that shapes a run but the code. Another test source changes the split, not these clips."""
    shaping = {name: value for name, value in info.items() if name != "split_sha256"}
    shaping["clips"] = [[clip.sha256, clip.gloss] for clip in clips]
    return hashlib.sha256(compact_json(shaping).encode()).hexdigest()


@cache
def training_code() -> str:
    """Return a hash of the code and packages that shape a training."""
    return code(code_of_stage("train"), TRAINING)


def steps_of(train: Train, clips: list[Clip], equal_steps: bool) -> int:
    """Return how many steps the epochs take, on all the clips or, for equal steps, on the filmed ones alone."""
    counted = [clip for clip in clips if not clip.parent] if equal_steps else clips
    return train.epochs * ceil(len(counted) / train.batch)


def checkpoint_path(models: Path, run: Run) -> Path:
    """Return the weights' file of a run inside its recipe's folder."""
    return models / run.test_source / f"seed-{run.seed}.safetensors"


def data_of(params: Params, split: Split) -> dict[str, Any]:
    """Return what all runs of a recipe share and every checkpoint tells: parameters, classes, hashes of the data."""
    train = {name: value for name, value in as_dict(params.train).items() if name != "seeds"}
    return {
        "params": train,
        "classes": split.classes,
        "clip": clip_format(split),
        "channel_order": params.train.channel_order,
        "split_sha256": sha256_of(split.path),
        "pretrained_sha256": pretrained_hash(params.train),
    }


def clip_format(split: Split) -> dict[str, float]:
    """Return the rate and short side that all clips were brought to: what a video to predict is brought to as well."""
    clip = split.clips[0]
    return {"fps": clip.fps, "short_side": min(clip.width, clip.height)}


def pretrained_hash(train: Train) -> str | None:
    """Return the sha256 of the checkpoint to start from. Raises CalseError when it is missing."""
    if train.pretrained is None:
        return None
    path = Path(train.pretrained)
    if not path.is_file():
        raise CalseError(f"train.pretrained: {path} is missing; put the checkpoint there, or set null")
    return sha256_of(path)
