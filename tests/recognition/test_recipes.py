"""Recipes with options: equal steps, seeds of their own."""

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from calse.config.params import Params, Recipe
from calse.data.clips import COLUMNS
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.evaluation.evaluate import evaluate
from calse.recognition.launch.train import train
from calse.recognition.training.fit import fit
from calse.recognition.training.jobs import Job, jobs_of, runs_of
from toys import make_repository, toy_params


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Nine filmed clips train against SACU: three of STS, six of the interpreter; AF1 copies the interpreter's."""
    layout = make_repository(tmp_path_factory.mktemp("repository"))
    split = read_split(layout.split("Baseline"))
    copies = [replace(clip, clip=f"AF1-{clip.clip}", parent=clip.clip) for clip in split.clips if clip.take]
    copies = [copy for copy in copies if copy.source == "INTERPRETER"]
    rows = [asdict(clip) | dict(zip(split.roles, roles, strict=True)) for clip, *roles in filmed(split)]
    rows += [asdict(copy) | {"SACU": "train", "STS": "train"} for copy in copies]
    for recipe in ("AF1", "Even", "Again", "Permuted"):
        write_rows(layout.split(recipe), [*COLUMNS, "SACU", "STS"], rows)
    write_rows(layout.split("Again"), [*COLUMNS, "SACU", "STS"], rows[: len(split.clips)])
    return layout


def filmed(split):
    return zip(split.clips, *split.roles.values(), strict=True)


@pytest.fixture(autouse=True)
def inside(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout.root)
    monkeypatch.setenv("DVC_ROOT", str(layout.root))


def params(**train: object) -> Params:
    recipes = {
        "Baseline": Recipe(()),
        "AF1": Recipe(("AF1",)),
        "Even": Recipe(("AF1",), equal_steps=True),
        "Again": Recipe((), seeds=(101, 102)),
        "Permuted": Recipe(("AF1",), permute=True, seeds=(1, 2)),
    }
    return replace(toy_params(**train), recipes=recipes, test_sources=("SACU",))


def job(recipe: str, **train: object) -> Job:
    split = read_split(Layout().split(recipe))
    return jobs_of(params(**train), Layout(), split, "i3d", recipe, Path(recipe), Path(recipe))[0]


def test_equal_steps_are_those_of_the_filmed_clips_alone():
    baseline, more, even = (job(name, epochs=5, batch=4) for name in ("Baseline", "AF1", "Even"))
    assert [len(one.inputs) for one in (baseline, more, even)] == [9, 15, 15]
    assert [one.info["steps"] for one in (baseline, more, even)] == [15, 20, 15]
    assert even.epochs == 4, "three whole ones of 4 steps and 3 of the fourth"
    assert even.info["equal_steps"]
    assert len({one.info["fingerprint"] for one in (baseline, more, even)}) == 3


def test_a_training_stops_at_its_last_step_having_used_the_whole_schedule():
    equal, rates = job("Even", epochs=3, batch=4, kind="one-cycle"), []
    fit(equal, lambda kind, *_: rates.append(kind))
    with open(equal.curve) as file:
        curve = list(csv.DictReader(file))
    assert [row["epoch"] for row in curve] == ["1", "2", "3"]
    assert float(curve[-1]["lr"]) == pytest.approx(equal.settings.optim.lr / 250_000, rel=1e-3), "the end of one cycle"
    assert json.loads(equal.checkpoint.with_suffix(".json").read_text())["steps"] == 9
    assert all(0 <= float(row["accuracy"]) <= 1 for row in curve)


def test_a_permuted_recipe_trains_on_the_same_clips_under_shuffled_glosses():
    plain, split = job("AF1"), read_split(Layout().split("AF1"))
    one, other = jobs_of(params(), Layout(), split, "i3d", "Permuted", Path("P"), Path("P"))
    assert [file.stem for file in one.inputs] == [file.stem for file in plain.inputs]
    assert len({tuple(labels) for labels in (plain.labels, one.labels, other.labels)}) == 3
    filmed = [place for place, clip in enumerate(plain.clips) if not clip.parent]
    assert sorted(one.labels[place] for place in filmed) == sorted(plain.labels[place] for place in filmed)
    label = dict(zip((clip.clip for clip in one.clips), one.labels, strict=True))
    copies = [clip for clip in one.clips if clip.parent]
    assert copies
    assert all(label[clip.clip] == label[clip.parent] for clip in copies)
    assert len({job.info["fingerprint"] for job in (plain, one, other)}) == 3


def test_seeds_of_a_recipe_replace_those_of_all():
    assert [run.seed for run in runs_of(params(seeds=[1, 2, 3]), "i3d", "Baseline")] == [1, 2, 3]
    assert [run.seed for run in runs_of(params(seeds=[1, 2, 3]), "i3d", "Again")] == [101, 102]


def test_the_seed_only_control_is_trained_and_evaluated_under_its_own_seeds():
    small = params(epochs=1)
    train(small, Layout(), "i3d", "Again")
    evaluate(small, Layout(), "i3d", "Again")
    assert sorted(path.name for path in Path("models/i3d/Again/SACU").glob("*.json")) == [
        "seed-101.json",
        "seed-102.json",
    ]
    metrics = json.loads(Path("metrics/evaluate/i3d/Again/metrics.json").read_text())
    assert metrics["steps"] == {"SACU": 3}
    assert set(metrics["filmed"]["SACU"]["seeds"]) == {"101", "102"}
