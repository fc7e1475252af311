"""The projection: what MLflow holds is made equal to what DVC knows, or held against it."""

import hashlib
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calse.runtime.errors import CalseError
from calse.runtime.files import write_text
from calse.tracking.alive import forget, hold, is_alive, is_dead
from calse.tracking.moved import mend_places, moved_from
from calse.tracking.records import FINGERPRINT, Facts, Record, Study, study_of
from calse.tracking.store import (
    EXPERIMENT,
    PARENT,
    WORKSPACE,
    Store,
    experiment_name,
    is_pipeline,
    locked_store,
    pipeline_name,
    store_file,
    store_folder,
    store_uri,
)
from calse.tracking.trees import Revision, Workspace, experiments

LINES = 5
TRIES = 5
LOST = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # what MLflow calls a server or database out of reach


def sync_workspace() -> None:
    """Project the working tree; runs that another pipeline made are left as they are. A failure is only told."""
    name = pipeline_name()
    try:
        with locked_store():
            study = study_of(Workspace(), name)
            if study is not None:
                _project(study, name)
    except CalseError as error:
        print(f"warning: {error}; later: calse track sync", file=sys.stderr)


def sync() -> Counter[str] | None:
    """Project the working tree and every DVC experiment, and close the runs that were killed.

    Returns how many runs were made, completed, replaced, left and closed; None when nothing has changed since the
    last time, which is told without MLflow. Raises CalseError when the store fails or dvc.lock is damaged.
    """
    stamp = store_folder() / ".synced"
    if _has_store_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _state():
        return None
    done: Counter[str] = Counter()
    with locked_store():
        for study, name in _studies():
            done += _project(study, name, every=True)
        write_text(stamp, _state())
    return done


def verify() -> tuple[list[str], list[str]]:
    """Return every difference between the store and what DVC knows, a line each, and notes on runs outside of it.

    Raises CalseError when there is no store.
    """
    if store_file() is not None and not _has_store_file():
        raise CalseError("there is no MLflow store; make it with: calse track sync")
    drift: list[str] = []
    notes: list[str] = []
    studies: dict[str, dict[str, Record]] = defaultdict(dict)
    for study, _ in _studies():
        studies[experiment_name(study.corpus)].update({record.fingerprint: record for record in study.records})
    with locked_store():
        drift += moved_from()
        for name, known in studies.items():
            store = Store(name)
            runs = store.runs()
            drift += [line for record in known.values() for line in _drift_of(store, record, runs)]
            drift += [f"{_name(run)}: RUNNING, but nothing trains it" for run in runs if is_dead(run)]
            earlier = sum(run.data.tags[FINGERPRINT] not in known for run in runs)
            notes += [f"{name}: {earlier} runs of earlier states, with nothing to hold them against"] * bool(earlier)
    return drift, notes


def _studies() -> Iterator[tuple[Study, str]]:
    """Yield what DVC knows, with the pipeline's name: the working tree, then its experiments; each record once."""
    seen: set[str] = set()
    others = experiments() if pipeline_name() == WORKSPACE else {}
    for name, commit in {pipeline_name(): "", **others}.items():
        study = study_of(Revision(commit) if commit else Workspace(), name)
        if study is not None:
            yield Study(study.corpus, [record for record in study.records if record.fingerprint not in seen]), name
            seen |= {record.fingerprint for record in study.records}


def _project(study: Study, pipeline: str, every: bool = False) -> Counter[str]:
    """Write a study into the store and return how many runs of each kind that gave.

    A server serves other machines too: when one of them writes or deletes the same at the same moment, MLflow refuses
    what came second, and all is looked at again.
    """
    store = Store(study.corpus)
    from mlflow.exceptions import MlflowException

    for _ in range(TRIES - 1):
        try:
            return Projection(store, pipeline, every).write(study)
        except MlflowException as error:
            if error.error_code in LOST:
                raise
        time.sleep(random.random())
    return Projection(store, pipeline, every).write(study)


