"""MLflow's runs made equal to what DVC knows, or compared with it."""

import hashlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calse.runtime.errors import CalseError
from calse.runtime.files import write_text
from calse.tracking.content import differences
from calse.tracking.descriptions import FINGERPRINT, PIPELINE, TRAINING, Description, describe, repository
from calse.tracking.moved import mend_moved, moved_from
from calse.tracking.place import WORKSPACE, git, locked_store, pipeline_name, store_file, store_folder, store_uri
from calse.tracking.runs import EXPERIMENT, PARENT, Store, is_alive, is_dead, is_of
from calse.tracking.table import STAGE

LINES = 5
TRIES = 5
LOST = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # what MLflow calls a server or database out of reach
State = tuple[str, str, list[Description]]


def sync_workspace() -> None:
    """Write the working tree's runs; runs that another pipeline made are left to it. A failure is a warning."""
    try:
        with locked_store():
            for state in _states([(pipeline_name(), None)]):
                _write(*state, own=True)
    except CalseError as error:
        print(f"warning: {error}; later: calse track sync", file=sys.stderr)


def sync() -> Counter[str] | None:
    """Write the runs of the working tree and of every DVC experiment, and close those that were killed.

    Returns how many runs were made, completed, replaced, left and closed; None when nothing has changed since the
    last time, which takes no MLflow. Raises CalseError when the store fails or dvc.lock is damaged.
    """
    stamp, file = _stamp(), store_file()
    if file and file.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == _seen():
        return None
    done: Counter[str] = Counter()
    with locked_store():
        for state in _states(_pipelines()):
            done += _write(*state)
        write_text(stamp, _seen())
    return done


def verify() -> tuple[list[str], list[str]]:
    """Return every difference between the store and what DVC knows, a line each, and notes on runs outside of it.

    Raises CalseError when there is no store.
    """
    file = store_file()
    if file and not file.is_file():
        raise CalseError("there is no MLflow store; make it with: calse track sync")
    notes: list[str] = []
    with locked_store():
        drift = [f"the store was moved or copied: it keeps artifacts in {place}" for place in moved_from()]
        known: dict[str, list[Description]] = {}
        for corpus, _, expected in _states(_pipelines()):
            known[corpus] = known.get(corpus, []) + expected
        for corpus, expected in known.items():
            store = Store(corpus)
            runs = store.runs()
            drift += [line for description in expected for line in _drift(store, description, runs)]
            drift += [f"{_named(run)}: RUNNING, but nothing trains it" for run in runs if is_dead(run)]
            fingerprints = {description.fingerprint for description in expected}
            if earlier := sum(run.data.tags.get(FINGERPRINT) not in fingerprints for run in runs):
                notes.append(f"{corpus}: {earlier} runs of earlier states, with nothing to compare them with")
    if drift:
        _stamp().unlink(missing_ok=True)  # the next sync looks at everything
    return drift, notes


def _pipelines() -> list[tuple[str, str | None]]:
    """Return the name and revision of the working tree and of every DVC experiment."""
    refs = [line.split() for line in _experiments()] if pipeline_name() == WORKSPACE else []
    return [(pipeline_name(), None), *((ref.split("/")[4], commit) for ref, commit in refs)]


def _experiments() -> list[str]:
    """Return reference, refs/exps/<2 digits>/<38 digits>/<name>, and commit of every DVC experiment."""
    return git("for-each-ref", "--format=%(refname) %(objectname)", "refs/exps/??/*/*").splitlines()


def _states(pipelines: list[tuple[str, str | None]]) -> Iterator[State]:
    """Yield corpus, pipeline and runs of each state that DVC knows; a run that several share, with the first one."""
    seen: set[str] = set()
    for pipeline, revision in pipelines:
        with repository(revision) as repo:
            corpus, found = describe(repo, pipeline)
        if corpus:
            yield corpus, pipeline, [description for description in found if description.fingerprint not in seen]
        seen |= {description.fingerprint for description in found}


def _write(corpus: str, pipeline: str, expected: list[Description], own: bool = False) -> Counter[str]:
    """Write a state's runs and return how many of each kind that gave; with `own`, only runs that it made itself.

    A server serves other machines too: when one of them writes or deletes the same at the same moment, MLflow refuses
    what came second, and all is looked at again.
    """
    from mlflow.exceptions import MlflowException

    mend_moved()
    store = Store(corpus)
    for left in reversed(range(TRIES)):
        try:
            dead = [run for run in store.runs() if is_dead(run)]
            for run in dead:
                store.log(run.info.run_id, {("status",): "KILLED"})
            runs = store.runs()
            done = Counter(_write_run(store, pipeline, description, runs, own) for description in expected)
            _tidy(store, pipeline, expected)
            return done + Counter({"closed": len(dead)})
        except MlflowException as error:
            if error.error_code in LOST or not left:
                raise
        time.sleep(random.random())
    raise AssertionError


