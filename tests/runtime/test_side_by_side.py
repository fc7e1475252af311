"""Stages side by side in a real DVC pipeline of shell commands: the dvc.lock of `dvc repro`, errors, and Ctrl-C."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calse.runtime.side_by_side import urgent_first

SOURCE = Path("src").resolve()
PIPELINE = """
stages:
  one:
    matrix: {name: [a, b, c]}
    cmd: sh ${item.name}.sh && cp ${item.name}.sh made-${item.name}
    deps: ["${item.name}.sh"]
    outs: ["made-${item.name}"]
  both:
    cmd: cat made-a made-b > both
    deps: [made-a, made-b]
    params: [limits]
    outs: [both]
  last:
    cmd: cat both made-c > last
    deps: [both, made-c]
    outs: [last]
"""
PARAMS = "limits: {least: null, most: 2.0e-05, word: 'on', text: 'two: words', none: []}\n"
QUICK = "echo quick"
AWAIT_B = "n=0; until [ -e b-began ] || [ $n -eq 200 ]; do n=$((n + 1)); sleep .1; done; [ $n -lt 200 ]"
# The trap first, and short sleeps: a signal between two commands waits for the end of the next one.
STAY = "trap 'touch stopped; exit 130' INT; echo $$ > began; n=0; until [ $((n += 1)) -gt 600 ]; do sleep .1; done"
STOPPED = "stopped; what was finished is kept"


class Study:
    def __init__(self, root):
        self.root = root
        outside = {name: value for name, value in os.environ.items() if name != "DVC_ROOT"}
        self.environment = outside | {"PYTHONPATH": str(SOURCE)}
        for command in ("git init -q", "dvc init -q"):
            subprocess.run(command.split(), cwd=root, env=self.environment, check=True)
        (root / "dvc.yaml").write_text(PIPELINE)
        (root / "params.yaml").write_text(PARAMS)
        self.write(a=QUICK, b=QUICK, c=QUICK)

    def write(self, **scripts):
        for name, script in scripts.items():
            (self.root / f"{name}.sh").write_text(script + "\n")

    def start(self, *command):
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # it is ignored in the background
        )

    def run(self, *command):
        process = self.start(*command)
        printed = process.communicate(timeout=120)[0]
        return process.returncode, printed

    def await_file(self, name):
        deadline = time.monotonic() + 60
        while not (self.root / name).exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def lock(self):
        return (self.root / "dvc.lock").read_text()

    def forget(self):
        """Leave nothing of what DVC made or knows."""
        for path in (self.root / "dvc.lock", self.root / ".dvc/cache", *self.root.glob("made-*")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


REPRO = ("calse", "repro", "--jobs", "2")


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_two_run_at_once_what_changed_alone_and_dvc_lock_is_that_of_one_after_the_other(study):
    """The first waits for what the second makes, so that they end in another order than the plan's."""
    study.write(a=AWAIT_B, b="touch b-began")
    code, printed = study.run(*REPRO)
    assert code == 0, printed
    began = re.findall("^Running stage '(.+)':$", printed, re.MULTILINE)
    assert len(began) == 5
    assert re.findall(r"^(\S+): \d+ s$", printed, re.MULTILINE) == began
    lock = study.lock
    study.forget()
    (study.root / "b-began").touch()
    code, printed = study.run("dvc", "repro")
    assert code == 0, printed
    assert study.lock == lock
    study.write(c="echo other")
    code, printed = study.run(*REPRO)
    assert code == 0, printed
    assert [line for line in printed.splitlines() if line.startswith("Running")] == [
        "Running stage 'one@c':",
        "Running stage 'last':",
    ]


def test_an_error_stops_what_runs_beside_it_and_ends_in_one_line(study):
    study.write(a=STAY, b="until [ -e began ]; do sleep .1; done; echo 'error: clip-7 is wrong'; exit 1")
    code, printed = study.run(sys.executable, "-m", *REPRO)
    assert code == 1, printed
    assert printed.count("error: clip-7 is wrong") == 1
    assert printed.splitlines()[-1].startswith("error: failed to reproduce 'one@b'")
    assert "Traceback" not in printed
    assert (study.root / "stopped").exists()
    assert not (study.root / "both").exists()


def test_an_interruption_stops_both_and_the_next_run_goes_on(study):
    study.write(a=STAY, b=STAY.replace("began", "too").replace("stopped", "ended"))
    process = study.start(sys.executable, "-m", *REPRO)
    study.await_file("began")
    study.await_file("too")
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=60)[0]
    assert process.returncode == 130, printed
    assert printed.splitlines()[-1] == STOPPED
    assert (study.root / "stopped").exists()
    assert (study.root / "ended").exists()
    study.write(a=QUICK, b=QUICK)
    code, printed = study.run(*REPRO)
    assert code == 0, printed
    assert (study.root / "last").exists()


def test_the_stages_with_the_longest_chain_behind_them_come_first():
    needed = {"short": set(), "long": set(), "next": {"long"}, "other": {"long"}, "last": {"long", "next"}}
    needed["end"] = {"short", "long", "next", "other", "last"}
    assert urgent_first(list(needed), needed) == ["long", "next", "short", "other", "last", "end"]
