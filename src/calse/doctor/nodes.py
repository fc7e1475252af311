"""Checks of where work runs: file locks here, and the nodes of a cluster when CALSE_EXECUTOR=ray."""

import fcntl
import platform
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calse.doctor.finding import Finding
from calse.runtime.errors import CalseError, counted
from calse.runtime.executor import on_cluster, worker_count
from calse.runtime.files import NO_ACCESS
from calse.runtime.locks import locked
from calse.runtime.repository import scratch

MOUNT = "put the clone on a file system with locks: NFSv4, or Lustre mounted with -o flock"
WRITE = "mount it for writing, or clone to where you may write"
MIXED = "trainings and other stages of networks have one kind's bytes: give each stage one kind, docs/cluster.md"
TIMEOUT = 60  # seconds that a node may take


def locks() -> Finding:
    """Does the file system keep a second opener from a locked file?"""
    try:
        scratch().mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=scratch()) as folder, locked(path := Path(folder, "lock")):
            held = is_held(path)
    except OSError as error:
        if error.errno in NO_ACCESS:
            return Finding("wrong", f"{scratch()}: {NO_ACCESS[error.errno]}: nothing can be made in this clone", WRITE)
        return Finding("wrong", f"{scratch()}: {error.strerror}: no file can be locked there", MOUNT)
    if not held:
        return Finding("wrong", f"{scratch()}: a locked file can be locked again", MOUNT)
    return Finding("ok", f"a file locked in {scratch()} stays locked")


def is_held(path: Path) -> bool:
    """Say whether somebody else holds a lock file."""
    with open(path) as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    return True


def executor() -> Finding:
    """Where does work run, and is every node of the cluster fit for it?"""
    try:
        if not on_cluster():
            return Finding("ok", f"local, {counted(worker_count(), 'process')} at a time")
        from calse.runtime.cluster import connect

        ray = connect()
    except CalseError as error:
        return Finding("wrong", str(error), "unset CALSE_EXECUTOR to stay on this machine")
    found = _looked_at(ray)
    cores, devices = (int(ray.cluster_resources().get(name, 0)) for name in ("CPU", "GPU"))
    unfit = [f"{node}: {flaw}" for node, flaw in found.items() if isinstance(flaw, str)]
    if unfit:
        return Finding("wrong", "; ".join(unfit), "ray stop on that node, mend it, ray start again; docs/cluster.md")
    kinds = sorted({kind for kind, _ in found.values()})
    what = ", ".join(["ray", counted(len(found), "node"), counted(cores, "core"), counted(devices, "accelerator")])
    unlocked = [node for node, (_, held) in found.items() if not held]
    if unlocked:
        return Finding("wrong", f"{what}; {', '.join(unlocked)}: does not notice a file locked on this host", MOUNT)
    if len(kinds) > 1:
        return Finding("warn", f"{what} with different processors: {', '.join(kinds)}", MIXED)
    return Finding("ok", f"{what}, all {kinds[0]}" if kinds else what)


def _looked_at(ray: Any) -> dict[str, Any]:
    """Return of each node with a core its kind of processor and whether it sees our lock, or what is wrong with it."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    from calse.runtime.cluster import in_our_words, remote, result_of

    found: dict[str, Any] = {}
    with locked(scratch() / "doctor.lock"):
        looks = {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                start = remote(ray, num_cpus=0, scheduling_strategy=there)
                name = f"{node['NodeManagerHostname']} {node['NodeManagerAddress']}:{node['NodeManagerPort']}"
                looks[name] = start(_look, scratch() / "doctor.lock")
        for name, reference in looks.items():
            try:
                found[name] = result_of(ray.get(reference, timeout=TIMEOUT), set())
            except Exception as error:
                found[name] = str(in_our_words(error))
    return found


def _look(lock: Path) -> tuple[str, bool]:
    """Return this node's kind of processor and whether a file that another host has locked is locked here."""
    return processor(), is_held(lock)


def processor() -> str:
    """Return the name of this machine's processor."""
    with suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
