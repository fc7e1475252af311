"""For every test: OpenMP threads that wait asleep, as the commands have them; spinning ones take half of the CPU."""

import os
import shutil

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A fresh MLflow store; making one takes seconds."""
    from calse.tracking.store import Store, locked_store

    root = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with locked_store():
            Store("toy")
    return root / "mlruns"


@pytest.fixture
def surroundings(monkeypatch):
    """No variable of DVC or MLflow is set."""
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")  # so that the test's end takes back what mlflow sets
        monkeypatch.delenv(name)


@pytest.fixture
def study(tmp_path, monkeypatch, migrated, surroundings):
    """A repository with a study and an empty store, which is the working directory."""
    from studies import write_study

    monkeypatch.chdir(tmp_path)
    shutil.copytree(migrated, "mlruns")
    write_study()
