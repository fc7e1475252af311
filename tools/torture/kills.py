"""Killed anywhere: every stage of `dvc repro` is killed in its midst, and the result held against an undisturbed."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from calse.runtime.dvc_repair import unlock
from torture.survival import faults_of, git, started
from torture.toy import digests, make_toy, processes_in

DVC = "dvc itself"
STAGES = (
    "synthesise", "ingest", "validate", "augment", "landmarks", "swap-train", "swap", "reidentify", "omit", "pretrain",
    "split", "inputs", "train",
)  # fmt: skip
PLACES = (*STAGES, "evaluate", "report", DVC)
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WORKER = re.compile("spawn_main|forkserver")
TARGETS = ("dvc", "stage", "worker", "group")
BETWEEN = 1 / 6  # how often dvc is hit where no stage runs: it is there many times
LATE = 0.9  # share of a stage's usual time after which no kill waits any longer
TIMEOUT = 60.0  # seconds until everything must be gone after a kill
MOST_FAULTS = 10


@dataclass(frozen=True)
class Kill:
    """A kill to come: the signal, which process gets it, and after which share of the stage's usual time."""

    number: signal.Signals
    target: str
    share: float


@dataclass(frozen=True)
class Stage:
    """A stage at work, or dvc between two: its name, its process, and when it was first seen."""

    place: str
    process: int
    since: float


@dataclass
class Tally:
    """What the kills did."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    targets: Counter[str] = field(default_factory=Counter)
    pipelines: int = 0
    torn_files: int = 0
    compared: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Note what must not be, and show it at once."""
        self.faults.append(text)
        print(f"fault: {text}", file=sys.stderr, flush=True)


class Injector:
    """Kills a study as planned: each place equally often, with each signal equally often."""

    def __init__(self, each: int, minutes: float, seed: int) -> None:
        self.rng, self.tally = random.Random(seed), Tally()
        self.deadline = time.monotonic() + 60 * minutes
        turns = {place: range(first, first + each) for first, place in enumerate(PLACES)}
        self.plan = {place: [self._drawn(number) for number in numbers] for place, numbers in turns.items()}
        self.usual = dict.fromkeys(PLACES, 2.0)  # seconds that a stage takes

    def _drawn(self, number: int) -> Kill:
        """Return a place's kill of that number: each signal in turn, target and time drawn."""
        code = SIGNALS[number % len(SIGNALS)]
        # Ctrl-C reaches the whole group of a terminal; workers ignore it, and dvc alone leaves it to its stage
        target = self.rng.choice(("stage", "group") if code == signal.SIGINT else TARGETS)
        return Kill(code, target, self.rng.random())

    @property
    def done(self) -> bool:
        """Whether every kill is done, time is over or too much is wrong."""
        late = time.monotonic() > self.deadline or len(self.tally.faults) > MOST_FAULTS
        return late or not any(self.plan.values())

    def watch(self, root: Path, running: subprocess.Popen[str]) -> bool:
        """Follow a running study to its end or to the next kill; return whether it was killed."""
        stage = Stage(DVC, running.pid, time.monotonic())
        kill = self._next(stage.place)
        while running.poll() is None:
            now = stage_of(root, running, stage)
            if now.process != stage.process:
                if stage.place != DVC:
                    self.usual[stage.place] = now.since - stage.since
                stage, kill = now, self._next(now.place)
            elif kill and self._due(root, stage, kill):
                if self._inject(root, running, stage, kill):
                    self.plan[stage.place].remove(kill)
                    return True
                kill = None
            time.sleep(0.02)
        return False

    def _due(self, root: Path, stage: Stage, kill: Kill) -> bool:
        """Say whether a kill's moment has come; one for a worker waits for workers, though not for ever."""
        share = (time.monotonic() - stage.since) / self.usual[stage.place]
        waits = kill.target == "worker" and stage.place != DVC and share < LATE and not workers_in(root)
        return share >= kill.share and not waits

    def _next(self, place: str) -> Kill | None:
        """Return the next kill for a place, if there is one and time is left."""
        left = not self.done and (place != DVC or self.rng.random() < BETWEEN)
        return next(iter(self.plan[place]), None) if left else None

    def _inject(self, root: Path, running: subprocess.Popen[str], stage: Stage, kill: Kill) -> bool:
        """Send the signal; everything must be gone soon after."""
        target = "dvc" if stage.place == DVC and kill.target != "group" else kill.target
        workers = workers_in(root)
        target = "stage" if target == "worker" and not workers else target
        process = {"dvc": running.pid, "stage": stage.process, "group": -running.pid}
        try:
            os.kill(self.rng.choice(workers) if target == "worker" else process[target], kill.number)
            outcome = outcome_of(root, running, stage)
        except ProcessLookupError:
            return False
        if outcome == "too late":
            return False
        self.tally.kills[stage.place, kill.number.name] += 1
        self.tally.targets[target] += 1
        if outcome == "orphans":
            orphans = processes_in(root)
            self.tally.fault(f"{kill.number.name} to {target} in {stage.place}: still there: {orphans}")
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
        running.wait()
        return True


