"""MLflow's runs made equal to what DVC knows, or compared with it."""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from calse.runtime.errors import CalseError, counted
from calse.runtime.repository import git
from calse.tracking.content import STATUS, differences
from calse.tracking.dvc_index import repository
from calse.tracking.expected import PIPELINE, Expected, expected_runs
from calse.tracking.moved import mend_moved, moved_from
from calse.tracking.place import locked_store, pipeline_name, store_file
from calse.tracking.runs import EXPERIMENT, KEY, PARENT, TRAINING, Store, is_alive, is_of
from calse.tracking.table import STAGE

LINES = 5
TRIES = 5
State = tuple[str, str, list[Expected]]
LOST = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")  # what MLflow calls a server or database out of reach


def sync_workspace() -> None:
    """Write the working tree's runs; runs that another pipeline made are left to it. A failure is a warning."""
    try:
        sync(own=True)
    except CalseError as error:
        print(f"warning: {error}; later: calse track sync", file=sys.stderr)


def sync(own: bool = False) -> Counter[str]:
    """Write the runs of the working tree and of every DVC experiment; with `own`, only runs that this pipeline makes.

    Returns how many runs were made, completed, replaced, left and equal, and how many killed ones were closed. Raises
    CalseError when the store fails or dvc.lock is damaged.
    """
    with locked_store():
        mend_moved()
        return sum((_write(*state, own) for state in _states(own)), Counter[str]())


def verify() -> tuple[list[str], list[str]]:
    """Return every difference between the store and what DVC knows, a line each, and notes on runs outside of it.

    Raises CalseError when there is no store.
    """
    file = store_file()
    if file and not file.is_file():
        raise CalseError("there is no MLflow store; make it with: calse track sync")
    with locked_store():
        drift = [f"the store was moved or copied: it keeps artifacts in {place}" for place in moved_from()]
        known: dict[str, list[Expected]] = {}
        for corpus, _, expected in _states():
            known.setdefault(corpus, []).extend(expected)
        notes = []
        for corpus, expected in known.items():
            store = Store(corpus)
            runs = store.runs()
            drift += [line for one in expected for line in _drift(store, one, runs)]
            drift += [f"{_named(run)}: RUNNING, but nothing trains it" for run in runs if _is_dead(run)]
            keys = {one.key for one in expected}
            if earlier := sum(run.data.tags.get(KEY) not in keys for run in runs):
                notes.append(
                    f"{corpus}: {counted(earlier, 'run')} of earlier states, with nothing to compare them with"
                )
    return drift, notes


def _states(own: bool = False) -> Iterator[State]:
    """Yield corpus, pipeline and runs of the working tree, and unless `own` of every DVC experiment.

    A run that several of them share comes with the first one.
    """
    refs = "" if own else git("for-each-ref", "--format=%(objectname) %(refname:lstrip=4)", "refs/exps/??/*/*")
    shared: set[str] = set()
    for line in [f" {pipeline_name()}", *refs.splitlines()]:
        revision, _, pipeline = line.partition(" ")
        with repository(revision or None) as repo:
            corpus, expected = expected_runs(repo, pipeline)
        if corpus:
            yield corpus, pipeline, [one for one in expected if one.key not in shared]
        shared |= {one.key for one in expected}


def _write(corpus: str, pipeline: str, expected: list[Expected], own: bool) -> Counter[str]:
    """Write a state's runs and return how many of each kind that gave; with `own`, only runs that it made itself.

    A server serves other machines too: when one of them writes or deletes the same at the same moment, MLflow refuses
    what came second, and all is looked at again.
    """
    from mlflow.exceptions import MlflowException

    store = Store(corpus)
    for left in reversed(range(TRIES)):
        try:
            dead = [run for run in store.runs() if _is_dead(run)]
            for run in dead:
                store.log(run.info.run_id, {STATUS: "KILLED"})
            runs = store.runs()
            done = Counter(_write_run(store, pipeline, one, runs, own) for one in expected)
            _tidy(store, pipeline, expected)
            return done + Counter({"closed": len(dead)})
        except MlflowException as error:
            if error.error_code in LOST or not left:
                raise
        time.sleep(random.random())
    raise AssertionError


