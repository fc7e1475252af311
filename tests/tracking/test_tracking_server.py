"""One MLflow server for several people: nobody's run is lost, doubled or taken for another's."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import mlflow
import pytest

from calse.doctor import study as doctor
from calse.runtime.errors import CalseError
from calse.runtime.files import write_json
from calse.tracking.promote import promote
from calse.tracking.sync import sync, verify
from calse.tracking.ui import serve
from studies import NAME, QUALITY, RUN, RUNS, client, race, runs, tracked, write_checkpoint, write_lock, write_study


@contextmanager
def mlflow_server(folder, database):
    """An MLflow server over a database, artefacts through it; its address and the file that notes every request."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    options = ["--backend-store-uri", database, "--artifacts-destination", f"{folder}/artifacts"]
    command = ["python", "-m", "mlflow", "server", *options, "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # five processes more, for LLM judges
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, process_group=0)
    try:
        for _ in range(600):
            time.sleep(0.2)
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
        yield f"http://127.0.0.1:{port}", folder / "log"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def postgresql():
    """A database in a private cluster, which refuses to run as root; skips the test where PostgreSQL is missing."""
    pytest.importorskip("psycopg", reason="the extra server is not installed: make extras")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or filter(None, [shutil.which("initdb")])
    programmes = next((Path(initdb).parent for initdb in found), None)
    if programmes is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = "nobody" if os.geteuid() == 0 else None
    with TemporaryDirectory(prefix="calse-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = free.getsockname()[1]
        data, options = f"{folder}/data", {"user": user, "cwd": folder, "stdout": subprocess.DEVNULL}
        subprocess.run([programmes / "initdb", "-D", data, "-U", "toy", "-A", "trust", "-N"], check=True, **options)
        listens = ["-c", "listen_addresses=127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        server = subprocess.Popen([programmes / "postgres", "-D", data, *listens], stderr=subprocess.DEVNULL, **options)
        try:
            for _ in range(300):
                time.sleep(0.2)
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
            yield f"postgresql+psycopg://toy@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory, migrated):
    """The address of a server over an sqlite file and the file in which it notes every request."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "runs.db").write_bytes((migrated / "mlflow.db").read_bytes())
    with mlflow_server(folder, f"sqlite:///{folder}/runs.db") as running:
        yield running


@pytest.fixture
def shared(server, surroundings, tmp_path, monkeypatch, request):
    """A repository with a study, whose store is the server's, under an experiment of its own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[0])
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", request.node.name)
    monkeypatch.chdir(tmp_path)
    write_study()
    return server[0]


def raced(tmp_path, monkeypatch, name):
    """Two checkouts of one study sync for the first time at once, under that name; then each run is there once."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        write_study()
    monkeypatch.chdir(tmp_path)
    race(["one", "two"], name)
    monkeypatch.chdir("two")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    assert verify() == ([], [])
    found = client().search_runs([client().get_experiment_by_name(name).experiment_id])
    assert sorted(run.info.run_name for run in found) == sorted(RUNS)


def test_first_syncs_of_two_checkouts_at_once_make_one_experiment_with_each_run_once(shared, tmp_path, monkeypatch):
    raced(tmp_path, monkeypatch, "race")


def test_a_server_over_postgresql_takes_two_first_syncs_at_once_verifies_promotes_and_shows(
    tmp_path, surroundings, monkeypatch, capsys
):
    folder = tmp_path / "server"
    folder.mkdir()
    with postgresql() as database, mlflow_server(folder, database) as (address, _):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        raced(tmp_path, monkeypatch, "study")
        write_checkpoint()
        sync()
        assert promote(NAME, "served") == ("served", "1")
        assert list((folder / "artifacts").rglob("MLmodel")), "artefacts went through the server"
        assert mlflow.models.get_model_info("models:/served/1").run_id == runs("study")[NAME].info.run_id
        assert verify()[0] == []
        monkeypatch.setattr("webbrowser.open", lambda address: None)
        serve(5000)
        assert capsys.readouterr().out.startswith(f"MLflow UI: {address}/#/experiments/")


def test_two_studies_of_one_corpus_name_leave_each_other_alone(shared, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    for folder, frames in ((".", 12), ("other", 13)):
        monkeypatch.chdir(tmp_path / folder)
        write_study()
        write_json(Path("metrics/swap/DF-1.json"), QUALITY | {"frames": frames})
        write_lock()
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"study of {folder}")
        assert sync() == {"made": 5}
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"study of {folder}")
    for folder in (".", "other"):
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", f"study of {folder}")
        assert sync() == {"equal": 5}
        assert verify() == ([], [])


def test_verify_asks_for_curves_alone(shared, server):
    write_json(Path("metrics/swap/DF-1.json"), QUALITY | {f"figure{number}": number for number in range(100)})
    write_lock()
    sync()
    before = server[1].read_text().count("/mlflow/")
    assert verify() == ([], [])
    asked = server[1].read_text()
    assert asked.count("metrics/get-history") >= 2, "the curves of the one training"
    assert asked.count("/mlflow/") - before < 10
    client().log_metric(runs(shared_name())["swap@DF-1"].info.run_id, "figure7", 8, step=3)
    assert "metric figure7 at step 3: stored 8.0, should be 'nothing'" in "".join(verify()[0])


def shared_name():
    return os.environ["MLFLOW_EXPERIMENT_NAME"]


def test_a_live_training_is_completed_and_its_model_promoted_through_the_server(shared, tmp_path):
    checkpoint = write_checkpoint()
    info = json.loads(checkpoint.with_suffix(".json").read_text())
    tracker = tracked(info)
    tracker.epoch(RUN, 1, {"loss": 3.0, "accuracy": 0.1})
    tracker.epoch(RUN, 2, {"loss": 1.5, "accuracy": 0.2})
    tracker.finished(RUN)
    assert sync() == {"made": 4, "completed": 1}
    assert promote(NAME, "served") == ("served", "1")
    assert mlflow.models.get_model_info("models:/served/1").run_id == runs(shared_name())[NAME].info.run_id
    assert verify() == ([], [])


def test_the_ui_of_a_server_is_its_address(shared, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared.replace("//", "//me:secret@"))
    monkeypatch.setattr("webbrowser.open", lambda address: None)
    sync()
    serve(5000)
    experiment = client().get_experiment_by_name(shared_name())
    table = f"/#/experiments/{experiment.experiment_id}/runs?viewStateShareKey=calse&workflowType=machine_learning"
    assert capsys.readouterr().out == f"MLflow UI: {shared}{table}\n"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    columns = json.loads(experiment.tags["mlflow.sharedViewState.calse"])["selectedColumns"]
    training = runs(shared_name())[NAME].data
    assert {name.split("`")[1] for name in columns} - {"test.top5", "test.top10"} <= {
        *training.params,
        *training.metrics,
    }


def test_an_address_may_end_in_a_slash(shared, monkeypatch):
    sync()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{shared}/")
    assert sync() == {"equal": 5}
    assert doctor.store() == ("ok", "127.0.0.1 answers", "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared.replace("//", "//me:secret@"))
    assert doctor.store() == ("ok", "127.0.0.1 answers", "")


def test_a_server_that_is_not_there_is_reported_once_in_one_line_without_its_password(shared, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with pytest.raises(CalseError, match="is MLFLOW_TRACKING_URI right, and its server up") as failed:
        sync()
    assert "127.0.0.1:9" in str(failed.value)
    assert "secret" not in str(failed.value)
    assert "\n" not in str(failed.value)