def workers_in(root: Path) -> list[int]:
    """Return the processes that a stage has started for its work."""
    return [pid for pid, command in processes_in(root).items() if WORKER.search(command)]


def stage_of(root: Path, running: subprocess.Popen[str], former: Stage) -> Stage:
    """Return the stage that is at work now; the same one as before keeps its time."""
    commands = {pid: command for pid, command in processes_in(root).items() if " -m calse " in command}
    process = max(commands, default=running.pid)  # the shell that dvc starts comes before its Python
    if process == former.process:
        return former
    place = commands[process].split(" calse ")[1].split(" ")[0] if commands else DVC
    return Stage(place if place in PLACES else DVC, process, time.monotonic())


def outcome_of(root: Path, running: subprocess.Popen[str], stage: Stage) -> str:
    """Wait until dvc and everything that worked for it is `gone`; a stage that had done its work was hit `too late`."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if running.poll() is not None and not processes_in(root):
            return "gone"
        if stage_of(root, running, stage).process not in (stage.process, running.pid):
            return "too late"
        time.sleep(0.1)
    return "orphans"


def kills(each: int = 4, minutes: float = 20, seed: int = 1974) -> Tally:
    """Kill a toy study `each` times in each place, over as many pipelines as that takes, or until time is over."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children must not inherit that it is ignored
    with tempfile.TemporaryDirectory() as temporary:
        fresh = make_toy(Path(temporary) / "fresh")
        git(fresh)
        whole = shutil.copytree(fresh, fresh.with_name("whole"))
        with started(whole, CALSE_WORKERS="1") as running:
            if running.wait():
                raise RuntimeError((whole.parent / "whole.log").read_text()[-3000:])
        expected, injector = digests(whole), Injector(each, minutes, seed)
        tally = injector.tally
        while not injector.done:
            root = shutil.copytree(fresh, fresh.with_name(f"killed-{tally.pipelines}"))
            killed_until_done(root, injector)
            for text in faults_of(root, expected):
                tally.fault(text)
            tally.compared += len(expected)
            tally.pipelines += 1
    return tally


def killed_until_done(root: Path, injector: Injector) -> None:
    """Start the study and kill it, again and again, until one start comes to the end."""
    tally = injector.tally
    while True:
        tally.torn_files += len(unlock(root))
        with started(root) as running:
            if injector.watch(root, running):
                continue
            if running.wait() == 0:
                return
        tally.fault(f"dvc repro failed after a kill: {(root.parent / f'{root.name}.log').read_text()[-800:]}")
        if len(tally.faults) > MOST_FAULTS:
            return


def print_tally(tally: Tally) -> None:
    """Print the kills by place and signal, by target, and every fault."""
    print(f"{'killed in':<14}" + "".join(f"{number.name:>9}" for number in SIGNALS))
    for place in PLACES:
        print(f"{place:<14}" + "".join(f"{tally.kills[place, number.name]:>9}" for number in SIGNALS))
    print("hit: " + ", ".join(f"{target} {count}" for target, count in tally.targets.most_common()))
    print(f"{sum(tally.kills.values())} kills over {tally.pipelines} pipelines, {tally.compared} files compared")
    print(f"torn files of dvc mended: {tally.torn_files}")
    print(f"faults: {len(tally.faults)}")
    for fault in tally.faults:
        print(f"  {fault}")
