"""MLflow without somebody: their runs, and the models that were registered of them, deleted for good."""

import contextlib
import io
import sqlite3
from typing import Any

from calse.tracking.place import locked_store, store_file, store_uri
from calse.tracking.runs import PARENT, import_client, search_runs


def touched_runs(read: set[tuple[str, str]]) -> list[str]:
    """Return the ids of the runs that read any of this data, paths with digests, and of their parents.

    None where there is no store. Raises CalseError when it cannot be reached.
    """
    file = store_file()
    if file is not None and not file.is_file():
        return []
    with locked_store():
        runs = _all_runs(import_client()(store_uri()))
    data = [{(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs} for run in runs]
    own = [run for run, digests in zip(runs, data, strict=True) if not read.isdisjoint(digests)]
    parents = {run.data.tags.get(PARENT) for run in own}
    return sorted({run.info.run_id for run in own} | {run.info.run_id for run in runs if run.info.run_id in parents})


def delete_runs(ids: list[str]) -> str:
    """Delete runs with their models; return what is left to do elsewhere, if anything. Raises CalseError on failure."""
    if not ids:
        return ""
    with locked_store():
        client = import_client()(store_uri())
        here = [run for run in _all_runs(client) if run.info.run_id in ids]
        models = [model for run in here for model in _delete(client, run)]
        if store_uri().startswith("http"):
            return "the MLflow server keeps deleted runs until its keeper calls, beside it: mlflow gc" if here else ""
        if here:
            _purge([run.info.run_id for run in here], models)
    return ""


def _all_runs(client: Any) -> list[Any]:
    """Return every run of this project in the store, deleted ones too."""
    from mlflow.entities import ViewType

    experiments = client.search_experiments(view_type=ViewType.ALL)
    return [run for one in experiments for run in search_runs(client, one.experiment_id, deleted=True)]


def _delete(client: Any, run: Any) -> list[str]:
    """Delete a run and what is registered of it; return the ids of its logged models."""
    for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
        client.delete_model_version(version.name, version.version)
        if not client.search_model_versions(f"name = '{version.name}'"):
            client.delete_registered_model(version.name)
    if run.info.lifecycle_stage == "deleted":
        return []
    wanted = f"source_run_id = '{run.info.run_id}'"
    models = [model.model_id for model in client.search_logged_models([run.info.experiment_id], wanted)]
    for model in models:
        client.delete_logged_model(model)
    client.delete_run(run.info.run_id)
    return models


def _purge(runs: list[str], models: list[str]) -> None:
    """Remove deleted runs and models from the database and the disk, and what the database keeps of deleted rows."""
    from mlflow.cli import gc

    options = ["--backend-store-uri", store_uri(), "--tracking-uri", store_uri(), "--run-ids", ",".join(runs)]
    options += ["--logged-model-ids", ",".join(models)] if models else []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        gc.main(options, standalone_mode=False)
    file = store_file()
    if file is not None:
        with contextlib.closing(sqlite3.connect(file)) as database:
            database.execute("VACUUM")
