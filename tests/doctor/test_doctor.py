"""`calse doctor` sees what is broken and says how to mend it: each thing is broken for real."""

import itertools
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
import torch

from calse.config.params import read_params
from calse.corpus.withhold import withhold
from calse.data.paths import Layout
from calse.doctor import machine, nodes, study
from calse.doctor.examine import examine, print_findings
from calse.landmarks.models import MODELS
from calse.runtime.errors import CalseError
from calse.runtime.locks import locked
from calse.video.ours import encode
from toys import toy_params

ROOT = Path(__file__).parents[2]
PARAMS = read_params(ROOT / "presets/synthetic.yaml")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_fresh_clone_is_examined_and_nothing_in_it_is_wrong(capsys: pytest.CaptureFixture[str]):
    for name in ("dvc.yaml", "params.yaml", "requirements.txt", "src", ".dvcignore"):
        (Path.cwd() / name).symlink_to(ROOT / name)
    subprocess.run(["dvc", "init", "--no-scm", "-q"], check=True)
    found = examine()
    assert {name: finding.what for name, finding in found.items() if finding.level == "wrong" and name != "disk"} == {}
    assert found["stages"].level == "warn"
    assert found["stages"].mend == "dvc repro"
    print_findings(found)
    lines = capsys.readouterr().out.splitlines()
    assert [line[6:].partition(":")[0] for line in lines] == list(found)


def test_outside_a_repository_it_says_so(capsys: pytest.CaptureFixture[str]):
    found = examine()
    assert list(found) == ["python", "decoder", "encoder", "repository"]
    with pytest.raises(CalseError, match="^repository: mend this first"):
        print_findings(found)
    assert "holds no study: there is no dvc.yaml  ->  cd into your clone" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["qué?", "a#b"])
def test_a_folder_whose_name_stops_dvcs_experiments_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / name / "study"))
    found = study.place()
    assert found.level == "warn"
    assert f"exp run --temp and --queue stop at {name[-1] if name[-1] == '?' else '#'} in a folder" in found.what


def test_wrong_parameters_are_reported_as_a_stage_would():
    Path("dvc.yaml").touch()
    Path("params.yaml").write_text("train: 1\n")
    assert examine()["parameters"].what.startswith("params.yaml: ")


def test_packages_that_are_not_the_locked_ones_are_named():
    lock = "numpy==0.1 \\\n    --hash=sha256:0\nnever-heard-of-it==1\npytest==0 ; sys_platform == 'nowhere'\n"
    Path("requirements.txt").write_text(lock)
    finding = machine.packages()
    assert (finding.level, finding.mend) == ("wrong", "make setup")
    assert "never-heard-of-it is missing" in finding.what
    assert "numpy " in finding.what
    assert "pytest" not in finding.what, "what another system needs is not missing here"


def test_a_missing_decoder_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    assert machine.decoder().level == "ok"
    monkeypatch.setitem(sys.modules, "decord", None)
    assert machine.decoder().level == "warn"


def test_an_encoder_that_does_not_repeat_itself_is_seen(monkeypatch: pytest.MonkeyPatch):
    assert machine.encoder().level == "ok"
    quantisers = itertools.count(20)
    write = encode.write_video
    monkeypatch.setattr(encode, "write_video", lambda *given: write(*given, qp=next(quantisers)))
    assert machine.encoder().level == "wrong"


@pytest.mark.parametrize(("free", "level"), [(10**9, "wrong"), (5 * 10**9, "warn"), (10**11, "ok")])
def test_a_full_disk_is_seen(free: int, level: str, monkeypatch: pytest.MonkeyPatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, free))
    assert machine.disk().level == level
    assert machine.disk().mend in ("", "rm -r .scratch/frames"), "finished trainings are worth hours"


def test_missing_raw_videos_are_named():
    layout = Layout()
    finding = study.data(PARAMS, layout)
    assert (finding.level, finding.mend) == ("warn", "dvc repro"), "the embedded corpus makes itself"
    mine = replace(PARAMS, synthesise={})
    for name in list(PARAMS.corpus.sources)[1:]:
        (layout.raw("synthetic") / name).mkdir(parents=True)
        (layout.raw("synthetic") / name / "clips.csv").touch()
    finding = study.data(mine, layout)
    assert finding.level == "wrong"
    assert finding.what == "synthetic: no raw videos of SACU"
    assert finding.mend == "calse import FOLDER --corpus synthetic --source SACU", "nothing was added: nothing to pull"
    layout.raw("synthetic").joinpath("SACU.dvc").touch()
    assert study.data(mine, layout).mend.endswith("--source SACU, or: dvc pull")