def _write_run(store: Store, pipeline: str, description: Description, runs: list[Any], own: bool) -> str:
    """Make a description's run, or make it equal; say which. One that was logged live becomes it."""
    found = _runs_of(store, description, runs) or [run for run in runs if _was_live(run, description, pipeline)][::-1]
    if any(map(is_alive, found)) or (own and found and not is_of(pipeline, found[0])):
        return "left"
    if not found:
        _make(store, pipeline, description)
        return "made"
    run, stored, expected = found[0], store.content(found[0]), description.content
    wrong = [key for key, value in stored.items() if expected.get(key) != value and key != ("status",)]
    if wrong and not store.is_promoted(run):
        store.delete([run])
        _make(store, pipeline, description)
        return "replaced"
    if FINGERPRINT not in run.data.tags:
        store.client.set_tag(run.info.run_id, FINGERPRINT, description.fingerprint)
    fixed = {key for key, value in stored.items() if key[0] == "param" or expected.get(key) == value}
    missing = {key: value for key, value in expected.items() if key not in fixed}
    store.log(run.info.run_id, missing)
    return "completed" if missing else "equal"


def _make(store: Store, pipeline: str, description: Description) -> None:
    """Write a run that is finished from the start: what is missing when this is killed, the next sync completes."""
    run_id = store.start(description.name, description.stage, pipeline, description.tags)
    store.log(run_id, {("status",): "FINISHED"})
    store.log(run_id, {key: value for key, value in description.content.items() if key != ("status",)})


def _tidy(store: Store, pipeline: str, expected: list[Description]) -> None:
    """Leave one run of each description, and put the pipeline's runs under their parent.

    Whoever comes last sees every run, and all agree on which of several stays: so two machines at once lose none.
    """
    runs = store.runs()
    for description in expected:
        if found := _runs_of(store, description, runs):
            spare = [run for run in runs if _was_live(run, description, pipeline)]
            spare += [run for run in found[1:] if not store.is_promoted(run)]
            store.delete([run for run in spare if not is_alive(run)])
    ours = [run for run in store.runs() if is_of(pipeline, run)]
    parents = [run.info.run_id for run in ours if run.data.tags[STAGE] == PIPELINE]
    for run in ours:
        if parents and run.data.tags[STAGE] != PIPELINE and run.data.tags.get(PARENT) != parents[0]:
            store.client.set_tag(run.info.run_id, PARENT, parents[0])


def _runs_of(store: Store, description: Description, runs: list[Any]) -> list[Any]:
    """Return a description's runs, the one that stays first: a promoted model's, else the oldest."""
    found = [run for run in runs if run.data.tags.get(FINGERPRINT) == description.fingerprint]
    return sorted(found, key=lambda run: not store.is_promoted(run)) if len(found) > 1 else found


def _was_live(run: Any, description: Description, pipeline: str) -> bool:
    """Say whether a training logged this run itself, and no sync has given it a fingerprint yet."""
    same = description.training and run.data.tags.get(TRAINING) == description.training
    return bool(same and FINGERPRINT not in run.data.tags and is_of(pipeline, run))


def _drift(store: Store, description: Description, runs: list[Any]) -> list[str]:
    """Return how a description's run differs from it, a line each."""
    found = _runs_of(store, description, runs)
    if len(found) != 1:
        return [f"{description.name}: {f'{len(found)} runs instead of one' if found else 'missing'}"]
    if is_alive(found[0]):
        return []
    lines = differences(store.content(found[0]), description.content)
    if description.stage != PIPELINE and PARENT not in found[0].data.tags:
        lines.append("it has no parent")
    more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
    return [f"{_named(found[0])}: {line}" for line in lines[:LINES] + more]


def _named(run: Any) -> str:
    return f"{run.info.run_name} ({run.data.tags[EXPERIMENT]}, {run.info.run_id[:8]})"


def _stamp() -> Path:
    """Return the file in which the last sync noted what it saw."""
    return store_folder() / ".synced"


def _seen() -> str:
    """Return a hash of what a sync depends on and of the store's file, which changes when somebody writes to it."""
    fixed = [Path("dvc.lock"), Path("dvc.yaml"), Path("params.yaml"), *filter(None, [store_file()])]
    figures = [path for folder in ("metrics", "models", "data/manifests") for path in Path(folder).rglob("*.*")]
    files = [(str(path), path.stat().st_mtime_ns) for path in sorted(fixed + figures) if path.is_file()]
    return hashlib.sha256(repr((files, _experiments(), store_uri())).encode()).hexdigest()
