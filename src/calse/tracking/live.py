"""Trainings as they happen: each is an MLflow run with its parameters and live curves, which `sync` completes."""

import sys
import time
from collections.abc import Callable
from typing import Any

from calse.config.params import Params
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.tracking.content import STATUS, Content, metrics
from calse.tracking.expected import TRAIN, of_collapse, of_training, training_name
from calse.tracking.place import WORKSPACE, locked_store, pipeline_name
from calse.tracking.runs import TRAINING, Store

PATIENCE = 120.0  # seconds; to import MLflow takes two of a core


class Tracker:
    """Writes trainings into MLflow.

    When MLflow fails the training goes on without it, and the next sync writes what is missing. A training of one
    epoch, or one that ends well within PATIENCE, is left to the next sync altogether, and MLflow not imported for it;
    not so one of a DVC experiment, whose folder may be gone by then.
    """

    def __init__(self, params: Params, patience: float = PATIENCE) -> None:
        """Nothing is opened, and MLflow not imported, until a run has lasted `patience` seconds."""
        self.corpus, self.patience = params.corpus.name, patience if pipeline_name() == WORKSPACE else 0
        self.store: Store | None = None
        self.open: dict[Run, str] = {}
        self.infos: dict[Run, dict[str, Any]] = {}
        self.held: dict[Run, Content] = {}
        self.since: dict[Run, float] = {}
        self.broken = False

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Hold the run's parameters, or open it with them."""
        self.infos[run], self.since[run] = info, time.monotonic()
        self._log(run, {})

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
        self._log(run, {("param", "reason", 0): reason, STATUS: "FAILED"}, wait=False)

    def _log(self, run: Run, content: Content, wait: bool = True) -> None:
        """Write into the run, or hold what there is to write as long as that may `wait`."""
        if self.infos[run]["epochs"] == 1:
            return
        held = self.held.get(run, {}) | content
        waits = run not in self.open and wait and time.monotonic() - self.since[run] < self.patience
        self.held[run] = held if waits else {}
        if not waits:
            self._beside(lambda: self._write(run, held))

    def _write(self, run: Run, content: Content) -> None:
        self.store = self.store or Store(self.corpus)
        if run not in self.open:
            info = self.infos[run]
            tags = {TRAINING: info["fingerprint"]}
            self.open[run] = self.store.start(training_name(info), TRAIN, pipeline_name(), tags)
            content = of_training(info) | content
        self.store.log(self.open[run], content)

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