def test_damaged_face_models_are_named():
    layout = Layout()
    assert study.landmark_models(PARAMS, layout).level == "warn"
    layout.landmark_models().mkdir(parents=True)
    (layout.landmark_models() / MODELS[0].name).write_bytes(b"damaged")
    finding = study.landmark_models(PARAMS, layout)
    assert finding.level == "wrong"
    assert MODELS[0].name in finding.what
    assert study.landmark_models(replace(PARAMS, landmarks=replace(PARAMS.landmarks, sources=())), layout).level == "ok"


def test_a_store_that_is_locked_damaged_or_away_is_seen(monkeypatch: pytest.MonkeyPatch):
    assert study.store().what == "nothing is tracked yet"
    path = Path("mlruns/mlflow.db")
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE experiments (artifact_location)")
        other.commit()
        assert study.store().level == "ok"
        other.execute("BEGIN IMMEDIATE")
        assert study.store().level == "warn"
    other.close()
    path.write_bytes(b"no database" * 100)
    assert study.store().level == "wrong"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    finding = study.store()
    assert finding.level == "wrong"
    assert finding.what.startswith("127.0.0.1 does not answer")
    assert "secret" not in finding.what
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "127.0.0.1:5000")
    assert study.store().what == "MLFLOW_TRACKING_URI=127.0.0.1:5000 is no store"
    assert study.store().mend.startswith("name a server, http://HOST:5000, or")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1/runs")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert study.store().mend == 'MLFLOW_TRACKING_URI needs the extra "server": make extras'


def test_a_missing_remote_is_a_warning():
    assert study.remote().mend == "dvc remote add -d NAME URL"
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("['remote \"store\"']\n    url = /somewhere\n")
    assert study.remote().mend == "dvc remote default store"
    Path(".dvc/config.local").write_text("[core]\n    remote = store\n")
    assert study.remote() == ("ok", "dvc push goes to store", "")


def test_a_source_that_must_stay_here_but_would_be_pushed_is_wrong():
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    assert study.sharing(PARAMS, Layout()).level == "ok"
    sources = PARAMS.corpus.sources
    kept = replace(PARAMS.corpus, sources=sources | {"STS": replace(sources["STS"], share=False)})
    params = replace(PARAMS, corpus=kept)
    finding = study.sharing(params, Layout())
    assert (finding.level, finding.mend) == ("wrong", "calse withhold")
    assert finding.what.startswith("source STS is not to be shared, but dvc.yaml lets `dvc push` send data/raw/")
    withhold(params, Layout())
    assert study.sharing(params, Layout()) == ("ok", "dvc push leaves out STS and all that people went into", "")


def test_consent_that_ends_is_announced_a_month_before():
    def found(days):
        until = (date.today() + timedelta(days=days)).isoformat()
        source = replace(PARAMS.corpus.sources["STS"], until=until)
        corpus = replace(PARAMS.corpus, sources=PARAMS.corpus.sources | {"STS": source})
        return study.consent(replace(PARAMS, corpus=corpus), Layout())

    assert found(40) == ("ok", "nobody's has ended", "")
    assert (found(20).level, found(20).what[:24]) == ("warn", "that of source STS ends ")
    assert (found(-1).level, found(-1).what[:28]) == ("wrong", "source STS: consent ended on")
    assert "calse forget --source STS" in found(-1).mend


def test_the_accelerator_line_tells_arithmetic_and_threads():
    found = machine.accelerator(PARAMS)
    assert "1 thread a training" in found.what
    found = machine.accelerator(toy_params(precision="fp32", threads=4096))
    assert "fp32; 4096 threads" in found.what
    assert found.mend.startswith("dvc exp run -S train.i3d.threads=") or found.level == "ok"
    assert found.level == ("ok" if torch.cuda.is_available() else "warn")


def test_a_file_system_whose_locks_hold_nobody_back_is_seen(study, monkeypatch: pytest.MonkeyPatch):
    assert nodes.locks().level == "ok"
    monkeypatch.setattr(nodes, "is_held", lambda path: False)
    assert nodes.locks().level == "wrong"


@pytest.mark.skipif(not Path("/sys").exists(), reason="a folder in which nobody may write, root neither")
def test_a_clone_that_may_not_be_written_is_named_as_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DVC_ROOT", "/sys")
    assert nodes.locks().what.endswith(": nothing can be made in this clone")


def test_another_dvc_is_seen_and_taken_for_no_fault():
    Path("dvc.yaml").write_text("stages: {}\n")
    Path(".dvc/tmp").mkdir(parents=True)
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    with locked(Path(".dvc/tmp/lock")):
        assert study.stages(PARAMS, Layout()).what == "another dvc is at work here"


def test_the_executor_line_tells_where_work_runs(study, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CALSE_WORKERS", "3")
    assert nodes.executor().what == "local, 3 processes at a time"
    monkeypatch.setenv("CALSE_EXECUTOR", "dask")
    assert nodes.executor().level == "wrong"
