"""Trainings as they happen: live curves, in the run that the projection will complete."""

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from threading import Thread
from typing import IO, Any

from calse.config.params import Params
from calse.data.paths import Layout
from calse.recognition.launch.observer import Run
from calse.runtime.errors import CalseError
from calse.tracking.alive import forget, hold, is_alive, is_dead
from calse.tracking.lock import code_of
from calse.tracking.records import Facts, metrics, training_facts, training_record
from calse.tracking.store import EXPERIMENT, Store, import_client, locked_store, pipeline_name
from calse.tracking.trees import Workspace, md5_of


class Tracker:
    """Writes trainings into MLflow; one of the same fingerprint takes the place of its earlier run.

    When MLflow fails the training goes on without it, and the next sync writes what is missing.
    """

    def __init__(self, params: Params, layout: Layout) -> None:
        """Nothing is opened until the first run starts; MLflow is imported meanwhile, while a core is idle."""
        self.params, self.layout, self.tree = params, layout, Workspace(layout.root)
        self.store: Store | None = None
        self.open: dict[Run, tuple[str, IO[str]]] = {}
        self.broken = False
        Thread(target=_import_ahead).start()

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """Open the run with its parameters, tags and data set."""
        self._beside(lambda: self._start(run, info))

    def epoch(self, run: Run, epoch: int, metrics_of_epoch: dict[str, float]) -> None:
        """Add one point to each curve."""
        self._log(run, metrics(metrics_of_epoch.items(), epoch))

    def taken(self, run: Run) -> None:
        """Leave the run of the training itself as it is; the next sync makes it where there is none."""

    def finished(self, run: Run) -> None:
        """Close the run as done."""
        self._close(run, {("status",): "FINISHED"})

    def failed(self, run: Run, reason: str) -> None:
        """Close the run as failed, with the reason as a tag."""
        self._close(run, {("tag", "reason"): reason, ("status",): "FAILED"})

    def _start(self, run: Run, info: dict[str, Any]) -> None:
        split = self.layout.split(run.recipe).relative_to(self.layout.root).as_posix()
        code = {path: md5_of(self.tree, path) or "" for path in code_of(self.tree, "train", run.recogniser)}
        record = training_record(info, code, training_facts(info, split, md5_of(self.tree, split) or ""))
        self.store = self.store or Store(self.params.corpus.name)
        if not self._make_room(self.store, record.fingerprint):
            return
        run_id = self.store.begin(record.facts, pipeline_name())
        if run_id is not None:
            self.open[run] = run_id, hold(run_id)
            self.store.log(run_id, {key: value for key, value in record.facts.items() if key != ("status",)})

    def _make_room(self, store: Store, fingerprint: str) -> bool:
        """Delete this pipeline's earlier run and killed ones; say whether none is left that belongs to others."""
        runs = store.runs(fingerprint)
        own = [run for run in runs if run.data.tags.get(EXPERIMENT) == pipeline_name() or is_dead(run)]
        old = [run.info.run_id for run in own if not is_alive(run)]
        store.delete(old)
        for run_id in old:
            forget(run_id)
        return len(old) == len(runs)

    def _log(self, run: Run, facts: Facts) -> None:
        store = self.store
        if run in self.open and store is not None:
            self._beside(lambda: store.log(self.open[run][0], facts))

    def _close(self, run: Run, facts: Facts) -> None:
        self._log(run, facts)
        if run in self.open:
            run_id, mark = self.open.pop(run)
            mark.close()
            if not self.broken:  # a mark that nobody holds tells the next sync that the end was never written
                forget(run_id)

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
    with suppress(Exception):  # it comes again, and is told, when the store is opened
        import_client()
        import_module("mlflow.store.tracking.sqlalchemy_store")
