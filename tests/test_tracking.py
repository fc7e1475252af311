"""MLflow is what DVC knows, no more and no less; and it never stands in the way of a training."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from calse.errors import CalseError
from calse.files import write_json
from calse.layout import Layout
from calse.params import read_params
from calse.recognition.observer import Run
from calse.tracking.store import Store, locked_store, store_uri
from calse.tracking.sync import sync, sync_workspace, verify
from calse.tracking.tracker import Tracker
from calse.tracking.ui import serve

PARAMS = read_params(Path(__file__).parents[1] / "presets/synthetic.yaml")
RUN = Run("AF1", "SACU", 1)
INFO = {
    "recipe": "AF1",
    "test_source": "SACU",
    "seed": 1,
    "params": {"batch": 10, "lr": 0.01, "pretrained": "/somewhere/kinetics.pt"},
    "classes": ["AÑO", "NO"],
    "fingerprint": "f" * 64,
    "split_sha256": "5" * 64,
}
CURVE = "epoch,loss,accuracy\n1,3.0,0.1\n2,1.5,0.2\n"
SCORES = {
    "filmed": {"SACU": {"clips": 4, "top1": 0.5, "seeds": {"1": {"clips": 4, "top1": 0.5}}}},
    "steps": {"SACU": 2},
}
QUALITY = {"frames": 12, "kept": None, "passed": False, "failed": ["..."], "identity": {"moved": 0.25}}
DVC_YAML = """
stages:
  ingest: {matrix: {source: "${corpus.sources}"}}
  swap: {foreach: "${swap}"}
  train: {matrix: {recipe: "${recipes}"}, deps: [data/splits/AF1.csv, src/fit.py]}
  evaluate: {matrix: {recipe: "${recipes}"}}
"""
yaml = YAML(typ="safe", pure=True)


def md5(path):
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    entries = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in sorted(path.rglob("*.*"))]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def stage(params, deps, outs):
    """An entry of dvc.lock for files that lie there."""
    listed = [[{"path": path, "hash": "md5", "md5": md5(Path(path))} for path in paths] for paths in (deps, outs)]
    return {"params": {"params.yaml": params}, "deps": listed[0], "outs": listed[1]}


def write_study():
    """One source, one swapped set, one training with its scores: the files and the dvc.lock that vouches for them."""
    layout = Layout()
    write_json(layout.models("AF1") / "SACU/seed-1.json", INFO)
    for path, text in {
        layout.split("AF1"): "clip\n",
        Path("src/fit.py"): "...",
        layout.metrics("train") / "AF1/SACU-seed-1.csv": CURVE,
        Path("dvc.yaml"): DVC_YAML,
        Path("params.yaml"): "{corpus: {sources: {SACU: 1}}, swap: {DF-1: {erode: 9}}, recipes: {AF1: []}}",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, value in {"ingest/SACU": {"clips": 3}, "swap/DF-1": QUALITY, "evaluate/AF1/metrics": SCORES}.items():
        write_json(layout.metrics(name).with_suffix(".json"), value)
    write_lock()


def write_lock():
    code, split, models = "src/fit.py", "data/splits/AF1.csv", "models/i3d/AF1"
    stages = {
        "ingest@SACU": stage({"corpus.name": "toy", "ingest": {"fps": 25}}, [], ["metrics/ingest/SACU.json"]),
        "swap@DF-1": stage({"swap.DF-1": {"erode": 0.5}}, [code, split], ["metrics/swap/DF-1.json"]),
        "train@AF1": stage({"train": {"batch": 10}}, [split, code], [models, "metrics/train/AF1"]),
        "evaluate@AF1": stage({}, [split, models], ["metrics/evaluate/AF1/metrics.json"]),
        "train@GONE": stage({"train": {"batch": 99}}, [], []),
    }
    with open("dvc.lock", "w") as file:
        yaml.dump({"stages": stages}, file)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A fresh store; making one takes seconds."""
    root = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with locked_store():
            Store("toy")
    return root / "mlruns"


