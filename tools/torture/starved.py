"""Starved: disk, permission or memory runs out under a command; it says so in a line, and then goes on with more."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torture.survival import git
from torture.together import Case, Study
from torture.toy import differences, digests, environment, leftovers, make_toy


def mounted(mount: str) -> tuple[str, ...]:
    """Return what runs a command under a mount of its own, which nobody else sees."""
    return ("unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh")


def memory(megabytes: int) -> tuple[str, ...]:
    """Return what runs a command with so much address space."""
    return ("prlimit", f"--as={megabytes * 2**20}")


TRAIN = ("train", "i3d", "Baseline")
READ_ONLY = "mount --bind data data && mount -o remount,bind,ro data"
# root may write and read everything, unless it goes without these
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner") if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Lack:
    """What a command is to go without, and the words that it must say."""

    name: str
    command: tuple[str, ...]
    says: str
    under: tuple[str, ...] = UNPRIVILEGED
    closed: str = ""
    mode: int = 0o000


LACKS = (
    Lack(
        "disk full", ("augment", "AF2"), "the disk is full", mounted("mount -t tmpfs -o size=40k none data/augmented")
    ),
    Lack("scratch full", ("omit", "SACU"), "the disk is full", mounted("mount -t tmpfs -o size=4k none .scratch")),
    Lack("data read-only", ("ingest", "SACU"), "read-only", mounted(READ_ONLY)),
    Lack("no permission to write", ("augment", "AF2"), "permission denied", closed="data/augmented", mode=0o500),
    Lack(
        "no permission to keep models",
        TRAIN,
        "permission denied",
        closed="models/i3d",
        mode=0o500,
    ),
    Lack("no permission to read clips", ("landmarks", "SACU"), "permission denied", closed="data/clips/SACU"),
    Lack("no permission to read params", ("split", "Baseline"), "permission denied", closed="params.yaml"),
    Lack("2.5 GB of memory", ("swap", "DF-1"), "memory", memory(2500)),
    Lack("2.5 GB of memory", TRAIN, "memory", memory(2500)),
    Lack("0.6 GB of memory", ("augment", "AF2"), "memory", memory(600)),
)


def starved() -> Iterator[Case]:
    """Make a toy study, then take something away from its commands, one after the other."""
    with tempfile.TemporaryDirectory() as temporary:
        whole = make_toy(Path(temporary) / "whole")
        git(whole)
        subprocess.run(["dvc", "repro", "-q"], cwd=whole, env=environment(), check=True, capture_output=True)
        study, expected = Study(whole, whole.with_name("starved")), digests(whole)
        for lack in LACKS:
            yield tried(lack, study, expected)


def tried(lack: Lack, study: Study, expected: dict[str, str]) -> Case:
    """Run a command in want, then again with all it needs."""
    name = f"{lack.name}: {' '.join(lack.command)}"
    if lack.under and study.run(*lack.under, "true")[0]:
        return Case(name, f"not tried: {lack.under[0]} is not to be had here", [])
    command = (sys.executable, "-m", "calse", *lack.command)
    with shut(study.root / lack.closed, lack.mode) if lack.closed else shut(study.root, 0o700):
        code, printed = study.run(*lack.under, *command)
    lines = [line for line in printed.splitlines() if line.startswith("error:")]
    faults = [] if code == 1 else [f"ended with {code}: {printed[-300:]}"]
    faults += ["a traceback is no answer"] * ("Traceback" in printed)
    faults += [] if len(lines) == 1 and lack.says in lines[0] else [f"{len(lines)} lines of what is wrong"]
    code, printed = study.run(*command)
    faults += [f"did not go on: {printed[-300:]}"] if code else []
    faults += [f"left over: {left}" for left in leftovers(study.root)] + differences(study.root, expected)
    return Case(name, (lines or ["nothing"])[0], faults)


@contextmanager
def shut(path: Path, mode: int) -> Iterator[None]:
    """Let nobody in for a while."""
    usual = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(usual)
