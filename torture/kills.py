"""Killed anywhere: `dvc repro` is killed at random moments until it is through, and the result held against another."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from calse.unlock import remove_torn_lock
from torture.toy import digests, environment, leftovers, make_toy, processes_in

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("dvc", "stage", "group")
MEAN_WAIT, PATIENCE = 9.0, 60.0  # seconds until a kill, any now and then; until everything must be gone after it
MOST_FAULTS = 10


@dataclass
class Tally:
    """What the kills did."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    pipelines: int = 0
    torn_locks: int = 0
    compared: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note what must not be, and show it at once."""
        self.faults.append(text)
        print(f"fault: {text}", file=sys.stderr, flush=True)


def kills(count: int = 50, seed: int = 1974) -> Tally:
    """Kill a toy study at least `count` times, over as many whole pipelines as that takes."""
    rng, tally = random.Random(seed), Tally()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children must not inherit that it is ignored
    with tempfile.TemporaryDirectory() as temporary:
        whole = make_toy(Path(temporary) / "whole")
        _git(whole)
        if start(whole, CALSE_WORKERS="1").wait():
            raise RuntimeError((whole.parent / "whole.log").read_text()[-3000:])
        expected = digests(whole)
        while sum(tally.kills.values()) < count:
            root = make_toy(Path(temporary) / f"killed-{tally.pipelines}")
            _git(root)
            killed_until_done(root, rng, tally)
            check_whole(root, expected, tally)
            tally.pipelines += 1
    return tally


def _git(root: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)


def start(root: Path, **more: str) -> subprocess.Popen[str]:
    """Start `dvc repro` in a process group of its own."""
    with open(root.parent / f"{root.name}.log", "a") as log:
        return subprocess.Popen(
            ["dvc", "repro"],
            cwd=root,
            env=environment(**more),
            stdout=log,
            stderr=log,
            text=True,
            start_new_session=True,
        )


def killed_until_done(root: Path, rng: random.Random, tally: Tally) -> None:
    """Start the study and kill it, again and again, until one start comes to the end before its kill."""
    while True:
        tally.torn_locks += remove_torn_lock(root)
        running = start(root)
        try:
            code = running.wait(0.3 + rng.expovariate(1 / MEAN_WAIT))
        except subprocess.TimeoutExpired:
            strike(root, running, rng, tally)
            continue
        if code == 0:
            return
        tally.fault(f"dvc repro failed after a kill: {(root.parent / f'{root.name}.log').read_text()[-800:]}")
        if len(tally.faults) > MOST_FAULTS:
            return


def strike(root: Path, running: subprocess.Popen[str], rng: random.Random, tally: Tally) -> None:
    """Kill dvc, its stage or both with one of the signals; everything must be gone soon after."""
    number, victim = rng.choice(SIGNALS), rng.choice(VICTIMS)
    if (number, victim) == (signal.SIGINT, "dvc"):
        victim = "group"  # dvc alone leaves Ctrl-C to its stage, which has it from the terminal
    stages = {pid: command for pid, command in processes_in(root).items() if "-m calse " in command}
    stage = min(stages, default=running.pid)
    name = stages.get(stage, "dvc itself").split(" calse ")[-1].split(" ")[0]
    try:
        _send(victim, running.pid, stage, number)
    except ProcessLookupError:
        return
    tally.kills[number.name, victim] += 1
    tally.stages[name] += 1
    if not _gone(root, running):
        orphans = processes_in(root)
        tally.fault(f"{number.name} to {victim} in {name}: still there: {orphans}")
        for pid in orphans:
            _send("stage", running.pid, pid, signal.SIGKILL)
        running.wait()


def _send(victim: str, dvc: int, stage: int, number: signal.Signals) -> None:
    if victim == "group":
        os.killpg(dvc, number)
    else:
        os.kill(dvc if victim == "dvc" else stage, number)


def _gone(root: Path, running: subprocess.Popen[str]) -> bool:
    """Wait until dvc and everything that worked for it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if running.poll() is not None and not processes_in(root):
            return True
        time.sleep(0.1)
    return False


def check_whole(root: Path, expected: dict[str, str], tally: Tally) -> None:
    """Hold a killed study against the uninterrupted one: bytes, temporary files, locks, runs."""
    found = digests(root)
    differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    tally.compared += len(expected)
    for text in [
        *(f"differs: {name}" for name in differ),
        *(f"left over: {name}" for name in leftovers(root)),
        *(f"run not finished: {name} is {status}" for name, status in unfinished_runs(root)),
    ]:
        tally.fault(text)
    # dvc drops the entries of dead processes in its lock file when they are in the way: then this must not stop
    again = subprocess.run(["dvc", "repro"], cwd=root, env=environment(), capture_output=True, text=True)
    if again.returncode or "Running stage" in again.stdout:
        tally.fault(f"a second dvc repro had work to do: {again.stdout[-500:]}{again.stderr[-500:]}")


def unfinished_runs(root: Path) -> list[tuple[str, str]]:
    """Return the MLflow runs that are not FINISHED."""
    if not (root / "mlruns/mlflow.db").is_file():
        return [("the store", "missing")]
    with sqlite3.connect(root / "mlruns/mlflow.db") as store:
        rows = store.execute("SELECT name, status FROM runs WHERE lifecycle_stage = 'active' AND status != 'FINISHED'")
        return [(str(name), str(status)) for name, status in rows]


def print_tally(tally: Tally) -> None:
    """Print the kills by signal and victim, by stage, and every fault."""
    print(f"{'kills':<10}" + "".join(f"{victim:>8}" for victim in VICTIMS))
    for number in SIGNALS:
        print(f"{number.name:<10}" + "".join(f"{tally.kills[number.name, victim]:>8}" for victim in VICTIMS))
    print("in: " + ", ".join(f"{name} {count}" for name, count in tally.stages.most_common()))
    print(f"{sum(tally.kills.values())} kills over {tally.pipelines} pipelines, {tally.compared} files compared")
    print(f"torn lock files of dvc mended: {tally.torn_locks}")
    print(f"faults: {len(tally.faults)}")
    for fault in tally.faults:
        print(f"  {fault}")