@pytest.fixture
def study(tmp_path, monkeypatch, migrated):
    """A repository with a study and an empty store."""
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(migrated, "mlruns")
    write_study()


def client():
    return MlflowClient(store_uri())


def runs():
    found = client().search_runs([client().get_experiment_by_name("toy").experiment_id])
    return {run.info.run_name: run for run in found}


def test_every_stage_becomes_a_run_with_what_it_ran_on_and_what_came_out(study):
    assert sync() == {"made": 4}
    found = runs()
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    training = found["AF1-SACU-1"]
    assert (training.data.params["train.batch"], training.data.params["recipe"]) == ("10", "AF1")
    assert training.data.params["train.pretrained"] == "kinetics.pt"
    assert training.data.metrics == {"loss": 1.5, "accuracy": 0.2, "test.clips": 4, "test.top1": 0.5}
    points = client().get_metric_history(training.info.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 3.0), (2, 1.5)]
    (data,) = training.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("data/splits/AF1.csv", md5(Path("data/splits/AF1.csv")))
    assert found["DF-1"].data.params == {"swap.erode": "0.5"}, "dvc.lock tells what ran, params.yaml may have moved on"
    assert found["DF-1"].data.metrics == {"frames": 12.0, "passed": 0.0, "identity.moved": 0.25}
    assert found["SACU"].data.metrics == {"clips": 3}


def test_the_pipeline_is_the_parent_and_holds_every_parameter_and_score(study):
    sync()
    parent = runs()["workspace"]
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs().items()}
    assert parents == dict.fromkeys(("SACU", "DF-1", "AF1-SACU-1"), parent.info.run_id) | {"workspace": None}
    assert parent.data.params == {
        "corpus.name": "toy",
        "ingest.fps": "25",
        "swap.DF-1.erode": "0.5",
        "train.batch": "10",
    }
    assert parent.data.metrics == {"AF1.SACU.top1": 0.5, "AF1.mean.top1": 0.5}


def test_a_second_sync_changes_nothing(study):
    sync()
    before = {name: run.info.run_id for name, run in runs().items()}
    assert sync() is None
    Path("mlruns/.synced").unlink()
    assert sync() == {"equal": 4}
    assert {name: run.info.run_id for name, run in runs().items()} == before
    assert verify() == ([], [])


def test_verify_names_every_drift_and_sync_mends_it(study):
    sync()
    found, changed = runs(), client()
    changed.log_metric(found["AF1-SACU-1"].info.run_id, "loss", 0.1, step=2)
    changed.delete_run(found["SACU"].info.run_id)
    changed.log_param(found["DF-1"].info.run_id, "swap.extra", "1")
    changed.create_run(found["DF-1"].info.experiment_id, tags=found["workspace"].data.tags)
    drift = "\n".join(verify()[0])
    assert "SACU: missing" in drift
    assert "metric loss at step 2: stored 0.1, should be 1.5" in drift
    assert "param swap.extra: stored '1', should be 'nothing'" in drift
    assert "workspace: 2 runs instead of one" in drift
    assert "RUNNING, but nothing trains it" in drift
    assert sync() is not None
    assert verify() == ([], [])


def test_a_rerun_replaces_its_run_and_other_parameters_make_another(study):
    sync()
    write_json(Path("metrics/swap/DF-1.json"), QUALITY | {"frames": 13})
    write_lock()
    assert sync() == {"equal": 3, "replaced": 1}
    assert runs()["DF-1"].data.metrics["frames"] == 13
    write_json(Path("models/i3d/AF1/SACU/seed-1.json"), INFO | {"fingerprint": "e" * 64})
    write_lock()
    assert sync() == {"equal": 3, "made": 1}
    drift, notes = verify()
    assert (drift, len(notes)) == ([], 1)


