"""Trainings as they happen: each is an MLflow run with its parameters and live curves, which `sync` completes."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any

from calse.config.params import Params
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.tracking.content import STATUS, Content, metrics
from calse.tracking.expected import TRAIN, of_collapse, of_training, training_name
from calse.tracking.place import WORKSPACE, locked_store, pipeline_name
from calse.tracking.runs import TRAINING, Store

DELAY = 120.0  # seconds; to import MLflow takes two of a core


@dataclass
class Training:
    """A training that goes on: what it is, since when, the id of its run once it has one, what is not written yet."""

    info: dict[str, Any]
    since: float
    run_id: str = ""
    unwritten: Content = field(default_factory=dict)


class Tracker:
    """Writes trainings into MLflow.

    When MLflow fails the training goes on without it, and the next sync writes what is missing. A training of one
    epoch, or one that ends well within DELAY, is left to the next sync altogether, and MLflow not imported for it;
    not so one of a DVC experiment, whose folder may be gone by then.
    """

    def __init__(self, params: Params) -> None:
        """Nothing is opened, and MLflow not imported, until a run has lasted `delay` seconds."""
        self.corpus, self.delay = params.corpus.name, DELAY if pipeline_name() == WORKSPACE else 0
        self.store: Store | None = None
        self.trainings: dict[Run, Training] = {}
        self.broken = False

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Hold the run's parameters, or open it with them."""
        self.trainings[run] = Training(info, time.monotonic())
        self._log(run, {})

    def epoch(self, run: Run, epoch: int, measured: dict[str, float]) -> None:
        """Add one point to each curve; after the last epoch, a warning when nothing was learned."""
        info = self.trainings[run].info
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
        """Write into the run, or hold what there is to write as long as that may `wait`.

        Once that has failed nothing more is written: a training never stops for its tracking.
        """
        training = self.trainings[run]
        if training.info["epochs"] == 1 or self.broken:
            return
        training.unwritten |= content
        if wait and not training.run_id and time.monotonic() - training.since < self.delay:
            return
        try:
            with locked_store():
                self._write(training)
        except CalseError as error:
            self.broken = True
            print(f"warning: {error}; the training goes on, `calse track sync` catches up", file=sys.stderr)

    def _write(self, training: Training) -> None:
        """Write what is unwritten into the training's run, which is opened with its parameters."""
        self.store = self.store or Store(self.corpus)
        content, training.unwritten = training.unwritten, {}
        if not training.run_id:
            info = training.info
            tags = {TRAINING: info["fingerprint"]}
            training.run_id = self.store.start(training_name(info), TRAIN, pipeline_name(), tags)
            content = of_training(info) | content
        self.store.log(training.run_id, content)