def _write_run(store: Store, pipeline: str, expected: Expected, runs: list[Any], own: bool) -> str:
    """Make an expected run, or make it equal; say which. One that was logged live becomes it."""
    found = _runs_of(store, pipeline, expected, runs)
    if any(map(is_alive, found)) or (own and found and not is_of(pipeline, found[0])):
        return "left"
    run_id, stored = (found[0].info.run_id, store.content(found[0])) if found else ("", {})
    wrong = [key for key, value in stored.items() if expected.content.get(key) != value and key != STATUS]
    if wrong and not store.is_promoted(found[0]):
        store.client.delete_run(run_id)
        run_id, stored = "", {}
    if not run_id:
        run_id = store.start(expected.name, expected.stage, pipeline, {KEY: expected.key})
        store.log(run_id, {STATUS: "FINISHED"})  # first: what a failure leaves out, the next try or sync completes
    elif KEY not in found[0].data.tags:
        store.client.set_tag(run_id, KEY, expected.key)
    missing = {key: value for key, value in expected.content.items() if stored.get(key) != value}
    store.log(run_id, {key: value for key, value in missing.items() if key[0] != "param" or key not in stored})
    if not found:
        return "made"
    if not stored:
        return "replaced"
    return "completed" if missing else "equal"


def _tidy(store: Store, pipeline: str, expected: list[Expected]) -> None:
    """Leave one of each expected run, and put the pipeline's runs under their parent.

    Whoever comes last sees every run, and all agree on which of several stays: so two machines at once lose none.
    """
    runs = store.runs()
    for one in expected:
        for spare in _runs_of(store, pipeline, one, runs)[1:]:
            if not is_alive(spare) and not store.is_promoted(spare):
                store.client.delete_run(spare.info.run_id)
    ours = [run for run in store.runs() if is_of(pipeline, run)]
    parent = next((run.info.run_id for run in ours if run.data.tags[STAGE] == PIPELINE), None)
    for run in ours:
        if run.data.tags[STAGE] != PIPELINE and run.data.tags.get(PARENT) != parent:
            store.client.set_tag(run.info.run_id, PARENT, parent)


def _runs_of(store: Store, pipeline: str, expected: Expected, runs: list[Any]) -> list[Any]:
    """Return an expected run's runs: a promoted model's, the others by age, then those that a training logged."""
    found = [run for run in runs if run.data.tags.get(KEY) == expected.key]
    if len(found) > 1:
        found.sort(key=lambda run: not store.is_promoted(run))
    live = [run for run in runs if KEY not in run.data.tags and is_of(pipeline, run)]
    return found + [run for run in live[::-1] if run.data.tags[TRAINING] == expected.training]


def _is_dead(run: Any) -> bool:
    """Say whether a run was killed: it says that it runs, and nothing writes it."""
    return run.info.status == "RUNNING" and not is_alive(run)


def _drift(store: Store, expected: Expected, runs: list[Any]) -> list[str]:
    """Return how an expected run differs from what the store holds, a line each."""
    found = [run for run in runs if run.data.tags.get(KEY) == expected.key]
    if len(found) != 1:
        return [f"{expected.name}: {f'{len(found)} runs instead of one' if found else 'missing'}"]
    if is_alive(found[0]):
        return []
    lines = differences(store.content(found[0]), expected.content)
    if expected.stage != PIPELINE and PARENT not in found[0].data.tags:
        lines.append("it has no parent")
    more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
    return [f"{_named(found[0])}: {line}" for line in lines[:LINES] + more]


def _named(run: Any) -> str:
    """Return how a message names a run."""
    return f"{run.info.run_name} ({run.data.tags[EXPERIMENT]}, {run.info.run_id[:8]})"
