"""docs/extend.md executed as written: its blocks go into a copy of the repository, and a real study is run there."""

import csv
import filecmp
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from calse.video.ours.read import read_frames

yaml = YAML(typ="safe", pure=True)
PAGE = Path("docs/extend.md")
BLOCK = re.compile(
    r"^#+ [^\n]*`(?P<path>[\w./-]+)`\n+```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# The smallest study: two glosses, two sources, no faces.
STUDY = {
    "synthesise": {"synthetic": {"glosses": 2, "short_side": 64, "donor_clips": 1}},
    "corpus": {"glosses": 2, "sources": dict.fromkeys(("DILSE", "DONOR-1", "DONOR-2", "DONOR-3"))},
    "ingest": {"short_side": 64},
    "validate": {"min_side": 32},
    "landmarks": {"sources": []},
    "omit": [],
    "donors": [],
    "swap": dict.fromkeys(("DF-1", "DF-2", "DF-3")),
    "augment": dict.fromkeys(("AF1", "AF2")),
    "recipes": dict.fromkeys(("DF1", "AF1", "AF2", "DF2", "DF1-AF1", "DF1-AF2")),
    "test_sources": ["SACU"],
    "train": {"width": 0.05, "size": 32, "frames": 9, "epochs": 1, "batch": 6, "precision": "fp32"},
    "evaluate": {"topk": [1, 2]},
}


def blocks():
    """The path, language and text of every block of the page, in its order."""
    return [match.groups() for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def changed(tree, changes):
    """A tree of parameters with some changed, those that are None left out."""
    for key, value in changes.items():
        if value is None:
            tree.pop(key)
        elif isinstance(value, dict):
            changed(tree.setdefault(key, {}), value)
        else:
            tree[key] = value
    return tree


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study with everything that the page adds, rebuilt by one `dvc repro`."""
    root = tmp_path_factory.mktemp("study")
    for name in ("src", ".dvc/config", "dvc.yaml", ".dvcignore", ".gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(name, root / name) if Path(name).is_dir() else shutil.copy(name, root / name)
    for folder in ("metrics/swap", "metrics/omit", "data/manifests/omitted"):
        (root / folder).mkdir(parents=True)
        (root / folder / ".gitkeep").touch()
    params = changed(yaml.load(Path("presets/synthetic.yaml")), STUDY)
    for path, language, text in blocks():
        if language == "yaml":
            params = changed(params, yaml.load(text))
        else:
            with (root / path).open("a", encoding="utf-8") as file:
                file.write(text)
    with (root / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    beside = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}", "CALSE_WORKERS": "2"}
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    done = subprocess.run(["dvc", "repro"], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return root


def test_nothing_but_what_the_page_names_was_changed(study):
    theirs = {path.relative_to(study).as_posix() for path in (study / "src").rglob("*.py")}
    differing = {name for name in theirs if not (Path(name).is_file() and filecmp.cmp(name, study / name, False))}
    assert differing == {path for path, language, _ in blocks() if language == "python"}


def test_the_recogniser_is_trained_and_evaluated(study):
    info = json.loads((study / "models/tiny/Baseline/SACU/seed-1.json").read_text(encoding="utf-8"))
    assert info["params"]["model"] == "tiny"
    weights = load_file(study / "models/tiny/Baseline/SACU/seed-1.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items() if "weight" in name} == {
        "0.weight": (8, 3, 3, 3, 3),
        "5.weight": (2, 8),
    }


def test_the_measure_is_shown_by_name_wherever_results_are(study):
    with open(study / "metrics/evaluate/Baseline/predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    truth, predicted = [row["gloss"] for row in rows], [row["gloss_1"] for row in rows]
    right = sum(a == b for a, b in zip(truth, predicted, strict=True))
    assert len(rows) == 2, "both glosses of the one test source"
    # Of two glosses one or none is right: the same answer twice has F1 2/3 for it and 0 for the other.
    expected = {2: 1, 1: 1 / 3, 0: 0}[right]
    scores = json.loads((study / "metrics/evaluate/Baseline/metrics.json").read_text(encoding="utf-8"))
    assert scores["filmed"]["SACU"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    with open(study / "metrics/report/measures.csv", encoding="utf-8", newline="") as file:
        cells = {(row["test_source"], row["measure"]): float(row["value"]) for row in csv.DictReader(file)}
    assert cells["SACU", "macro_f1"] == cells["mean", "macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert "macro_f1" in (study / "metrics/report/table.md").read_text(encoding="utf-8")
    assert "<th>macro_f1</th>" in (study / "data/report/index.html").read_text(encoding="utf-8")
    client = MlflowClient(f"sqlite:///{study}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])
    measured = {
        name: value
        for run in runs
        for name, value in run.data.metrics.items()
        if "macro_f1" in name and "Warped" not in f"{run.info.run_name} {name}"
    }
    assert measured == pytest.approx(
        dict.fromkeys(("test.macro_f1", "Baseline.SACU.macro_f1", "Baseline.mean.macro_f1"), expected), abs=1e-6
    )


def test_the_time_warp_made_its_set_and_trained(study):
    with open(study / "data/manifests/sets/TW.csv", encoding="utf-8", newline="") as file:
        made = list(csv.DictReader(file))
    with open(study / "data/manifests/sources/INTERPRETER.csv", encoding="utf-8", newline="") as file:
        parents = {row["clip"]: row for row in csv.DictReader(file)}
    assert len(made) == 2, "one clip of each gloss"
    for clip in made:
        assert json.loads(clip["made"])["by"] == "time-warp"
        before, after = (read_frames(study / row["path"]).astype(int) for row in (parents[clip["parent"]], clip))
        assert before.shape == after.shape
        shown = [int(np.abs(before - picture).mean(axis=(1, 2, 3)).argmin()) for picture in after]
        assert shown != list(range(len(before))), "other frames than before, each of them one of the parent's"
        assert np.abs(before[shown] - after).mean() < 4
    with open(study / "data/splits/Warped.csv", encoding="utf-8", newline="") as file:
        roles = {row["clip"]: row["SACU"] for row in csv.DictReader(file)}
    assert {roles[clip["clip"]] for clip in made} == {"train"}
    assert (study / "models/tiny/Warped/SACU/seed-1.safetensors").is_file()