def test_what_dvc_does_not_vouch_for_is_not_told(study):
    write_json(Path("metrics/swap/DF-1.json"), QUALITY | {"frames": 99})
    Path("metrics/evaluate/AF1/metrics.json").unlink()
    sync()
    assert "DF-1" not in runs()
    assert "test.top1" not in runs()["AF1-SACU-1"].data.metrics


def test_the_projection_completes_the_run_that_was_written_live(study, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wild-idea")
    tracker = tracked()
    assert runs()["AF1-SACU-1"].info.status == "RUNNING"
    for epoch, loss in ((1, 3.0), (2, 1.5)):
        tracker.epoch(RUN, epoch, {"loss": loss, "accuracy": 0.1 * epoch})
    sync_workspace()
    assert runs()["AF1-SACU-1"].info.status == "RUNNING", "it is alive"
    tracker.finished(RUN)
    live = runs()["AF1-SACU-1"]
    sync_workspace()
    training = runs()["AF1-SACU-1"]
    assert (training.info.run_id, training.info.status) == (live.info.run_id, "FINISHED")
    assert training.data.metrics["test.top1"] == 0.5
    assert training.data.tags["mlflow.parentRunId"] == runs()["wild-idea"].info.run_id
    assert verify() == ([], [])


def tracked():
    """A tracker of a training that has begun, in the toy's MLflow experiment."""
    tracker = Tracker(PARAMS, Layout())
    with locked_store():
        tracker.store = Store("toy")
    tracker.started(RUN, INFO)
    return tracker


def test_training_again_takes_the_place_of_a_failed_training(study):
    tracked().failed(RUN, "the loss is not finite")
    (run,) = runs().values()
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "the loss is not finite")
    tracked()
    assert [run.info.status for run in runs().values()] == ["RUNNING"]


def test_a_run_that_another_pipeline_made_is_left_to_it(study, monkeypatch):
    sync()
    before = runs()["AF1-SACU-1"].info.run_id
    monkeypatch.setenv("DVC_EXP_NAME", "wild-idea")
    tracked().finished(RUN)
    Path("metrics/evaluate/AF1/metrics.json").unlink()
    sync_workspace()
    assert runs()["AF1-SACU-1"].info.run_id == before
    assert "test.top1" in runs()["AF1-SACU-1"].data.metrics


def test_a_killed_training_does_not_stay_running(study):
    script = "import sys, time; sys.path.insert(0, sys.argv[1]); import test_tracking; t = test_tracking.tracked(); "
    script += "print('begun', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", script, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as training:
        assert training.stdout.readline() == b"begun\n"
        sync_workspace()
        assert runs()["AF1-SACU-1"].info.status == "RUNNING"
        training.send_signal(signal.SIGKILL)
    Path("models/i3d/AF1/SACU/seed-1.json").rename("kept.json")
    sync()
    assert runs()["AF1-SACU-1"].info.status == "KILLED"
    Path("kept.json").rename("models/i3d/AF1/SACU/seed-1.json")
    sync()
    assert runs()["AF1-SACU-1"].info.status == "FINISHED"
    assert verify() == ([], [])


def test_a_training_goes_on_when_mlflow_fails(study, capsys):
    shutil.rmtree("mlruns")
    Path("mlruns").touch()
    tracker = Tracker(PARAMS, Layout())
    tracker.started(RUN, INFO)
    tracker.epoch(RUN, 1, {"loss": 1.0})
    tracker.finished(RUN)
    sync_workspace()
    assert capsys.readouterr().err.count("calse track sync") == 2


def test_two_syncs_at_once_make_a_deleted_store_again_with_each_run_once(study):
    shutil.rmtree("mlruns")
    with pytest.raises(CalseError, match="calse track sync"):
        verify()
    command = [sys.executable, "-m", "calse", "track", "sync"]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(runs()) == 4
    assert verify() == ([], [])


def test_the_ui_says_when_there_is_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(CalseError, match="dvc repro"):
        serve(5000)
    assert os.listdir(tmp_path) == []
