"""The one MLflow store: where it is, how it is opened, and a run's content as facts."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from calse.errors import CalseError
from calse.files import locked
from calse.layout import main_repository
from calse.tracking.records import FINGERPRINT, KIND, PIPELINE, Facts
from calse.tracking.trees import git

FOLDER = "mlruns"
EXPERIMENT, PARENT = "dvc.experiment", "mlflow.parentRunId"
WORKSPACE = "workspace"
PATIENCE = 60  # seconds: a process that holds the store longer hangs


def store_folder() -> Path:
    """Return the folder of the store; the same one from the workspace, a temporary copy of it or a queued run."""
    return main_repository() / FOLDER


def store_uri() -> str:
    """Return MLFLOW_TRACKING_URI when it is set, else this repository's own sqlite store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store_folder() / 'mlflow.db'}"


def store_file() -> Path | None:
    """Return the file of an sqlite store, which need not be there yet; None for a server or another database."""
    scheme, _, path = store_uri().partition(":///")
    return Path(path.partition("?")[0]) if scheme.startswith("sqlite") else None


@contextmanager
def locked_store() -> Iterator[None]:
    """Hold the store for one process of this repository at a time.

    Raises CalseError when its folder cannot be written, or when MLflow fails inside: locked, damaged, out of reach.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(store_folder() / ".lock", PATIENCE))
        except TimeoutError:
            raise CalseError(f"another process has held {FOLDER}/ for {PATIENCE} seconds; end it") from None
        except OSError as error:
            raise CalseError(f"{FOLDER}/ cannot be written: {error.strerror}; or set MLFLOW_TRACKING_URI") from None
        try:
            yield
        except CalseError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise CalseError(f"the MLflow store fails: {reason}; {_hint()}") from None


def _hint() -> str:
    if "MLFLOW_TRACKING_URI" in os.environ:
        return "is MLFLOW_TRACKING_URI right, and its server up?"
    return f"if {FOLDER}/ is damaged, delete it: `calse track sync` rebuilds it"


def import_client() -> Any:
    """Import MLflow, which takes seconds, and return its client's class."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a training waits for a lost server once
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    return MlflowClient


class Store:
    """An MLflow experiment of the store, made when missing; use it under `locked_store`."""

    def __init__(self, experiment: str) -> None:
        self.client: Any = import_client()(store_uri())
        found = self.client.get_experiment_by_name(experiment)
        self.experiment = found.experiment_id if found else self._create(experiment)

    def _create(self, experiment: str) -> Any:
        artifacts = None if "MLFLOW_TRACKING_URI" in os.environ else (store_folder() / "artifacts").as_uri()
        return self.client.create_experiment(experiment, artifact_location=artifacts)

    def runs(self, fingerprint: str = "") -> list[Any]:
        """Return the runs that this project wrote, the oldest first: all, or those of one fingerprint."""
        wanted = f"tags.`{FINGERPRINT}` = '{fingerprint}'" if fingerprint else ""
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs([self.experiment], wanted, max_results=500, page_token=token or None)
            found += [run for run in page if FINGERPRINT in run.data.tags]
            token = page.token
        return sorted(found, key=lambda run: int(run.info.start_time))

    def facts(self, run: Any) -> Facts:
        """Return a run's content; of its tags only those that tell content."""
        tags = {
            key: value for key, value in run.data.tags.items() if key.startswith("calse.") or key == "mlflow.runName"
        }
        facts: Facts = {("tag", key): value for key, value in tags.items()}
        facts |= {("param", key): value for key, value in run.data.params.items()}
        for entry in run.inputs.dataset_inputs:
            facts["input", entry.dataset.name] = entry.dataset.digest
        for key in run.data.metrics:
            points = self.client.get_metric_history(run.info.run_id, key)
            facts |= {("metric", key, point.step): point.value for point in points}
        return facts | {("status",): run.info.status}

    def create(self, facts: Facts, pipeline: str) -> str:
        """Make a run and return its id. Where it comes from (experiment, commit) is told once and never compared."""
        surroundings = {EXPERIMENT: pipeline, "mlflow.source.git.commit": git("rev-parse", "HEAD")}
        tags = {key: value for key, value in surroundings.items() if value}
        tags |= {str(key[1]): value for key, value in facts.items() if key[0] == "tag"}
        run = self.client.create_run(self.experiment, run_name=tags["mlflow.runName"], tags=tags)
        rest = {key: value for key, value in facts.items() if key[0] != "tag"}
        self.log(run.info.run_id, rest)
        return str(run.info.run_id)

    def log(self, run_id: str, facts: Facts) -> None:
        """Add facts to a run; the status closes it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

        now = int(time.time() * 1000)
        params = [Param(str(key[1]), value) for key, value in facts.items() if key[0] == "param"]
        tags = [RunTag(str(key[1]), value) for key, value in facts.items() if key[0] == "tag"]
        metrics = [Metric(str(key[1]), value, now, int(key[2])) for key, value in facts.items() if key[0] == "metric"]
        data = [Dataset(key[1], value, "dvc", key[1]) for key, value in facts.items() if key[0] == "input"]
        for part in range(max(ceil(len(metrics) / 1000), ceil(len(params) / 100), ceil(len(tags) / 100))):
            few, many = slice(100 * part, 100 * part + 100), slice(1000 * part, 1000 * part + 1000)
            self.client.log_batch(run_id, metrics[many], params[few], tags[few])
        if data:
            role = [InputTag("mlflow.data.context", "input")]
            self.client.log_inputs(run_id, [DatasetInput(dataset, role) for dataset in data])
        if ("status",) in facts:
            self.client.set_terminated(run_id, facts["status",])

    def delete(self, run_ids: list[str]) -> None:
        """Delete runs, as the MLflow UI does."""
        for run_id in run_ids:
            self.client.delete_run(run_id)


def pipeline_name() -> str:
    """Return the DVC experiment that this process works for, or `workspace`."""
    return os.environ.get("DVC_EXP_NAME") or WORKSPACE


def is_pipeline(run: Any) -> bool:
    """Say whether a run is the parent of others."""
    return bool(run.data.tags.get(KIND) == PIPELINE)
