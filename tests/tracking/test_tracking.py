"""MLflow is what DVC knows, no more and no less; and it never stands in the way of a training."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from typer.testing import CliRunner

from calse.cli.tracking import runs as commands
from calse.recognition.checkpoint import load_checkpoint
from calse.recognition.inference import predict
from calse.recognition.input.frames import short_side, shrink
from calse.runtime.errors import CalseError
from calse.runtime.files import host, write_json
from calse.runtime.locks import locked
from calse.tracking.live import Tracker
from calse.tracking.promote import promote
from calse.tracking.sync import sync, sync_workspace, verify
from calse.tracking.ui import serve
from studies import (
    DVC_YAML,
    INFO,
    NAME,
    PARAMS,
    QUALITY,
    RUN,
    RUNS,
    client,
    md5,
    race,
    runs,
    stage,
    tracked,
    write_checkpoint,
    write_lock,
    yaml,
)

NO_PROCESS = 999_999_999


def every_run():
    return client().search_runs([client().get_experiment_by_name("toy").experiment_id])


def end_process(machine=None):
    """Let the training that runs look as if its process had ended, or as if it ran on another machine."""
    (run,) = [run for run in every_run() if run.info.status == "RUNNING"]
    client().set_tag(run.info.run_id, "calse.process", f"{machine or host()} {NO_PROCESS}")


pytestmark = pytest.mark.usefixtures("surroundings")


def test_every_stage_becomes_a_run_with_what_it_ran_on_and_what_came_out(study):
    assert sync() == {"made": 5}
    found = runs()
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    training = found[NAME]
    assert (training.data.params["train.optim.batch"], training.data.params["recipe"]) == ("10", "AF1")
    assert training.data.params["train.model.pretrained"] == "kinetics.pt"
    assert training.data.params["warning"].startswith("learned nothing: right about 20 % of its 10 training clips")
    assert training.data.metrics == {"loss": 1.5, "accuracy": 0.2, "test.clips": 4, "test.top1": 0.5}
    points = client().get_metric_history(training.info.run_id, "loss")
    assert [(point.step, point.value) for point in points] == [(1, 3.0), (2, 1.5)]
    (data,) = training.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("data/splits/AF1.csv", md5(Path("data/splits/AF1.csv")))
    assert found["swap@DF-1"].data.params == {"swap.erode": "0.5"}, (
        "dvc.lock tells what ran, params.yaml may have moved on"
    )
    assert found["swap@DF-1"].data.metrics == {"frames": 12.0, "passed": 0.0, "identity.moved": 0.25}
    assert (found["ingest@SACU"].data.metrics, found["augment@AF1"].data.metrics) == ({"clips": 3}, {"clips": 2})


def test_the_pipeline_is_the_parent_and_holds_every_parameter_and_score(study):
    sync()
    parent = runs()["workspace"]
    parents = {name: run.data.tags.get("mlflow.parentRunId") for name, run in runs().items()}
    assert parents == dict.fromkeys(RUNS, parent.info.run_id) | {"workspace": None}
    assert parent.data.params == {
        "corpus.name": "toy",
        "augment.AF1.scale": "0.1",
        "ingest.fps": "25",
        "swap.DF-1.erode": "0.5",
        "train.i3d.optim.batch": "10",
    }
    assert parent.data.metrics == {"i3d-AF1.SACU.top1": 0.5, "i3d-AF1.STS.top1": 1, "i3d-AF1.mean.top1": 0.75}


def test_a_second_sync_changes_nothing(study):
    sync()
    before = {name: run.info.run_id for name, run in runs().items()}
    assert sync() == {"equal": 5}
    assert {name: run.info.run_id for name, run in runs().items()} == before
    assert verify() == ([], [])


def test_verify_names_every_drift_and_sync_mends_it(study):
    sync()
    found, changed = runs(), client()
    changed.log_metric(found[NAME].info.run_id, "loss", 0.1, step=2)
    changed.delete_run(found["ingest@SACU"].info.run_id)
    changed.log_param(found["swap@DF-1"].info.run_id, "swap.extra", "1")
    tags = found["workspace"].data.tags | {"calse.process": "another 1"}
    changed.create_run(found["swap@DF-1"].info.experiment_id, tags=tags)
    drift = "\n".join(verify()[0])
    assert "ingest@SACU: missing" in drift
    assert "metric loss at step 2: stored 0.1, should be 1.5" in drift
    assert "param swap.extra: stored '1', should be 'nothing'" in drift
    assert "workspace: 2 runs instead of one" in drift
    assert "RUNNING, but nothing trains it" in drift
    sync()
    assert verify() == ([], [])


def test_a_rerun_replaces_its_run_and_other_parameters_make_another(study):
    sync()
    write_json(Path("metrics/swap/DF-1.json"), QUALITY | {"frames": 13})
    write_lock()
    assert sync() == {"equal": 4, "replaced": 1}
    assert runs()["swap@DF-1"].data.metrics["frames"] == 13
    write_json(Path("models/i3d/AF1/SACU/seed-1.json"), INFO | {"fingerprint": "e" * 64})
    write_lock()
    assert sync() == {"equal": 4, "made": 1}
    drift, notes = verify()
    assert (drift, len(notes)) == ([], 1)


def test_what_dvc_does_not_vouch_for_is_not_shown(study):
    write_json(Path("metrics/swap/DF-1.json"), QUALITY | {"frames": 99})
    Path("metrics/evaluate/i3d/AF1/metrics.json").unlink()
    sync()
    assert "swap@DF-1" not in runs()
    assert "test.top1" not in runs()[NAME].data.metrics


def test_a_stage_of_ones_own_and_a_recogniser_without_curves_show_up_by_themselves(study):
    (plots,) = [line for line in DVC_YAML.splitlines() if "plots:" in line]
    own = "  depth:\n    cmd: depth\n    outs: [metrics/depth.json: {cache: false}]\n"
    Path("dvc.yaml").write_text(DVC_YAML.replace(plots, "") + own)
    write_json(Path("metrics/depth.json"), {"mean": 2.5})
    lock = yaml.load(Path("dvc.lock"))
    lock["stages"]["depth"] = stage({}, [], ["metrics/depth.json"])
    del lock["stages"]["train@i3d-AF1"]["outs"][1]
    with open("dvc.lock", "w") as file:
        yaml.dump(lock, file)
    assert sync() == {"made": 6}
    assert runs()["depth"].data.metrics == {"mean": 2.5}
    assert runs()[NAME].data.metrics == {"test.clips": 4, "test.top1": 0.5}
    assert verify() == ([], [])


def test_the_projection_completes_the_run_that_was_written_live(study, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wild-idea")
    tracker = tracked()
    assert runs()[NAME].info.status == "RUNNING"
    for epoch, loss in ((1, 3.0), (2, 1.5)):
        tracker.epoch(RUN, epoch, {"loss": loss, "accuracy": 0.1 * epoch})
    sync_workspace()
    assert runs()[NAME].info.status == "RUNNING", "it is alive"
    tracker.finished(RUN)
    live = runs()[NAME]
    sync_workspace()
    training = runs()[NAME]
    assert (training.info.run_id, training.info.status) == (live.info.run_id, "FINISHED")
    assert training.data.metrics["test.top1"] == 0.5
    assert training.data.tags["mlflow.parentRunId"] == runs()["wild-idea"].info.run_id
    assert verify() == ([], [])


def test_a_long_training_is_completed_and_not_written_again(study):
    """What was logged epoch by epoch is what `sync` wants; it has more points than a picture needs."""
    epochs = range(1, 251)
    tracker = tracked()
    for epoch in epochs:
        tracker.epoch(RUN, epoch, {"loss": 1 / epoch})
    tracker.finished(RUN)
    live = runs()[NAME].info.run_id
    curve = "epoch,loss\n" + "".join(f"{epoch},{1 / epoch}\n" for epoch in epochs)
    Path("metrics/train/i3d/AF1/SACU-seed-1.csv").write_text(curve)
    write_lock()
    assert sync() == {"made": 4, "completed": 1}
    assert runs()[NAME].info.run_id == live
    assert len(client().get_metric_history(live, "loss")) == 250
    assert verify() == ([], [])


def test_training_again_takes_the_place_of_a_failed_training(study):
    tracked().failed(RUN, "the loss is not finite")
    (run,) = runs().values()
    assert (run.info.status, run.data.params["reason"]) == ("FAILED", "the loss is not finite")
    tracked().finished(RUN)
    sync()
    trainings = [run for run in every_run() if run.info.run_name == NAME]
    assert [(run.info.status, "reason" in run.data.params) for run in trainings] == [("FINISHED", False)]


def test_a_run_that_another_pipeline_made_is_left_to_it(study, monkeypatch):
    sync()
    before = runs()[NAME].info.run_id
    monkeypatch.setenv("DVC_EXP_NAME", "wild-idea")
    tracked().finished(RUN)
    Path("metrics/evaluate/i3d/AF1/metrics.json").unlink()
    sync_workspace()
    assert runs()[NAME].info.run_id == before
    assert "test.top1" in runs()[NAME].data.metrics


def test_a_killed_training_does_not_stay_running(study):
    script = "import sys, time; sys.path.insert(0, sys.argv[1]); import studies; t = studies.tracked(); "
    script += "print('begun', flush=True); time.sleep(60)"
    command = ["python", "-c", script, str(Path(__file__).parents[1])]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as training:
        assert training.stdout.readline() == b"begun\n"
        sync_workspace()
        assert runs()[NAME].info.status == "RUNNING"
        training.send_signal(signal.SIGKILL)
    Path("models/i3d/AF1/SACU/seed-1.json").rename("kept.json")
    sync()
    assert runs()[NAME].info.status == "KILLED"
    Path("kept.json").rename("models/i3d/AF1/SACU/seed-1.json")
    sync()
    assert runs()[NAME].info.status == "FINISHED"
    assert verify() == ([], [])


def test_in_a_shared_store_what_has_ended_here_is_mended_and_other_machines_trainings_are_left(study, monkeypatch):
    shutil.move("mlruns/mlflow.db", "shared.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/shared.db")
    tracked().finished(RUN)
    sync()
    client().log_metric(runs()[NAME].info.run_id, "loss", 0.1, step=2)
    assert "metric loss at step 2" in verify()[0][0]
    sync()
    assert verify() == ([], [])
    lost = tracked()
    lost.broken = True  # the server was gone when the training ended
    lost.finished(RUN)
    end_process()
    sync()
    assert (runs()[NAME].info.status, verify()) == ("FINISHED", ([], []))
    elsewhere = tracked()
    end_process("another")
    sync()
    assert "RUNNING" in {run.info.status for run in every_run()}
    elsewhere.finished(RUN)


def test_a_training_goes_on_when_mlflow_fails(study, capsys):
    shutil.rmtree("mlruns")
    Path("mlruns").touch()
    tracker = Tracker(PARAMS)
    tracker.delay = 0
    tracker.started(RUN, INFO)
    tracker.epoch(RUN, 1, {"loss": 1.0})
    tracker.finished(RUN)
    sync_workspace()
    assert capsys.readouterr().err.count("calse track sync") == 2


def test_a_short_training_is_left_to_the_next_sync_and_a_failed_one_written_at_once(study):
    sync()
    before = len(every_run())
    tracker = Tracker(PARAMS)
    tracker.corpus = "toy"
    tracker.started(RUN, INFO | {"fingerprint": "another"})
    tracker.epoch(RUN, 1, {"loss": 1.0})
    assert len(every_run()) == before
    tracker.failed(RUN, "no memory")
    (failed,) = [run for run in every_run() if run.info.status == "FAILED"]
    assert failed.data.params["reason"] == "no memory"
    assert failed.data.metrics["loss"] == 1.0


def test_a_short_training_of_an_experiment_is_written_at_once_for_its_folder_may_go(study, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "short")
    tracker = Tracker(PARAMS)
    tracker.corpus = "toy"
    tracker.started(RUN, INFO)
    tracker.epoch(RUN, 2, {"loss": 1.5})
    assert runs()[NAME].data.tags["dvc.experiment"] == "short"
    assert runs()[NAME].data.metrics["loss"] == 1.5


def test_two_syncs_at_once_make_a_deleted_store_again_with_each_run_once(study):
    shutil.rmtree("mlruns")
    with pytest.raises(CalseError, match="calse track sync"):
        verify()
    race([".", "."], "toy")
    assert len(runs()) == 5
    assert verify() == ([], [])


def test_a_promoted_model_explains_itself_and_answers_as_its_checkpoint(study, monkeypatch):
    checkpoint = write_checkpoint()
    sync()
    said, *lines = CliRunner().invoke(commands, ["promote", NAME]).stdout.splitlines()
    assert said == "registered as toy-i3d-AF1, version 1; in Python:"
    mlflow.set_tracking_uri("sqlite:///another.db")
    found: dict = {}
    exec(textwrap.dedent("\n".join(lines)), found)
    model = found["model"]
    clip = np.random.default_rng(7).integers(0, 256, (20, 40, 60, 3), np.uint8)
    network, info = load_checkpoint(checkpoint)
    ((_, expected),) = predict(network, info, [shrink(clip, short_side(info["params"]["input"]["size"]))])
    answers = model.predict(clip[None])
    assert list(answers.columns) == INFO["classes"]
    np.testing.assert_array_equal(answers.to_numpy()[0], expected)
    assert model.metadata.metadata["classes"] == INFO["classes"]
    assert [spec.type for spec in model.metadata.signature.inputs] == [np.dtype("uint8")]
    run_id = runs()[NAME].info.run_id
    assert model.metadata.run_id == run_id
    client().log_metric(run_id, "test.top1", 0.9)
    assert len(verify()[0]) == 1
    assert sync() == {"equal": 4, "completed": 1}
    assert (runs()[NAME].info.run_id, verify()) == (run_id, ([], [])), "a promoted model's run is mended in its place"
    monkeypatch.setattr("calse.recognition.inference.predict", lambda *_: [(None, np.random.default_rng().random(2))])
    with pytest.raises(CalseError, match="predicts otherwise"):
        promote(NAME, None)
    assert [found.version for found in client().search_model_versions("name='toy-i3d-AF1'")] == [1]
    with pytest.raises(CalseError, match="--name 'a/b': MLflow takes no / and no :"):
        promote(NAME, "a/b")
    with pytest.raises(CalseError, match="Invalid value"):
        promote(NAME, "..a")
    assert verify() == ([], []), "a training whose model is not registered has not failed"
    with pytest.raises(CalseError, match="the nearest of 1 are: i3d-AF1-SACU-1"):
        promote("i3d-AF2-SACU-1", None)
    Path("metrics/train/i3d/AF1/SACU-seed-1.csv").unlink()
    with pytest.raises(CalseError, match="dvc exp apply"):
        promote(NAME, None)


def test_the_ui_says_when_there_is_nothing_to_show(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(CalseError, match="dvc repro"):
        serve(5000)
    assert os.listdir(tmp_path) == []


def test_the_ui_says_when_its_port_is_taken(study):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CalseError, match=f"--port {port}: address already in use; .*: calse ui --port {port + 1}"):
            serve(port)


@pytest.mark.parametrize(
    "uri", ["/somewhere/mlruns", "./mlruns", "file:///somewhere", "127.0.0.1:5000", "somewhere:5000"]
)
def test_an_address_that_mlflow_cannot_open_is_reported_in_one_line(uri, study, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for command in (sync, verify, lambda: serve(5000), lambda: promote(NAME, None)):
        with pytest.raises(CalseError, match=f"^MLFLOW_TRACKING_URI={uri} is no store; name a server"):
            command()


def test_a_database_without_its_driver_says_what_to_install(study, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1:9/runs")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for command in (sync, verify, lambda: serve(5000)):
        with pytest.raises(CalseError, match=r'needs the extra "server": make extras$'):
            command()


def test_an_sqlite_store_of_ones_own_is_synced_verified_and_shown(study, monkeypatch):
    shutil.move("mlruns/mlflow.db", "own.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{Path.cwd()}/own.db")
    assert sync() == {"made": 5}
    assert sync() == {"equal": 5}
    assert verify() == ([], [])
    started = []
    popen = SimpleNamespace(Popen=lambda command: started.append(command) or subprocess.Popen(["true"]))
    monkeypatch.setattr("calse.tracking.ui.subprocess", popen)
    serve(5000)
    assert f"sqlite:///{Path.cwd()}/own.db" in started[0]
    Path("own.db").unlink()
    with pytest.raises(CalseError, match="dvc repro"):
        serve(5000)
    assert not Path("mlruns/mlflow.db").exists()


def test_a_store_that_another_process_keeps_locked_costs_a_training_its_curves_and_nothing_else(
    study, monkeypatch, capsys
):
    monkeypatch.setattr("calse.tracking.place.TIMEOUT", 0.2)
    tracker = tracked()
    with locked(Path("mlruns/.lock")):
        tracker.epoch(RUN, 1, {"loss": 1.0})
    tracker.finished(RUN)
    assert "another process has held mlruns/ for 0.2 seconds" in capsys.readouterr().err
    end_process()
    sync()
    assert verify() == ([], [])


def test_an_sqlite_lock_of_another_programme_is_reported_by_name(study, capsys):
    tracker = Tracker(PARAMS)
    tracker.delay = 0
    with sqlite3.connect("mlruns/mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        tracker.started(RUN, INFO)
        other.execute("ROLLBACK")
    assert "database is locked" in capsys.readouterr().err


def test_a_store_deleted_under_a_training_does_not_stop_it(study):
    tracker = tracked()
    shutil.rmtree("mlruns")
    tracker.epoch(RUN, 1, {"loss": 1.0})
    tracker.finished(RUN)
    assert not Path("mlruns/mlflow.db").exists(), "half a store would be in the way of the next sync"
