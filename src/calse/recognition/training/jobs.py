"""What is to be trained: every run of a recogniser on a recipe with all that decides its result."""

import hashlib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from calse.config.params import Params, Recipe, as_dict
from calse.data.clips import Clip, compact_json
from calse.data.paths import Layout
from calse.data.splits import Split, permuted
from calse.recognition.launch.observer import Run
from calse.recognition.registry import find_recogniser
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.fingerprint import PACKAGE, TRAINING, code, code_of_stage
from calse.runtime.repository import scratch


@dataclass(frozen=True)
class Job:
    """One run, ready to be sent to a worker: its clips, a file and a class number for each, and where results go.

    `settings` are those of its recogniser, `inputs` the files that this has prepared. `states` is the folder of what
    was trained of it so far by this code, all of it or some epochs.
    """

    run: Run
    settings: Any
    clips: list[Clip]
    inputs: list[Path]
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
    def epochs(self) -> int:
        """How often the clips are gone through; in the last epoch perhaps only in part."""
        return int(self.info["epochs"])


def runs_of(params: Params, recogniser: str, recipe: str) -> list[Run]:
    """Return a recogniser's runs on a recipe, test source by test source. Raises CalseError for unknown names."""
    if recogniser not in params.train:
        known = ", ".join(params.train)
        raise CalseError(f"there is no recogniser {recogniser!r} under train in params.yaml; those are: {known}")
    if recipe not in params.recipes:
        raise CalseError(f"there is no recipe {recipe!r} in params.yaml; those are: {', '.join(params.recipes)}")
    seeds = params.seeds_of(recogniser, recipe)
    return [Run(recogniser, recipe, source, seed) for source in params.test_sources for seed in seeds]


def jobs_of(
    params: Params, layout: Layout, split: Split, recogniser: str, recipe: str, models: Path, curves: Path
) -> list[Job]:
    """Prepare the runs of a recogniser on a recipe. `models` and `curves` are the folders of the results."""
    runs, settings, found = runs_of(params, recogniser, recipe), params.train[recogniser], find_recogniser(recogniser)
    needed = list({clip.clip: clip for run in runs for clip in split.train(run.test_source)}.values())
    files = dict(zip((clip.clip for clip in needed), found.prepare(needed, layout, settings), strict=True))
    number = {gloss: place for place, gloss in enumerate(split.classes)}
    equal_steps, clip = params.recipes[recipe].equal_steps, split.clips[0]
    shared = {  # what all runs of a recipe share and every checkpoint's JSON has
        "params": {name: value for name, value in as_dict(settings).items() if name != "seeds"},
        "classes": split.classes,
        "clip": {"fps": clip.fps, "short_side": min(clip.width, clip.height)},  # as a video to predict is brought to
        "split_sha256": sha256_of(split.path),
        "equal_steps": equal_steps,
    }
    jobs = []
    for run in runs:
        clips = learned_clips(params.recipes[recipe], split, run)
        info: dict[str, Any] = asdict(run) | shared | found.facts(settings, layout, clips, equal_steps)
        info["fingerprint"] = fingerprint(info, clips)
        job = Job(
            run=run,
            settings=settings,
            clips=clips,
            inputs=[files[clip.clip] for clip in clips],
            labels=[number[clip.gloss] for clip in clips],
            info=info | {"clips": len(clips)},
            checkpoint=checkpoint_path(models, run),
            curve=curves / f"{run.test_source}-seed-{run.seed}.csv",
            states=scratch() / "training" / f"{info['fingerprint'][:32]}-{training_code(run.recogniser)[:16]}",
        )
        jobs.append(job)
    return jobs


def learned_clips(recipe: Recipe, split: Split, run: Run) -> list[Clip]:
    """Return the clips that a run trains on, under the glosses that it learns them by."""
    clips = split.train(run.test_source)
    return permuted(clips, run.seed) if recipe.permute else clips


def fingerprint(info: dict[str, Any], clips: list[Clip]) -> str:
    """Return a hash of all that shapes a run but the code. Another test source changes the split, not these clips."""
    shaping = {name: value for name, value in info.items() if name != "split_sha256"}
    shaping["clips"] = [[clip.sha256, clip.gloss] for clip in clips]
    return hashlib.sha256(compact_json(shaping).encode()).hexdigest()


@cache
def training_code(recogniser: str) -> str:
    """Return a hash of the code and packages that shape a recogniser's training."""
    own = [PACKAGE / name for name in find_recogniser(recogniser).code]
    return code([*code_of_stage("train", recogniser=recogniser), *own], TRAINING)


def checkpoint_path(models: Path, run: Run) -> Path:
    """Return the weights' file of a run inside its recipe's folder."""
    return models / run.test_source / f"seed-{run.seed}.safetensors"
