import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calse.runtime.dvc_repair import unlock
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel
from calse.runtime.locks import locked

pytestmark = pytest.mark.usefixtures("cold")

STAGE = """
import os, signal, sys, time
from calse.runtime import lifeline
from calse.runtime.lifeline import end_with_dvc
lifeline.GRACE = 0.5
signal.signal(signal.SIGTERM, lambda *_: (print("stopped", flush=True), "DEAF" in os.environ or sys.exit(0)))
end_with_dvc()
print(os.getpid(), flush=True)
time.sleep(60)
"""
DVC = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(60)"
POOL = """
import os, time
from calse.runtime.executor import map_parallel
def work(number):
    print(os.getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    map_parallel(work, [1, 2], "work")
"""


def gone(process, seconds=20):
    """Whether a process ends in time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="asks the system about processes")


@needs_proc
@pytest.mark.parametrize("under_dvc", [True, False])
@pytest.mark.parametrize("deaf", [True, False])
def test_a_stage_stops_when_its_dvc_is_killed_and_a_command_of_ones_own_goes_on(under_dvc, deaf):
    environment = os.environ | {"PYTHONPATH": "src"} | ({"DVC_STAGE": "train"} if under_dvc else {})
    environment |= {"DEAF": "to signals"} if deaf else {}
    dvc = subprocess.Popen([sys.executable, "-c", DVC, STAGE], env=environment, stdout=subprocess.PIPE, text=True)
    stage = int(dvc.stdout.readline())
    dvc.kill()
    dvc.wait()
    try:
        assert gone(stage, 20 if under_dvc else 1.5) == under_dvc
        if under_dvc:
            assert dvc.stdout.readline() == "stopped\n"
    finally:
        if not under_dvc:
            os.kill(stage, signal.SIGKILL)
        dvc.stdout.close()


LATE = """
import os, signal, subprocess, sys, time
if sys.argv[1:] != ["stage"]:
    print(subprocess.Popen([sys.executable, __file__, "stage"]).pid, flush=True)
    sys.exit()
from calse.runtime.lifeline import end_with_dvc
dvc = int(os.environ["DVC"])
while os.getppid() == dvc:
    time.sleep(0.01)
end_with_dvc()
time.sleep(60)
"""
AS_DVC = "import os, sys; os.environ['DVC'] = str(os.getpid()); os.execv(sys.executable, [sys.executable, sys.argv[1]])"


@needs_proc
def test_a_stage_whose_dvc_went_before_it_could_look_stops_whoever_has_adopted_it(tmp_path):
    (tmp_path / "late.py").write_text(LATE)
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve()), "DVC_STAGE": "train"}
    command = [sys.executable, "-c", AS_DVC, str(tmp_path / "late.py")]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    stage = int(done.stdout)
    try:
        assert gone(stage)
    finally:
        if Path(f"/proc/{stage}").exists():
            os.kill(stage, signal.SIGKILL)


@needs_proc
def test_a_worker_ends_when_its_parent_is_killed(tmp_path):
    (tmp_path / "pool.py").write_text(POOL)
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve()), "CALSE_WORKERS": "2"}
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "pool.py")], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        worker = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        assert gone(worker)


INTERRUPTED = """
import os, signal, sys, time
from calse.runtime import executor as parallel
def work(number):
    open(f"begun-{number}", "w").close()
    time.sleep(3)
    open(f"done-{number}", "w").close()
class Pool(parallel.ProcessPoolExecutor):
    def submit(self, *call):
        future = super().submit(*call)
        if call[1] == 50:
            while not os.path.exists("begun-0"):
                time.sleep(0.01)
            raise KeyboardInterrupt
        return future
parallel.ProcessPoolExecutor = Pool
if __name__ == "__main__":
    parallel.map_parallel(work, range(100), "work")
"""


def test_a_stop_waits_neither_for_what_was_handed_out_nor_for_what_has_begun(tmp_path):
    (tmp_path / "pool.py").write_text(INTERRUPTED)
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve()), "CALSE_WORKERS": "2"}
    done = subprocess.run([sys.executable, "pool.py"], cwd=tmp_path, env=environment, capture_output=True)
    assert b"KeyboardInterrupt" in done.stderr
    assert (tmp_path / "begun-0").exists()
    assert not list(tmp_path.glob("done-*"))


def test_a_worker_that_is_killed_is_reported_in_one_line(monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "2")
    with pytest.raises(CalseError, match="decode: a process was killed; out of memory?"):
        map_parallel(signal.raise_signal, [signal.SIGKILL] * 2, "decode")


HOLDER = """
import sys, time
from pathlib import Path
from calse.runtime.locks import locked
with locked(Path(sys.argv[1]), 0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_has_one_holder_and_a_killed_one_lets_go(tmp_path):
    path, told = tmp_path / "folder/lock", []
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": "src"}, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TimeoutError, match=str(path)), locked(path, 0.3, lambda: told.append("waiting")):
            pass
        assert told == ["waiting"]
        other.kill()
        with locked(path, 20), pytest.raises(TimeoutError), locked(path, 0):
            pass
    assert not path.exists()


@pytest.mark.parametrize(("text", "torn"), [("", True), ('{"a": [', True), ("{}", False), (None, False)])
def test_only_a_torn_lock_is_removed(tmp_path, text, torn):
    path = tmp_path / ".dvc/tmp/rwlock"
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_text(text)
    assert bool(unlock(tmp_path)) == torn
    assert path.exists() == (text == "{}")


LOCK = """schema: '2.0'
stages:
  one:
    cmd: make one
    outs:
    - path: one
      hash: md5
      md5: 0ce9ed59dae06a7f9ee56e150bd61996
      size: 6942
  two:
    cmd: make two
"""


@pytest.mark.parametrize("end", [end for end in range(1, len(LOCK)) if LOCK[end - 1] != "\n"][::6])
def test_a_torn_record_of_stages_is_cut_to_the_whole_ones(tmp_path, end, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    path = tmp_path / "dvc.lock"
    path.write_text(LOCK[:end])
    unlock(tmp_path)
    whole = LOCK[: LOCK.index("  two")] if end > LOCK.index("  two") else ""
    assert (path.read_text() if path.exists() else "") == whole


def test_a_whole_record_of_stages_is_left_alone(tmp_path):
    (tmp_path / "dvc.lock").write_text(LOCK)
    assert unlock(tmp_path) == []
    assert (tmp_path / "dvc.lock").read_text() == LOCK
