"""Trainings as they happen: each is an MLflow run with its parameters and live curves, which `sync` completes."""

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import Any

from calse.config.params import Params
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.tracking.content import Content, metrics
from calse.tracking.descriptions import FINGERPRINT, TRAIN, TRAINING, of_training, training_name
from calse.tracking.place import locked_store, pipeline_name
from calse.tracking.runs import Store, import_client, is_alive, is_of


class Tracker:
    """Writes trainings into MLflow.

    When MLflow fails the training goes on without it, and the next sync writes what is missing.
    """

    def __init__(self, params: Params) -> None:
        """Nothing is opened until the first run starts; MLflow is imported meanwhile, while a core is idle."""
        self.corpus = params.corpus.name
        self.store: Store | None = None
        self.open: dict[Run, str] = {}
        self.broken = False
        Thread(target=_import_ahead).start()

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Open the run with its parameters, in place of one of the same training that came to nothing."""
        self._beside(lambda: self._start(run, info))

    def epoch(self, run: Run, epoch: int, measured: dict[str, float]) -> None:
        """Add one point to each curve."""
        self._log(run, metrics(measured.items(), epoch))

    def taken(self, run: Run) -> None:
        """Leave the run of the training itself as it is; the next sync makes it where there is none."""

    def finished(self, run: Run) -> None:
        """Close the run as done."""
        self._close(run, {("status",): "FINISHED"})

    def failed(self, run: Run, reason: str) -> None:
        """Close the run as failed, with the reason among its parameters."""
        self._close(run, {("param", "reason"): reason, ("status",): "FAILED"})

    def _start(self, run: Run, info: dict[str, Any]) -> None:
        store, training = self.store or Store(self.corpus), info["fingerprint"]
        self.store = store
        former = [run for run in store.runs(f"tags.`{TRAINING}` = '{training}'") if is_of(pipeline_name(), run)]
        store.delete([run for run in former if FINGERPRINT not in run.data.tags and not is_alive(run)])
        self.open[run] = store.start(training_name(info), TRAIN, pipeline_name(), {TRAINING: training})
        store.log(self.open[run], of_training(info))

    def _log(self, run: Run, content: Content) -> None:
        store = self.store
        if store is not None and run in self.open:
            self._beside(lambda: store.log(self.open[run], content))

    def _close(self, run: Run, content: Content) -> None:
        self._log(run, content)
        self.open.pop(run, None)

    def _beside(self, write: Callable[[], None]) -> None:
        """Write under the store's lock, unless that failed before: a training never stops for its tracking."""
        if self.broken:
            return
        try:
            with locked_store():
                write()
        except CalseError as error:
            self.broken = True
            print(f"warning: {error}; the training goes on, `calse track sync` catches up", file=sys.stderr)


def _import_ahead() -> None:
    with suppress(Exception):  # it comes again, and is reported, when the store is opened
        import_client()
        import_module("mlflow.store.tracking.sqlalchemy_store")