class Projection:
    """Writes one study into the store."""

    def __init__(self, store: Store, pipeline: str, every: bool = False) -> None:
        """With `every`, runs that another pipeline made are mended too."""
        self.store, self.pipeline, self.every = store, pipeline, every
        self.done: Counter[str] = Counter()
        self.runs: dict[str, list[Any]] = defaultdict(list)

    def write(self, study: Study) -> Counter[str]:
        """Write what is missing, replace what differs, close what was killed; return how many of each."""
        mend_places()
        self._close_killed()
        for run in self.store.runs():
            self.runs[run.data.tags[FINGERPRINT]].append(run)
        for record in study.records:
            self.done[self._write(record)] += 1
        self._adopt()
        return self.done

    def _close_killed(self) -> None:
        for run in filter(is_dead, self.store.runs()):
            self.store.client.set_terminated(run.info.run_id, "KILLED")
            forget(run.info.run_id)
            self.done["closed"] += 1

    def _write(self, record: Record) -> str:
        runs = self.runs[record.fingerprint]
        if not runs:
            return "made" if self._make(record, self.pipeline) else "left"
        oldest, *others = runs
        maker = oldest.data.tags.get(EXPERIMENT, self.pipeline)
        if any(map(is_alive, runs)) or not (self.every or maker == self.pipeline):
            return "left"
        stored = self.store.facts(oldest)
        missing = {key: value for key, value in record.facts.items() if key not in stored}
        self.store.delete([run.info.run_id for run in others])
        if stored | missing == record.facts:
            self.store.log(oldest.info.run_id, missing)
            return "completed" if missing else "equal"
        self.store.delete([oldest.info.run_id])
        return "replaced" if self._make(record, maker) else "left"

    def _make(self, record: Record, pipeline: str) -> bool:
        """Write a record's run; say whether it was this process and not another one that did."""
        run_id = self.store.begin(record.facts, pipeline)
        if run_id is None:
            return False
        with hold(run_id):
            self.store.log(run_id, record.facts)
        forget(run_id)
        return True

    def _adopt(self) -> None:
        """Put the pipeline's runs under their parent."""
        runs = [run for run in self.store.runs() if run.data.tags.get(EXPERIMENT) == self.pipeline]
        parents = [run.info.run_id for run in runs if is_pipeline(run)]
        for run in runs:
            if parents and not is_pipeline(run) and run.data.tags.get(PARENT) != parents[0]:
                self.store.client.set_tag(run.info.run_id, PARENT, parents[0])


def _name(run: Any) -> str:
    return f"{run.info.run_name} ({run.data.tags.get(EXPERIMENT, '?')}, {run.info.run_id[:8]})"


def _drift_of(store: Store, record: Record, runs: list[Any]) -> list[str]:
    """Return how a record's run differs from it, a line each."""
    found = [run for run in runs if run.data.tags[FINGERPRINT] == record.fingerprint]
    if not found:
        return [f"{record.name}: missing"]
    if len(found) > 1:
        return [f"{record.name}: {len(found)} runs instead of one"]
    if is_alive(found[0]):
        return []
    lines = differences(store.facts(found[0]), record.facts)
    if not is_pipeline(found[0]) and PARENT not in found[0].data.tags:
        lines.append("it has no parent")
    more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
    return [f"{_name(found[0])}: {line}" for line in lines[:LINES] + more]


def differences(stored: Facts, known: Facts) -> list[str]:
    """Return what differs between a run and what DVC knows, a line each."""
    lines = []
    for key in sorted(stored.keys() | known.keys(), key=str):
        if stored.get(key) != known.get(key):
            what = " ".join(str(part) for part in key[:2]) + (f" at step {key[2]}" if len(key) > 2 else "")
            lines.append(f"{what}: stored {stored.get(key, 'nothing')!r}, should be {known.get(key, 'nothing')!r}")
    return lines


def _has_store_file() -> bool:
    file = store_file()
    return file is not None and file.is_file()


def _state() -> str:
    """Return a hash of all that decides whether the store is up to date; it changes when somebody writes to it."""
    fixed = [Path("dvc.lock"), Path("dvc.yaml"), Path("params.yaml"), *filter(None, [store_file()])]
    figures = [path for folder in ("metrics", "models", "data/manifests") for path in Path(folder).rglob("*.*")]
    files = [path for path in [*fixed, *figures, *Path(__file__).parent.glob("*.py")] if path.is_file()]
    state = sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return hashlib.sha256(repr((state, experiments(), store_uri())).encode()).hexdigest()
