"""The train stage: every run of a recogniser on a recipe. This process imports no torch; its workers do."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from calse.config.params import Params
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.launch.display import Display
from calse.recognition.launch.observer import Observer, Run
from calse.recognition.launch.ranks import ranks_of
from calse.recognition.launch.workers import run_side_by_side
from calse.recognition.training.jobs import jobs_of
from calse.runtime.executor import has_accelerator, worker_count
from calse.runtime.files import atomic_folder
from calse.runtime.locks import locked
from calse.runtime.repository import scratch

KEPT = 10 * 10**9  # bytes of trainings for another time: about 200 of I3D, whose weights take 50 MB


def train(params: Params, layout: Layout, recogniser: str, recipe: str, observer: Observer | None = None) -> None:
    """Train a recogniser on a recipe, once for each test source and seed; write weights and curves.

    A killed training goes on from its last epoch when it is called again, and one that was trained to its end is taken
    as it was: another seed or test source trains nothing but its own runs. Raises CalseError naming the
    clip, file or run that is wrong; nothing is then left in the outputs.
    """
    ranks = ranks_of(recogniser, params.train.get(recogniser))
    split = read_split(layout.split(recipe))
    curves_folder = layout.metrics("train") / recogniser / recipe
    models_folder = layout.models(recogniser, recipe)
    with atomic_folder(models_folder) as models, atomic_folder(curves_folder) as curves:
        jobs = jobs_of(params, layout, split, recogniser, recipe, models, curves)
        with Display({job.run: job.epochs for job in jobs}) as display:
            observers = Observers([display] + ([observer] if observer else []))
            try:
                run_side_by_side(jobs, slots(params.train[recogniser], ranks), observers.tell)
            except BaseException as error:
                observers.stop(str(error) or type(error).__name__)
                raise
    forget_oldest(scratch() / "training", KEPT)


def forget_oldest(folder: Path, limit: int) -> None:
    """Remove the trainings that were used longest ago, until the others take no more than `limit` bytes."""
    states = []
    for state in folder.glob("*/*.pt"):
        with suppress(FileNotFoundError):  # another training that ends now removes them too
            states.append((state.stat().st_mtime, state.stat().st_size, state))
    for _, size, state in sorted(states, reverse=True):
        limit -= size
        if limit < 0:
            with suppress(TimeoutError), locked(state.parent.with_suffix(".lock"), timeout=0):  # unless it is trained
                shutil.rmtree(state.parent, ignore_errors=True)


def slots(settings: Any, ranks: int = 1) -> int:
    """Return how many trainings of so many ranks run at once: one on accelerators, else what cores carry and one more.

    The threads of a small network's training wait for each other a sixth of the time, and the last of three runs
    would have one core for itself while the other rests.
    """
    if has_accelerator():
        return 1
    workers = worker_count()
    return workers // (ranks * getattr(settings, "threads", 1)) + 1 if workers > 1 else 1


class Observers:
    """Passes what the workers tell to every observer, and knows which runs are under way."""

    def __init__(self, observers: list[Observer]) -> None:
        self.observers = observers
        self.under_way: set[Run] = set()

    def tell(self, kind: str, run: Run, *details: Any) -> None:
        """Call the method `kind` of every observer."""
        if kind == "started":
            self.under_way.add(run)
        if kind in ("finished", "taken"):
            self.under_way.discard(run)
        for observer in self.observers:
            getattr(observer, kind)(run, *details)

    def stop(self, reason: str) -> None:
        """Tell every observer that the runs under way have failed."""
        for run in sorted(self.under_way):
            self.tell("failed", run, reason)
        self.under_way.clear()
