"""Nodes that die: stages of a toy study on a Ray cluster of three nodes, one of them killed at work each time."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torture.survival import git, started
from torture.toy import differences, digests, environment, leftovers, make_toy, processes_in

STAGES = {
    "ingest": ("ingest", "INTERPRETER"),
    "augment": ("augment", "AF2"),
    "swap": ("swap", "DF-1"),
    "train": ("train", "i3d", "Baseline"),
}
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
TIMEOUT = 300.0  # seconds for a stage


@contextmanager
def three_nodes() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the address of a cluster of a head without cores and two nodes with one each, and what adds another."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE | {"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(**NODE)
        yield cluster.address, lambda: cluster.add_node(**NODE)
    finally:
        cluster.shutdown()


def kill_node_at_work(root: Path, rng: random.Random) -> bool:
    """Kill a node that works on a study, with all its processes at once as a power cut does; False when none does."""
    workers = [pid for pid, command in processes_in(root).items() if command.startswith("ray::")]
    if not workers:
        return False
    node = _parents().get(rng.choice(workers), 0)  # the raylet
    for pid in [*(pid for pid, parent in _parents().items() if parent == node), node]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return True


def _parents() -> dict[int, int]:
    """Return the parent of every process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def has_begun(root: Path, stage: str) -> bool:
    """Say whether a stage has finished something: a clip, or the first epoch of a training."""
    pattern = "training/*/*.pt" if stage == "train" else "finished/*/*/made"
    return any((root / ".scratch").glob(pattern))


def survives(root: Path, stage: str, address: str, rng: random.Random) -> list[str]:
    """Run one stage of a finished study again with a node killed in its midst; return what is wrong afterwards."""
    expected = digests(root)
    shutil.rmtree(root / ".scratch/training", ignore_errors=True)
    variables = environment(CALSE_EXECUTOR="ray", RAY_ADDRESS=address, PYTHONPATH="src")
    command = [sys.executable, "-m", "calse", *STAGES[stage]]
    log = root.parent / f"{stage}.log"
    killed = False
    with (
        open(log, "w") as file,
        subprocess.Popen(command, cwd=root, env=variables, stdout=file, stderr=file) as running,
    ):
        deadline = time.monotonic() + TIMEOUT
        while running.poll() is None and time.monotonic() < deadline:
            killed = killed or (has_begun(root, stage) and kill_node_at_work(root, rng))
            time.sleep(0.01)
        running.kill()
    faults = [] if killed else ["no node was killed in time"]
    faults += [f"exit code {running.returncode}: {log.read_text()[-800:]}"] if running.returncode else []
    faults += differences(root, expected)
    return faults + [f"left over: {name}" for name in leftovers(root)]


def nodes(seed: int = 1974) -> list[str]:
    """Run a toy study here and on three nodes, then each kind of stage again with a node killed; return the faults."""
    rng, faults = random.Random(seed), []
    with tempfile.TemporaryDirectory() as temporary, three_nodes() as (address, add_node):
        here = make_toy(Path(temporary) / "here")
        git(here)
        there = shutil.copytree(here, here.with_name("there"))
        for root, more in ((here, {}), (there, {"CALSE_EXECUTOR": "ray", "RAY_ADDRESS": address})):
            with started(root, **more) as running:
                if running.wait():
                    raise RuntimeError((root.parent / f"{root.name}.log").read_text()[-3000:])
        if (here / "dvc.lock").read_bytes() != (there / "dvc.lock").read_bytes():
            faults.append("dvc.lock of three nodes is another")
        faults += [f"three nodes: {fault}" for fault in differences(there, digests(here))]
        for stage in STAGES:
            found = survives(there, stage, address, rng)
            print(f"{stage}: {len(found)} faults", flush=True)
            faults += [f"{stage}: {fault}" for fault in found]
            add_node()
    for fault in faults:
        print(f"  {fault}")
    return faults
