"""A training's model in MLflow's registry: it explains itself, and predicts there as it does here."""

import importlib.metadata
import os
import re
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from calse.recognition.registry import find_recogniser
from calse.runtime.errors import CalseError
from calse.tracking.dvc_index import repository
from calse.tracking.expected import TRAIN, Expected, expected_runs
from calse.tracking.moved import mend_moved
from calse.tracking.place import locked_store, pipeline_name, store_uri
from calse.tracking.runs import EXPERIMENT, KEY, Store
from calse.tracking.table import STAGE

NEAR = 4  # names that a misspelt one is answered with


def promote(wanted: str, name: str | None) -> tuple[str, str]:
    """Register the model of a training's run, given by name or id; return its name and version in the registry.

    Raises CalseError when there is no such run, when its checkpoint is not in the working tree or reads no frames, and
    when the registered model does not load or predicts otherwise than the checkpoint: then it is not registered any
    more.
    """
    if name is not None and (not name.strip(" .") or {"/", ":"} & set(name)):
        raise CalseError(f"--name {name!r}: MLflow takes no / and no : in a model's name, nor an empty one")
    with repository() as repo:
        corpus, known = expected_runs(repo, pipeline_name())
    if not corpus:
        raise CalseError("nothing has been trained yet; run: dvc repro")
    with locked_store():
        mend_moved()
        store = Store(corpus)
        run, expected = _find(store.runs(), wanted, known)
        params = run.data.params
        name = name or f"{corpus}-{params['recogniser']}-{params['recipe']}"
        checkpoint = Path(expected.checkpoint)
        version = _register(run.info.run_id, checkpoint, name)
        try:
            _compare(checkpoint, f"models:/{name}/{version}")
        except BaseException:
            store.client.delete_model_version(name, version)
            raise
    return name, version


def _find(runs: list[Any], wanted: str, known: list[Expected]) -> tuple[Any, Expected]:
    """Return a training's run of that name or id. Raises CalseError unless there is one and its files are here."""
    trainings = [run for run in runs if run.data.tags[STAGE] == TRAIN]
    named = [run for run in trainings if wanted in (run.info.run_id, run.info.run_name)]
    if not named:
        names = sorted({run.info.run_name for run in trainings})
        near = ", ".join(get_close_matches(wanted, names, NEAR, cutoff=0)) or "none; run: calse track sync"
        raise CalseError(f"MLflow has no training {wanted!r}; the nearest of {len(names)} are: {near}")
    expected = {one.key: one for one in known}
    for run in reversed(named):
        if one := expected.get(run.data.tags.get(KEY, "")):
            return run, one
    maker = named[-1].data.tags.get(EXPERIMENT, "?")
    raise CalseError(f"{wanted}: its checkpoint is not in the working tree; first: dvc exp apply {maker}")


def _register(run_id: str, checkpoint: Path, name: str) -> str:
    """Log a checkpoint as a model of a run, register it, and return the version."""
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    from calse.recognition.checkpoint import read_info
    from calse.recognition.network import Network

    info = read_info(checkpoint)
    if not isinstance(find_recogniser(info["recogniser"]), Network):
        raise CalseError(
            f"{checkpoint}: a model in MLflow reads frames, which {info['recogniser']} does not; what reads videos "
            f"with it: calse predict {checkpoint} VIDEO"
        )
    size = info["params"]["input"]["size"]
    clips = Schema([TensorSpec(np.dtype("uint8"), (-1, -1, -1, -1, 3))])
    probabilities = Schema([ColSpec("float", gloss) for gloss in info["classes"]])
    mlflow.set_tracking_uri(store_uri())
    mlflow.start_run(run_id=run_id)
    try:
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=os.path.relpath(Path(__file__).with_name("served_model.py")),
            artifacts={"checkpoint": str(checkpoint), "info": str(checkpoint.with_suffix(".json"))},
            code_paths=[os.path.relpath(Path(__file__).parents[1])],
            pip_requirements=_requirements(),
            signature=ModelSignature(clips, probabilities),
            input_example=np.zeros((1, 1, size, size, 3), np.uint8),
            metadata={"classes": info["classes"], "fingerprint": info["fingerprint"]},
            registered_model_name=name,
        )
    finally:
        mlflow.end_run()  # as finished, whatever comes of the model: the training was
    return str(logged.registered_model_version)


def _requirements() -> list[str]:
    """Return this project's dependencies as they are installed."""
    wanted = [line for line in importlib.metadata.requires("calse") or [] if "extra ==" not in line]
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in wanted]
    installed = {distribution.name.lower() for distribution in importlib.metadata.distributions()}
    return [f"{name}=={importlib.metadata.version(name)}" for name in names if name.lower() in installed]


def _compare(checkpoint: Path, uri: str) -> None:
    """Raise CalseError unless the registered model predicts a noisy clip to the checkpoint's own digits."""
    import mlflow

    from calse.recognition.checkpoint import load_checkpoint
    from calse.recognition.inference import predict
    from calse.recognition.input.frames import short_side

    model, info = load_checkpoint(checkpoint)
    side, frames = short_side(info["params"]["input"]["size"]), info["params"]["input"]["frames"]
    clip = np.random.default_rng(0).integers(0, 256, (frames, side, side, 3), np.uint8)
    ((_, expected),) = predict(model, info, [clip])
    with TemporaryDirectory() as folder:  # MLflow cannot load from a path such as 100%41: it unescapes paths
        predicted = mlflow.pyfunc.load_model(uri, dst_path=folder).predict(clip[None])
    if not np.array_equal(predicted.to_numpy()[0], expected) or list(predicted.columns) != info["classes"]:
        raise CalseError(f"{uri} predicts otherwise than {checkpoint}; it must not be used")
