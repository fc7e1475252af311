"""Where the repository lies, and whether it was moved, is nothing to MLflow's store."""

import os
import shutil
from pathlib import Path

import mlflow
import pytest

from calse.doctor.study import store as doctors_line
from calse.tracking.promote import promote
from calse.tracking.sync import sync, verify
from studies import NAME, client, runs, write_checkpoint, write_study


@pytest.mark.parametrize(
    "name", ["qué?", "100%41", "a#b", 'it\'s "quoted" & more', "50% off;x=1", "手話 [1]", "a+b", "%25"]
)
def test_a_store_lies_inside_of_a_repository_of_any_name(name, tmp_path, migrated, surroundings, monkeypatch):
    root = tmp_path / name
    root.mkdir()
    monkeypatch.chdir(root)
    write_study()
    if "'" not in name:  # that one is trouble while a store is made
        shutil.copytree(migrated, "mlruns")
    assert sync() == {"made": 5}
    run = runs()["augment@AF1"]
    client().log_text(run.info.run_id, "...", "note.txt")
    assert verify() == ([], [])
    assert doctors_line().level == "ok"
    assert [path.name for path in root.rglob("note.txt")] == ["note.txt"]
    assert os.listdir(tmp_path) == [name], "nothing beside it"


def test_a_moved_repository_says_so_and_takes_its_models_along(study, tmp_path, tmp_path_factory, monkeypatch):
    write_checkpoint()
    sync()
    promote(NAME, None)
    former = tmp_path.with_name("former 100%41")
    tmp_path.rename(former)
    monkeypatch.chdir(former)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    drift, _ = verify()
    assert drift == [f"the store was moved or copied: it keeps artifacts in {tmp_path.as_uri()}/mlruns/artifacts"]
    assert (doctors_line().level, doctors_line().mend) == ("warn", "calse track sync")
    assert promote(NAME, None) == ("toy-i3d-AF1", "2")
    assert (verify(), doctors_line().level) == (([], []), "ok")
    assert not tmp_path.exists(), "nothing is written where it lay before"
    run_id = runs()[NAME].info.run_id
    elsewhere = tmp_path_factory.mktemp("loaded")
    for version in "12":
        model = mlflow.pyfunc.load_model(f"models:/toy-i3d-AF1/{version}", dst_path=str(elsewhere))
        assert model.metadata.run_id == run_id


def test_a_copied_repository_leaves_the_first_one_alone(study, tmp_path, monkeypatch):
    sync()
    before = runs()["augment@AF1"].info
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path, copy)
    monkeypatch.chdir(copy)
    sync()
    run = runs()["augment@AF1"].info
    assert (run.run_id, run.artifact_uri) == (before.run_id, before.artifact_uri.replace(str(tmp_path), str(copy)))
    monkeypatch.chdir(tmp_path)
    assert runs()["augment@AF1"].info.artifact_uri == before.artifact_uri


def test_a_database_that_the_environment_names_may_move_too(study, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///own/runs.db")
    Path("own").mkdir()
    shutil.copy("mlruns/mlflow.db", "own/runs.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    sync()
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    monkeypatch.chdir(moved)
    assert verify()[0] == [f"the store was moved or copied: it keeps artifacts in {tmp_path.as_uri()}/own/artifacts"]
    sync()
    assert verify() == ([], [])
    run = client().search_runs([client().get_experiment_by_name("mine").experiment_id])[0]
    assert run.info.artifact_uri.startswith(f"{moved.as_uri()}/own/artifacts/")


def test_a_relative_database_is_the_repositorys_from_any_working_directory(study, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlruns/mlflow.db")
    sync()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copytree(".", tmp_path / ".dvc/tmp/exps/one", ignore=shutil.ignore_patterns("mlruns", ".dvc"))
    monkeypatch.chdir(tmp_path / ".dvc/tmp/exps/one")
    assert verify() == ([], [])
    assert not Path("mlruns").exists()
