"""The one MLflow store: where it is, how it is opened, and a run's content as facts."""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from calse.runtime.errors import CalseError
from calse.runtime.files import locked
from calse.runtime.repository import main_repository
from calse.tracking.records import FINGERPRINT, KIND, PIPELINE, Facts
from calse.tracking.trees import git

FOLDER = "mlruns"
EXPERIMENT, PARENT = "dvc.experiment", "mlflow.parentRunId"
WORKSPACE = "workspace"
PATIENCE = 60  # seconds: a process that holds the store longer hangs
DATABASES = ("postgresql", "mysql", "mssql")
DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}


def store_folder() -> Path:
    """Return the folder of the store; the same one from the workspace, a temporary copy of it or a queued run."""
    return main_repository() / FOLDER


def given_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or nothing when it is not set.

    Raises CalseError for a folder, in which MLflow keeps no runs any more, and for a server without its scheme.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if given and (given.startswith("file:") or not re.match(r"[\w+-]+://|databricks|uc$", given)):
        raise CalseError(
            f"MLFLOW_TRACKING_URI={given} is no store; name a server, http://HOST:5000, or a database, sqlite:///FILE"
        )
    return given


def store_uri() -> str:
    """Return MLFLOW_TRACKING_URI when it is set, else this repository's own sqlite store."""
    given, file = given_uri(), store_file()
    if file is None or ":////" in given:
        return given
    # Of "sqlite:///" MLflow makes the parent folder before it unescapes the path: one named 100%2541 beside 100%41.
    return f"sqlite+pysqlite:///{quote(str(file))}"


def store_file() -> Path | None:
    """Return the file of an sqlite store, which need not be there yet; None for a server or another database.

    A relative one lies in the repository: a DVC experiment's working directory is deleted at its end.
    """
    scheme, _, path = (given_uri() or f"sqlite:///{quote(FOLDER)}/mlflow.db").partition(":///")
    return main_repository() / unquote(path.partition("?")[0]) if scheme.startswith("sqlite") else None


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
        except ModuleNotFoundError as error:
            raise CalseError(_lacking(error)) from None
        except Exception as error:
            raise CalseError(f"the MLflow store fails: {_in_one_line(error)}; {_hint()}") from None


def check_database(uri: str) -> None:
    """Connect once to a database that has a server; MLflow itself would try again and again, for two minutes.

    Raises CalseError when its driver is not installed or it does not answer.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    if not uri.startswith(DATABASES):
        return
    try:
        create_engine(uri).connect().close()
    except ModuleNotFoundError as error:
        raise CalseError(_lacking(error)) from None
    except SQLAlchemyError as error:
        raise CalseError(f"MLFLOW_TRACKING_URI: {_in_one_line(error)}; {_hint()}") from None


def _in_one_line(error: Exception) -> str:
    return without_password(" ".join(f"{type(error).__name__}: {error}".split()))[:200]


def _lacking(error: ModuleNotFoundError) -> str:
    name = DRIVERS.get(error.name or "", error.name)
    return f"MLFLOW_TRACKING_URI needs a package that is not installed; uv pip install '{name}'"


def without_password(text: str) -> str:
    """Return a text in which addresses have lost user and password."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def _hint() -> str:
    if given_uri():
        return "is MLFLOW_TRACKING_URI right, and its server up?"
    return f"if {FOLDER}/ is damaged, delete it: `calse track sync` rebuilds it"


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


def artifact_location() -> str | None:
    """Return where an sqlite store's artifacts lie: beside its file, so that both move together; a server decides."""
    file = store_file()
    return (file.parent.resolve() / "artifacts").as_uri() if file else None


def experiment_name(corpus: str) -> str:
    """Return MLFLOW_EXPERIMENT_NAME when it is set, else the corpus's name: two studies on one server need two."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or corpus


class Store:
    """The MLflow experiment of a corpus, made when missing; use it under `locked_store`."""

    def __init__(self, corpus: str) -> None:
        client, file = import_client(), store_file()
        check_database(store_uri())
        if file is not None and not file.is_file():
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            # Left to itself MLflow writes the working directory into an SQL statement, which a "'" in its name ends.
            SqlAlchemyStore(store_uri(), artifact_location())
        self.client: Any = client(store_uri())
        name = experiment_name(corpus)
        found = self.client.get_experiment_by_name(name)
        self.experiment = found.experiment_id if found else self._create(name)

    def _create(self, name: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self.client.create_experiment(name, artifact_location=artifact_location())
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self.client.get_experiment_by_name(name).experiment_id  # another process was quicker

    def runs(self, fingerprint: str = "") -> list[Any]:
        """Return the runs that this project wrote, the oldest first: all, or those of one fingerprint."""
        wanted = f"tags.`{FINGERPRINT}` = '{fingerprint}'" if fingerprint else ""
        found: list[Any] = []
        token: str | None = ""
        while token is not None:
            page = self.client.search_runs([self.experiment], wanted, max_results=500, page_token=token or None)
            found += [run for run in page if FINGERPRINT in run.data.tags]
            token = page.token
        return sorted(found, key=lambda run: (int(run.info.start_time), run.info.run_id))

    def facts(self, run: Any) -> Facts:
        """Return a run's content; of its tags only those that tell content."""
        tags = {
            key: value for key, value in run.data.tags.items() if key.startswith("calse.") or key == "mlflow.runName"
        }
        facts: Facts = {("tag", key): value for key, value in tags.items()}
        facts |= {("param", key): value for key, value in run.data.params.items()}
        for entry in run.inputs.dataset_inputs:
            facts["input", entry.dataset.name] = entry.dataset.digest
        for last in run.data.to_proto().metrics:
            # A figure's only step is 0, and the run tells it; a request for each of them would be most of the time.
            points = self.client.get_metric_history(run.info.run_id, last.key) if last.step else [last]
            facts |= {("metric", last.key, point.step): point.value for point in points}
        return facts | {("status",): run.info.status}

    def begin(self, facts: Facts, pipeline: str) -> str | None:
        """Open a run with its tags and return its id; None when another process has an older one for the same record.

        Where it comes from (experiment, commit) is told once and never compared.
        """
        surroundings = {EXPERIMENT: pipeline, "mlflow.source.git.commit": git("rev-parse", "HEAD")}
        tags = {key: value for key, value in surroundings.items() if value}
        tags |= {str(key[1]): value for key, value in facts.items() if key[0] == "tag"}
        run = self.client.create_run(self.experiment, run_name=tags["mlflow.runName"], tags=tags)
        # Whoever looks last sees every run of the record, and all agree which is the oldest: exactly that one stays.
        oldest, *others = [str(found.info.run_id) for found in self.runs(tags[FINGERPRINT])]
        self.delete(others)
        return oldest if oldest == run.info.run_id else None

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
