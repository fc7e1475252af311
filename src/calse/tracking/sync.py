"""The projection: what MLflow holds is made equal to what DVC knows, or held against it."""

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calse.errors import CalseError
from calse.files import write_text
from calse.tracking.alive import forget, is_alive, is_dead
from calse.tracking.records import FINGERPRINT, Facts, Record, Study, study_of
from calse.tracking.store import (
    EXPERIMENT,
    PARENT,
    WORKSPACE,
    Store,
    is_pipeline,
    locked_store,
    pipeline_name,
    store_file,
    store_folder,
    store_uri,
)
from calse.tracking.trees import Revision, Workspace, experiments

LINES = 5


def sync_workspace() -> None:
    """Project the working tree; runs that another pipeline made are left as they are. A failure is only told."""
    name = pipeline_name()
    try:
        with locked_store():
            study = study_of(Workspace(), name)
            if study is not None:
                Projection(Store(study.corpus), name).write(study)
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
            done += Projection(Store(study.corpus), name, every=True).write(study)
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
        studies[study.corpus].update({record.fingerprint: record for record in study.records})
    with locked_store():
        for corpus, known in studies.items():
            store = Store(corpus)
            runs = store.runs()
            drift += [line for record in known.values() for line in _drift_of(store, record, runs)]
            drift += [f"{_name(run)}: RUNNING, but nothing trains it" for run in runs if is_dead(run)]
            earlier = sum(run.data.tags[FINGERPRINT] not in known for run in runs)
            notes += [f"{corpus}: {earlier} runs of earlier states, with nothing to hold them against"] * bool(earlier)
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


class Projection:
    """Writes one study into the store."""

    def __init__(self, store: Store, pipeline: str, every: bool = False) -> None:
        """With `every`, runs that another pipeline made are mended too."""
        self.store, self.pipeline, self.every = store, pipeline, every
        self.done: Counter[str] = Counter()
        self.runs: dict[str, list[Any]] = defaultdict(list)

    def write(self, study: Study) -> Counter[str]:
        """Write what is missing, replace what differs, close what was killed; return how many of each."""
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
            self.store.create(record.facts, self.pipeline)
            return "made"
        newest, *_ = others = runs[::-1]
        maker = newest.data.tags.get(EXPERIMENT, self.pipeline)
        if any(map(is_alive, runs)) or not (self.every or maker == self.pipeline):
            return "left"
        stored = self.store.facts(newest)
        missing = {key: value for key, value in record.facts.items() if key not in stored}
        self.store.delete([run.info.run_id for run in others[1:]])
        if stored | missing == record.facts:
            self.store.log(newest.info.run_id, missing)
            return "completed" if missing else "equal"
        self.store.delete([newest.info.run_id])
        self.store.create(record.facts, maker)
        return "replaced"

    def _adopt(self) -> None:
        """Put the pipeline's runs under their parent."""
        runs = [run for run in self.store.runs() if run.data.tags.get(EXPERIMENT) == self.pipeline]
        parents = [run.info.run_id for run in runs if is_pipeline(run)]
        for run in runs:
            if parents and not is_pipeline(run) and run.data.tags.get(PARENT) != parents[-1]:
                self.store.client.set_tag(run.info.run_id, PARENT, parents[-1])


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
