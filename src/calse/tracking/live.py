"""Trainings as they happen: each is an MLflow run with its parameters and live curves, which `sync` completes."""

import sys
from collections.abc import Callable
from typing import Any

from calse.config.params import Params
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.tracking.content import STATUS, Content, metrics
from calse.tracking.expected import TRAIN, of_collapse, of_training, training_name
from calse.tracking.place import locked_store, pipeline_name
from calse.tracking.runs import TRAINING, Store


class Tracker:
    """Writes trainings into MLflow.

    When MLflow fails the training goes on without it, and the next sync writes what is missing. A training of one
    epoch is over before MLflow is imported, and left to the next sync altogether.
    """

    def __init__(self, params: Params) -> None:
        """Nothing is opened, and MLflow not imported, until the first run starts."""
        self.corpus = params.corpus.name
        self.store: Store | None = None
        self.open: dict[Run, str] = {}
        self.infos: dict[Run, dict[str, Any]] = {}
        self.broken = False

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Open the run with its parameters."""
        self.infos[run] = info
        if info["epochs"] == 1:
            return
        self._beside(lambda: self._start(run, info))

    def epoch(self, run: Run, epoch: int, measured: dict[str, float]) -> None:
        """Add one point to each curve; after the last epoch, a warning when nothing was learned."""
        info = self.infos[run]
        ended = of_collapse(info, measured.get("accuracy")) if epoch == info["epochs"] else {}
        self._log(run, metrics(measured.items(), epoch) | ended)

    def taken(self, run: Run) -> None:
        """Leave the run of the training itself as it is; the next sync makes it where there is none."""

    def finished(self, run: Run) -> None:
        """Close the run as done."""
        self._log(run, {STATUS: "FINISHED"})

    def failed(self, run: Run, reason: str) -> None:
        """Close the run as failed, with the reason among its parameters."""
        self._log(run, {("param", "reason", 0): reason, STATUS: "FAILED"})

    def _start(self, run: Run, info: dict[str, Any]) -> None:
        self.store = self.store or Store(self.corpus)
        tags = {TRAINING: info["fingerprint"]}
        self.open[run] = self.store.start(training_name(info), TRAIN, pipeline_name(), tags)
        self.store.log(self.open[run], of_training(info))

    def _log(self, run: Run, content: Content) -> None:
        store, run_id = self.store, self.open.get(run)
        if store and run_id:
            self._beside(lambda: store.log(run_id, content))

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
