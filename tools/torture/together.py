"""Two at once, a store out of reach, a cache elsewhere: one wins or waits, says so, and the result stays the same."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from torture.toy import differences, digests, environment, make_toy

TRAIN = (sys.executable, "-m", "calse", "train", "i3d", "Baseline")
TIMEOUT = 300  # seconds


@dataclass(frozen=True)
class Case:
    """What was tried, what the second process or the starved one said, and what did not hold."""

    name: str
    said: str
    faults: list[str]


class Study:
    """A copy of a whole toy study."""

    def __init__(self, whole: Path, root: Path) -> None:
        self.root = root
        shutil.copytree(whole, root, symlinks=True)
        shutil.rmtree(root / ".scratch/training", ignore_errors=True)  # else finished trainings are not trained again

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        """Start a command with the study's own code."""
        variables = environment(PYTHONPATH=str(self.root / "src"), **more)
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.root, env=variables, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def run(self, *command: str, **more: str) -> tuple[int, str]:
        """Run a command; return its exit code and what it printed."""
        return ended(self.start(*command, **more))

    def with_lr(self, lr: float) -> "Study":
        """Change the learning rate in params.yaml."""
        path, yaml = self.root / "params.yaml", YAML(typ="safe", pure=True)
        tree = yaml.load(path)
        tree["train"]["i3d"]["optim"]["lr"] = lr
        yaml.dump(tree, path)
        return self


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process; return its exit code and what it printed."""
    printed = process.communicate(timeout=TIMEOUT)[0]
    return process.returncode, printed


def line_with(printed: str, *words: str) -> str:
    """Return the first line that has one of these words."""
    lines = [line.strip() for line in printed.splitlines()]
    return next((line for line in lines if any(word in line for word in words)), "nothing")


def together() -> Iterator[Case]:
    """Make a toy study, then try everything on copies of it, one after the other."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole = make_toy(folder / "whole")
        git = "git -c user.name=toy -c user.email=toy@example.org"
        for command in ("git init -q", "dvc repro -q", f"{git} add -A", f"{git} commit -qm study"):
            subprocess.run(command.split(), cwd=whole, env=environment(), check=True, capture_output=True)
        alone = Study(whole, folder / "alone").with_lr(0.01)
        alone.run("dvc", "repro")
        expected = digests(alone.root)
        tries = (two_repros, queue_beside_repro, two_trainings, cache_elsewhere, store_locked, store_deleted)
        for attempt in tries:
            yield attempt(Study(whole, folder / attempt.__name__), expected)


def two_repros(study: Study, expected: dict[str, str]) -> Case:
    """Start `dvc repro` twice; DVC lets one through."""
    study.with_lr(0.01)
    both = [study.start("dvc", "repro"), study.start("dvc", "repro")]
    (first, one), (second, other) = map(ended, both)
    faults = [] if 0 in (first, second) else ["neither came to its end"]
    refused = other if second else one
    code, printed = study.run("dvc", "repro")
    faults += [f"a third had to fail: {printed[-300:]}"] if code else []
    return Case("two dvc repro", line_with(refused, "ERROR", "lock"), faults + differences(study.root, expected))


def queue_beside_repro(study: Study, expected: dict[str, str]) -> Case:
    """Train in the queue what the workspace trains too."""
    study.run("dvc", "exp", "run", "--queue", "-n", "queued", "-S", "train.i3d.optim.lr=0.01")
    study.with_lr(0.01)
    study.run("dvc", "queue", "start")
    code, printed = study.run("dvc", "repro")
    deadline = time.monotonic() + TIMEOUT
    while "queued" not in study.run("git", "for-each-ref", "refs/exps")[1] and time.monotonic() < deadline:
        time.sleep(1)
    faults = [f"dvc repro failed: {printed[-300:]}"] if code else []
    faults += [] if time.monotonic() < deadline else ["the queued experiment did not end"]
    study.run(sys.executable, "-m", "calse", "track", "sync")
    code, outcome = study.run(sys.executable, "-m", "calse", "track", "verify")
    faults += [f"the store: {outcome}"] if code else []
    return Case("a queue beside dvc repro", line_with(outcome, "exactly"), faults + differences(study.root, expected))


def two_trainings(study: Study, expected: dict[str, str]) -> Case:
    """Train one run in two working trees of one repository, as two queued experiments do."""
    beside = Study(study.root, study.root.with_name("beside"))
    trees = [tree.with_lr(0.01) for tree in (study, beside)]
    done = [ended(process) for process in [tree.start(*TRAIN, DVC_ROOT=str(study.root)) for tree in trees]]
    faults = [f"failed: {printed[-300:]}" for code, printed in done if code]
    faults += [fault for tree in trees for fault in differences(tree.root, expected, "models/i3d/Baseline")]
    faults += [f"left: {path.name}" for path in (study.root / ".scratch/training").glob("*.lock")]
    said = line_with("\n".join(printed for _, printed in done), "another process trains it")
    return Case("two trainings of one run", said, faults)


def cache_elsewhere(study: Study, expected: dict[str, str]) -> Case:
    """Keep DVC's cache on another file system, where neither reflinks nor hard links lead."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == study.root.stat().st_dev:
        return Case("the cache on another file system", "not tried: there is none", [])
    with tempfile.TemporaryDirectory(dir=elsewhere) as cache:
        study.run("dvc", "cache", "dir", cache)
        code, printed = study.with_lr(0.01).run("dvc", "repro")
        faults = [f"failed: {printed[-300:]}"] if code else []
        models = study.root / "models/i3d/Baseline"
        shutil.rmtree(models)
        study.run("dvc", "checkout", "models/i3d/Baseline")
        links = sum(path.is_symlink() for path in models.rglob("*"))
        return Case(
            "the cache on another file system",
            f"{links} symbolic links lead there",
            faults + differences(study.root, expected),
        )


def store_locked(study: Study, expected: dict[str, str]) -> Case:
    """Let another programme keep MLflow's database for itself while a training goes on."""
    with sqlite3.connect(study.root / "mlruns/mlflow.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        case = _trained("the store locked", study, expected, lambda: None)
        other.execute("ROLLBACK")
    return case


def store_deleted(study: Study, expected: dict[str, str]) -> Case:
    """Delete MLflow's store under a training."""
    return _trained("the store deleted", study, expected, lambda: shutil.rmtree(study.root / "mlruns"))


def _trained(name: str, study: Study, expected: dict[str, str], disturb: Callable[[], None]) -> Case:
    """Disturb a training after its first epoch, and compare what it made."""
    training = study.with_lr(0.01).start(*TRAIN)
    states = study.root / ".scratch/training"
    while training.poll() is None and not list(states.glob("*/*.pt")):  # an epoch is over
        time.sleep(0.02)
    disturb()
    code, printed = ended(training)
    faults = [f"failed: {printed[-300:]}"] if code else []
    said = line_with(printed, "warning")
    return Case(name, said, faults + differences(study.root, expected, "models/i3d/Baseline"))


def print_cases(cases: Iterable[Case]) -> bool:
    """Print what was tried, what was said, and every fault, as it comes; return whether everything held."""
    held = True
    for case in cases:
        held = held and not case.faults
        print(f"{'held' if not case.faults else 'FAULT':<6} {case.name:<44} {case.said[:160]}", flush=True)
        for fault in case.faults:
            print(f"         {fault}", flush=True)
    return held
