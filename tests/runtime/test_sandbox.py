"""Items that crash, hang, eat memory or refuse cost themselves only, and leave nothing to those of another sandbox."""

import ctypes
import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from calse.runtime.errors import CalseError, StarvedError
from calse.runtime.sandbox import Refused, Sandbox, map_sandboxed

pytestmark = pytest.mark.usefixtures("cold")


def misbehave(how):
    if how == "crash":
        ctypes.string_at(0)
    if how == "sleep":
        time.sleep(60)
    if how == "wait":
        time.sleep(1)
    while how == "spin":
        pass
    if how in ("SIGKILL", "SIGTERM"):
        signal.raise_signal(signal.Signals[how])
    if how == "eat":
        bytearray(3 * 1024**3)
    if how == "refuse":
        raise CalseError("is wrong")
    return how


def test_a_hostile_item_costs_itself_only():
    results = map_sandboxed(misbehave, ["a", "crash", "sleep", "spin", "eat", "refuse", "wait", "b"], "try", 0.5)
    answers = [result.reason if isinstance(result, Refused) else result for result in results]
    assert answers == [
        "a",
        "brought its decoder down (SIGSEGV)",
        "did not end within 5 s",
        "took over 0.5 s of CPU time",
        "takes over 2 GiB of memory",
        "is wrong",
        "wait",
        "b",
    ], "a file that waits for its turn of the machine is not refused"


kept = []


def keep_gigabytes(count):
    """Take memory and never give it back, as a decoder does that leaks, and say how many others were served here."""
    before = len(kept)
    kept.append(np.zeros(int(count * 1024**3), np.uint8))  # address space only: nobody touches it
    return before


def resize_hugely(side):
    return cv2.resize(np.zeros((8, 8, 3), np.uint8), (side, side)).shape


def test_an_item_is_not_blamed_for_the_memory_that_others_left_in_its_process(monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")
    served, *others, giant, last = map_sandboxed(keep_gigabytes, [1.2, 1.2, 1.2, 3, 1.2], "try", 20)
    assert (served, others, last) == (0, [0, 0], 0), "two do not fit into one process: each needs a new one"
    assert giant == Refused("takes over 2 GiB of memory"), "what no process can serve is refused"


def test_opencvs_word_for_too_little_memory_refuses_the_item():
    assert map_sandboxed(resize_hugely, [32000, 8], "try", 20) == [Refused("takes over 2 GiB of memory"), (8, 8, 3)]


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_an_item_whose_process_somebody_else_killed_is_not_blamed(how):
    with pytest.raises(StarvedError, match="was killed; out of memory"):
        map_sandboxed(misbehave, [how], "try", 20)


def bug(item):
    return {}[item]


def test_a_bug_of_ours_is_not_blamed_on_the_file():
    with pytest.raises(RuntimeError, match="KeyError"):
        map_sandboxed(bug, [1], "try", 20)


def prepare():
    kept.append("prepared")


def look(item):
    """Return what was left here before and which process this is, and leave the item here."""
    before = list(kept)
    kept.append(item)
    return before, os.getpid()


def test_a_sandbox_that_waits_is_prepared_and_holds_nothing_of_what_came_to_another_one():
    one, other = (Sandbox(look, 20, 1, prepare) for _ in range(2))
    one.start()
    other.start()
    (first, process), (again, same) = one.map(["hostile", "its second model"], "try")
    ((clean, fresh),) = other.map(["next"], "try")
    assert (first, again, clean) == (["prepared"], ["prepared", "hostile"], ["prepared"])
    assert process == same != fresh
    one.stop()
    other.stop()
    assert not any(Path(f"/proc/{number}").exists() for number in (process, fresh))


def test_a_waiting_process_that_somebody_ended_is_started_anew_and_prepared():
    sandbox = Sandbox(look, 20, 1, prepare)
    sandbox.start()
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
    ((before, _),) = sandbox.map(["a"], "try")
    sandbox.stop()
    assert before == ["prepared"]
