"""Runs in the MLflow store, and which of them are whose."""

import logging
import os
import time
from typing import Any

from calse.runtime.files import host, is_running
from calse.runtime.repository import git
from calse.tracking.content import STATUS, Content
from calse.tracking.place import artifact_location, check_database, given_uri, store_file, store_uri
from calse.tracking.table import EXPERIMENT_TAGS, STAGE

EXPERIMENT, PARENT, PROCESS = "dvc.experiment", "mlflow.parentRunId", "calse.process"
KEY, TRAINING = "calse.fingerprint", "calse.training"  # of an expected run, and of a training


def import_client() -> Any:
    """Import MLflow, which takes seconds, and return its client's class."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run of a server
    # A lost server costs a training a minute, once; MLflow itself would try 8 times for 120 seconds.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    return MlflowClient


def search_runs(client: Any, experiment: str, deleted: bool = False) -> list[Any]:
    """Return the runs of an MLflow experiment that this project wrote, with `deleted` also those that were deleted."""
    from mlflow.entities import ViewType

    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    found: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = client.search_runs([experiment], "", view, max_results=500, page_token=token or None)
        found += [run for run in page if STAGE in run.data.tags]
        token = page.token
    return found


def is_alive(run: Any) -> bool:
    """Say whether an MLflow run is still being written; in a shared store, another machine's is for it to close."""
    machine, _, process = run.data.tags.get(PROCESS, "").partition(" ")
    alive = is_running(int(process)) if machine == host() else bool(given_uri())
    return run.info.status == "RUNNING" and alive


def is_of(pipeline: str, run: Any) -> bool:
    """Say whether a pipeline wrote a run."""
    return bool(run.data.tags.get(EXPERIMENT) == pipeline)


class Store:
    """The MLflow experiment of a study, made when missing; use it under `locked_store`.

    It has the name of the corpus, or MLFLOW_EXPERIMENT_NAME: two studies of one corpus on one server need two.
    """

    def __init__(self, corpus: str) -> None:
        client, file = import_client(), store_file()
        check_database(store_uri())
        if file is not None and not file.is_file():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # Left to itself MLflow writes the working directory into an SQL statement, which a "'" in its name ends.
            SqlAlchemyStore(store_uri(), artifact_location())
        self.client: Any = client(store_uri())
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or corpus
        found = self.client.get_experiment_by_name(name) or self._created(name)
        self.experiment: str = found.experiment_id
        for tag, value in EXPERIMENT_TAGS.items():
            if found.tags.get(tag) != value:
                self.client.set_experiment_tag(self.experiment, tag, value)

    def _created(self, name: str) -> Any:
        """Make the experiment, unless another process is quicker, and return it."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_experiment(name, artifact_location(), EXPERIMENT_TAGS)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was quicker
                raise
        return self.client.get_experiment_by_name(name)

    def runs(self) -> list[Any]:
        """Return the runs that this project wrote, the oldest first."""
        found = search_runs(self.client, self.experiment)
        return sorted(found, key=lambda run: (int(run.info.start_time), run.info.run_id))

    def start(self, name: str, stage: str, pipeline: str, tags: dict[str, str]) -> str:
        """Start a run and return its id."""
        tags |= {STAGE: stage, EXPERIMENT: pipeline, PROCESS: f"{host()} {os.getpid()}"}
        if commit := git("rev-parse", "HEAD"):
            tags["mlflow.source.git.commit"] = commit
        return str(self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id)

    def log(self, run_id: str, content: Content) -> None:
        """Write into a run; a status closes it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

        now, role = int(time.time() * 1000), [InputTag("mlflow.data.context", "input")]
        params = [Param(name, value) for (kind, name, _), value in content.items() if kind == "param"]
        metrics = [Metric(name, value, now, step) for (kind, name, step), value in content.items() if kind == "metric"]
        data = [Dataset(path, value, "dvc", path) for (kind, path, _), value in content.items() if kind == "data"]
        self.client.log_batch(run_id, metrics, params)
        if data:
            self.client.log_inputs(run_id, [DatasetInput(dataset, role) for dataset in data])
        if STATUS in content:
            self.client.set_terminated(run_id, content[STATUS])

    def content(self, run: Any) -> Content:
        """Return what a person reads of a run."""
        content: Content = {("param", name, 0): value for name, value in run.data.params.items()}
        content |= {("data", entry.dataset.name, 0): entry.dataset.digest for entry in run.inputs.dataset_inputs}
        for last in run.data.to_proto().metrics:
            # A measure's only step is 0, and the run tells it; a request for each of them would be most of the time.
            points = self.client.get_metric_history(run.info.run_id, last.key) if last.step else [last]
            content |= {("metric", last.key, point.step): point.value for point in points}
        return content | {STATUS: run.info.status}

    def is_promoted(self, run: Any) -> bool:
        """Say whether the registry of models holds a model of this run."""
        return bool(self.client.search_model_versions(f"run_id = '{run.info.run_id}'"))
