"""One MLflow run a training: parameters, curves, top-K, and what it was trained on."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from calse.files import sha256_of
from calse.layout import Layout
from calse.params import Params, as_dict
from calse.recognition.observer import Run
from calse.tracking.store import open_store

FINGERPRINT = "calse.fingerprint"


class Tracker:
    """Writes trainings into MLflow as they happen; a training of the same fingerprint replaces its earlier run."""

    def __init__(self, params: Params, layout: Layout) -> None:
        """Nothing is opened until the first run starts."""
        self.params = params
        self.layout = layout
        self.run_ids: dict[Run, str] = {}

    @cached_property
    def _store(self) -> Any:
        return open_store(self.params.corpus.name)

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Open the run with its parameters, tags and data set."""
        from mlflow.entities import Param

        client, experiment = self._store
        for old in self._find(info["fingerprint"]):
            client.delete_run(old)
        name = f"{run.recipe}-{run.test_source}-{run.seed}"
        created = client.create_run(experiment, run_name=name, tags=self._tags(run, info["fingerprint"]))
        self.run_ids[run] = created.info.run_id
        chosen = {f"train.{key}": value for key, value in as_dict(self.params.train).items() if key != "seeds"}
        chosen |= {"recipe": run.recipe, "test_source": run.test_source, "seed": run.seed}
        client.log_batch(created.info.run_id, params=[Param(key, str(value)) for key, value in chosen.items()])
        self._log_dataset(run)

    def epoch(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """Add one point to each curve."""
        self._log(self.run_ids[run], metrics, epoch)

    def finished(self, run: Run) -> None:
        """Close the run as done."""
        self._store[0].set_terminated(self.run_ids[run], "FINISHED")

    def failed(self, run: Run, reason: str) -> None:
        """Close the run as failed, with the reason as a tag."""
        if run in self.run_ids:
            self._store[0].set_tag(self.run_ids[run], "calse.reason", reason)
            self._store[0].set_terminated(self.run_ids[run], "FAILED")

    def scores(self, run: Run, info: dict[str, Any], scores: dict[str, float]) -> None:
        """Add the test scores to a training's run, making the run anew when the store has lost it."""
        found = self._find(info["fingerprint"])
        if found:
            self.run_ids[run] = found[0]
        else:
            self.started(run, info)
            self.finished(run)
        self._log(self.run_ids[run], {f"test.{name}": value for name, value in scores.items()}, 0)

    def swapped_set(self, set_name: str) -> None:
        """Write a face-swapped set's parameters and figures as a finished run, in place of an equal set's run."""
        from mlflow.entities import Param

        client, experiment = self._store
        fingerprint = sha256_of(self.layout.set_manifest(set_name))
        for old in self._find(fingerprint):
            client.delete_run(old)
        tags = {FINGERPRINT: fingerprint, "calse.set": set_name} | self._surroundings()
        run_id = client.create_run(experiment, run_name=set_name, tags=tags).info.run_id
        chosen = as_dict(self.params.swap[set_name]) | {
            f"swap-train.{key}": value for key, value in as_dict(self.params.swap_train).items()
        }
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in chosen.items()])
        figures = json.loads((self.layout.metrics("swap") / f"{set_name}.json").read_text(encoding="utf-8"))
        self._log(run_id, dict(numbers_of(figures)), 0)
        client.set_terminated(run_id, "FINISHED")

    def _find(self, fingerprint: str) -> list[str]:
        client, experiment = self._store
        found = client.search_runs([experiment], filter_string=f"tags.`{FINGERPRINT}` = '{fingerprint}'")
        return [run.info.run_id for run in found]

    def _log(self, run_id: str, metrics: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._store[0].log_batch(run_id, metrics=[Metric(key, value, now, step) for key, value in metrics.items()])

    def _log_dataset(self, run: Run) -> None:
        """Name the split as the run's data set, by the digest that dvc.lock holds for it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        path = self.layout.split(run.recipe)
        dataset = Dataset(
            name=f"{run.recipe} without {run.test_source}",
            digest=md5_of(path),
            source_type="dvc",
            source=path.as_posix(),
        )
        inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])]
        self._store[0].log_inputs(self.run_ids[run], inputs)

    def _tags(self, run: Run, fingerprint: str) -> dict[str, str]:
        names = {"calse.recipe": run.recipe, "calse.test_source": run.test_source}
        return {FINGERPRINT: fingerprint} | names | self._surroundings()

    def _surroundings(self) -> dict[str, str]:
        """What every run says of where it comes from."""
        tags = {
            "calse.corpus": self.params.corpus.name,
            "mlflow.source.git.commit": git_revision(),
            "dvc.experiment": os.environ.get("DVC_EXP_NAME", ""),
        }
        return {key: value for key, value in tags.items() if value}


def numbers_of(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested figures under dotted names; verdicts as 0 and 1."""
    for key, value in figures.items():
        if isinstance(value, dict):
            yield from numbers_of(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)):
            yield f"{prefix}{key}", float(value)


def md5_of(path: Path) -> str:
    """Return a file's md5, which is the digest that DVC records."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def git_revision() -> str:
    """Return the commit that is checked out, or nothing outside git."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
