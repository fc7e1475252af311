"""Where the one MLflow store is, and how it is opened."""

import fcntl
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from calse.layout import main_repository

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "mlruns"


def store_folder() -> Path:
    """Return the folder of the store; the same one from the workspace, a temporary copy of it or a queued run."""
    return main_repository() / FOLDER


def store_uri() -> str:
    """Return MLFLOW_TRACKING_URI when it is set, else this repository's own sqlite store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store_folder() / 'mlflow.db'}"


def open_store(experiment: str) -> tuple["MlflowClient", str]:
    """Return a client and the id of an experiment, both made when missing.

    The first opening migrates a fresh database, which two processes must not do at once: hence the lock.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    store_folder().mkdir(exist_ok=True)
    with open(store_folder() / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = MlflowClient(store_uri())
        found = client.get_experiment_by_name(experiment)
        if found:
            return client, str(found.experiment_id)
        artifacts = None if "MLFLOW_TRACKING_URI" in os.environ else (store_folder() / "artifacts").as_uri()
        return client, str(client.create_experiment(experiment, artifact_location=artifacts))
