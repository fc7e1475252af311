import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from calse.clips import write_manifest
from calse.errors import CalseError
from calse.files import write_json
from calse.layout import Layout
from calse.params import read_params
from calse.recognition.observer import Run
from calse.tracking.store import store_uri
from calse.tracking.tracker import Tracker
from calse.tracking.ui import serve

PARAMS = read_params(Path("presets/synthetic.yaml"))
RUN = Run("AF1", "SACU", 1)
INFO = {"fingerprint": "f" * 64}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The main repository, and apart from it a workspace that a stage runs in."""
    root = tmp_path_factory.mktemp("main")
    layout = Layout(tmp_path_factory.mktemp("workspace"))
    layout.split("AF1").parent.mkdir(parents=True)
    layout.split("AF1").write_text("clip\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.setenv("DVC_EXP_NAME", "wild-idea")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield root, layout


def runs_of(params):
    client = MlflowClient(store_uri())
    experiment = client.get_experiment_by_name(params.corpus.name)
    return client, client.search_runs([experiment.experiment_id])


def test_a_training_becomes_one_run_with_everything_to_compare_it_by(repository):
    root, layout = repository
    tracker = Tracker(PARAMS, layout)
    tracker.started(RUN, INFO)
    for epoch in (1, 2):
        tracker.epoch(RUN, epoch, {"loss": 3.0 / epoch, "accuracy": 0.1 * epoch})
    tracker.finished(RUN)
    Tracker(PARAMS, layout).scores(RUN, INFO, {"top1": 0.5, "top5": 1.0})
    client, (run,) = runs_of(PARAMS)
    assert (root / "mlruns/mlflow.db").is_file()
    assert run.info.status == "FINISHED"
    assert (run.data.params["train.batch"], run.data.params["recipe"], run.data.params["seed"]) == ("10", "AF1", "1")
    assert (run.data.metrics["loss"], run.data.metrics["test.top1"], run.data.metrics["test.top5"]) == (1.5, 0.5, 1.0)
    assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == [3.0, 1.5]
    assert run.data.tags["calse.test_source"] == "SACU"
    assert run.data.tags["dvc.experiment"] == "wild-idea"
    digest = run.inputs.dataset_inputs[0].dataset.digest
    assert digest == hashlib.md5(layout.split("AF1").read_bytes()).hexdigest()


def test_training_again_replaces_the_run_and_a_lost_run_comes_back_with_its_scores(repository):
    params = replace(PARAMS, corpus=replace(PARAMS.corpus, name="again"))
    for _ in range(2):
        tracker = Tracker(params, repository[1])
        tracker.started(RUN, INFO)
        tracker.finished(RUN)
    client, runs = runs_of(params)
    assert len(runs) == 1
    client.delete_run(runs[0].info.run_id)
    Tracker(params, repository[1]).scores(RUN, INFO, {"top1": 0.25})
    (run,) = runs_of(params)[1]
    assert (run.info.status, run.data.metrics["test.top1"]) == ("FINISHED", 0.25)


def test_a_swapped_set_becomes_a_run_with_its_figures(repository):
    params, layout = replace(PARAMS, corpus=replace(PARAMS.corpus, name="swapping")), repository[1]
    write_manifest(layout.set_manifest("DF-1"), [])
    figures = {"frames": 12, "kept": None, "passed": False, "failed": ["..."], "identity": {"moved": 0.25}}
    write_json(layout.metrics("swap") / "DF-1.json", figures)
    for _ in range(2):
        Tracker(params, layout).swapped_set("DF-1")
    (run,) = runs_of(params)[1]
    assert run.data.metrics == {"frames": 12.0, "passed": 0.0, "identity.moved": 0.25}
    assert (run.data.params["donor"], run.data.params["swap-train.size"]) == ("DONOR-1", "64")
    assert run.info.status == "FINISHED"


def test_a_failed_training_is_closed_with_its_reason(repository):
    params = replace(PARAMS, corpus=replace(PARAMS.corpus, name="failing"))
    tracker = Tracker(params, repository[1])
    tracker.started(RUN, INFO)
    tracker.failed(RUN, "the loss is not finite")
    (run,) = runs_of(params)[1]
    assert (run.info.status, run.data.tags["calse.reason"]) == ("FAILED", "the loss is not finite")


def test_the_ui_says_when_there_is_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(CalseError, match="dvc repro"):
        serve(5000)
    assert os.listdir(tmp_path) == []
