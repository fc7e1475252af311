"""The whole way in a toy repository: the real graph, real videos, a real store; only small."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

yaml = YAML(typ="safe", pure=True)
SMALL = {
    "synthesise": {"synthetic": {"glosses": 3, "short_side": 64, "donor_clips": 1}},
    "corpus": {"glosses": 3},
    "ingest": {"short_side": 64},
    "validate": {"min_side": 32},
    "train": {"width": 0.05, "size": 32, "frames": 9, "epochs": 1, "batch": 6, "precision": "fp32"},
    "evaluate": {"topk": [1, 2]},
}


def shrink(tree, changes):
    for key, value in changes.items():
        if isinstance(value, dict):
            shrink(tree[key], value)
        else:
            tree[key] = value


class Repository:
    def __init__(self, root):
        self.root = root
        beside = Path(sys.executable).parent
        self.environment = os.environ | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}", "CALSE_WORKERS": "2"}
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            self.environment.pop(name, None)

    def run(self, *command):
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def repro(self):
        code, output = self.run("dvc", "repro")
        assert code == 0, output
        return re.findall(r"Running stage '(.+?)'", output)

    def change(self, changes):
        path = self.root / "params.yaml"
        tree = yaml.load(path)
        shrink(tree, changes)
        with path.open("w") as file:
            yaml.dump(tree, file)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    root = tmp_path_factory.mktemp("repository")
    for name in ("src", "presets", ".dvc/config", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        target = root / name
        target.parent.mkdir(exist_ok=True)
        if Path(name).is_dir():
            shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(name, target)
    toy = Repository(root)
    toy.change(SMALL)
    toy.run("git", "init", "-q")
    return toy


def test_one_command_rebuilds_the_study_and_a_second_finds_nothing_to_do(repository):
    stages = repository.repro()
    assert len(stages) == len(set(stages))
    with open(repository.root / "metrics/report/table.csv") as file:
        cells = {(row["recipe"], row["test_source"], row["k"]) for row in csv.DictReader(file)}
    assert len(cells) == 3 * 4 * 2
    assert repository.repro() == []


def test_every_training_is_a_finished_run_in_the_one_store(repository):
    client = MlflowClient(f"sqlite:///{repository.root}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])
    assert sorted(run.info.run_name for run in runs) == sorted(
        f"{recipe}-{source}-1" for recipe in ("Baseline", "AF1", "AF2") for source in ("SACU", "STS", "DILSE")
    )
    for run in runs:
        assert run.info.status == "FINISHED"
        assert {"loss", "test.top1", "test.top2"} <= set(run.data.metrics)
        assert run.inputs.dataset_inputs[0].dataset.digest in (repository.root / "dvc.lock").read_text()


def test_no_output_tells_where_or_when_it_was_made(repository):
    for folder in ("data/manifests", "data/splits", "metrics", "models"):
        for path in (repository.root / folder).rglob("*"):
            if path.is_file() and path.suffix in (".csv", ".json", ".md", ".html"):
                assert str(repository.root) not in path.read_text()


def test_a_parameter_of_one_set_reruns_that_sets_training_only(repository):
    repository.change({"affine": {"AF2": {"rotation": 5}}})
    stages = repository.repro()
    assert {name for name in stages if name.startswith(("affine", "train", "evaluate"))} == {
        "affine@AF2",
        "train@AF2",
        "evaluate@AF2",
    }
    assert stages[-1] == "report"


def test_a_failing_gate_stops_before_anything_trains_and_says_which_gloss(repository):
    repository.change({"corpus": {"sources": {"STS": {"kind": "public", "clips_per_gloss": 2}}}})
    code, output = repository.run("dvc", "repro")
    assert code != 0
    line = next(line for line in output.splitlines() if line.startswith("error:"))
    assert "STS" in line
    assert "gloss" in line
    assert "train@" not in output
    assert (repository.root / "metrics/validate/index.html").is_file()


def test_a_wrong_parameter_stops_the_stage_with_one_line(repository):
    repository.change({"ingest": {"fps": "fast"}})
    code, output = repository.run("dvc", "repro", "ingest@STS")
    assert code != 0
    assert "error: params.yaml: ingest.fps" in output
    assert "Traceback" not in output
