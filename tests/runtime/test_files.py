"""Whatever happens while a file or folder is replaced, its old or its new version stands whole."""

import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from calse.runtime.dvc_repair import unlock
from calse.runtime.files import atomic_file, atomic_folder, temporary_folder

CODE = os.environ | {"PYTHONPATH": str(Path("src").resolve())}
OLD, NEW = {"clip.mp4": "old", "index.csv": "old"}, {"clip.mp4": "new"}


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def replace(folder, files=NEW):
    with atomic_folder(folder) as aside:
        write(aside, files)


def content(folder):
    return {file.name: file.read_text() for file in folder.iterdir()}


def failing_at(step, fail):
    """A tracer that calls `fail` at one line, of ours or of the standard library, after the first `step` of them."""
    steps = count()

    def trace(frame, event, argument):
        if event == "line" and next(steps) == step:
            sys.settrace(None)
            fail()
        return trace

    return trace


def interrupt():
    raise KeyboardInterrupt


def test_an_exception_at_any_line_leaves_the_old_or_the_new_folder_whole(tmp_path):
    folder, seen = tmp_path / "here/set", []
    for step in count():
        shutil.rmtree(tmp_path / "here", ignore_errors=True)
        write(folder, OLD)
        sys.settrace(failing_at(step, interrupt))
        try:
            replace(folder)
            done = True
        except (KeyboardInterrupt, OSError):  # shutil closes a file twice when it is interrupted there
            done = False
        finally:
            sys.settrace(None)
        seen.append(content(folder))
        assert seen[-1] in (OLD, NEW), step
        replace(folder, {"next": ""})
        assert [path.name for path in folder.parent.rglob("*")] == ["set", "next"], step
        if done:
            break
    assert seen.index(NEW) > 100
    assert seen == sorted(seen, key=[OLD, NEW].index), "first always the old one, then always the new one"


def kill_at_every_line(root):
    """Replace a folder in processes that are killed, each a line later, and each time call once more and fail."""
    moments = 0
    for step in count():
        folder = root / str(step) / "set"
        write(folder, OLD)
        child = os.fork()
        if child == 0:
            sys.settrace(failing_at(step, lambda: os.kill(os.getpid(), signal.SIGKILL)))
            replace(folder)
            os._exit(0)
        killed = os.waitpid(child, 0)[1] == signal.SIGKILL
        moments += not folder.exists()
        try:
            with atomic_folder(folder):
                raise RuntimeError
        except RuntimeError:
            assert content(folder) in (OLD, NEW), step
        assert [path.name for path in folder.parent.iterdir()] == ["set"], step
        if not killed:
            break
    assert step > 100
    assert moments > 0, "in which neither version stands"


def test_a_kill_at_any_line_leaves_the_old_or_the_new_folder_for_the_next_call(tmp_path):
    """In a process without threads, for it forks."""
    command = "from test_files import *; kill_at_every_line(Path(sys.argv[1]))"
    paths = os.pathsep.join([CODE["PYTHONPATH"], str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", command, tmp_path], env=CODE | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


LEAVE = """
import os, sys
from pathlib import Path
from calse.runtime import files
target = Path(sys.argv[2])
replace = os.replace
def killed(source, place):
    if Path(place) == target:
        os._exit(9)
    replace(source, place)
os.replace = killed
with getattr(files, sys.argv[1])(target) as aside:
    (aside / "half").touch() if aside.is_dir() else aside.touch()
    if sys.argv[1] == "temporary_folder":
        os._exit(9)
"""
ELSEWHERE = ("unshare", "--pid", "--fork", "--mount-proc")


def can_go_elsewhere():
    try:
        return subprocess.run([*ELSEWHERE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


elsewhere = pytest.mark.skipif(not can_go_elsewhere(), reason="no process namespace of one's own can be had here")


def leave(target, kind, *where):
    """Have a process end as if killed in the last step before `target` is replaced; return what it leaves there."""
    before = set(target.parent.iterdir())
    done = subprocess.run([*where, sys.executable, "-c", LEAVE, kind, str(target)], env=CODE, capture_output=True)
    assert done.returncode == 9, done.stderr
    return set(target.parent.iterdir()) - before


def test_what_killed_processes_left_is_swept_once_and_what_a_living_one_writes_is_not(tmp_path):
    leave(tmp_path / "set", "atomic_folder")
    leave(tmp_path / "other.mp4", "atomic_file")
    with atomic_folder(tmp_path / "living") as living:
        with atomic_file(tmp_path / "clip.mp4") as path:
            path.touch()
        replace(tmp_path / "set")
        assert {path.name for path in tmp_path.iterdir()} == {"set", "clip.mp4", living.name}


def test_a_folder_is_listed_once_for_all_the_files_written_there(tmp_path):
    code = """
import sys
from pathlib import Path
from calse.runtime.files import atomic_file
folder, listed = Path(sys.argv[1]), []
def hook(event, arguments):
    if event in ("os.listdir", "os.scandir") and str(arguments[0]) == str(folder):
        listed.append(event)
sys.addaudithook(hook)
for number in range(9):
    with atomic_file(folder / f"{number}.npy") as path:
        path.touch()
print(len(listed), len(list(folder.iterdir())), len(listed))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=CODE, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "9", "2"], done.stderr


@elsewhere
def test_what_a_process_of_another_host_writes_is_left_to_it(tmp_path):
    """A process namespace of its own stands for the host; there the process has the id 1, which is dead or another."""
    left = leave(tmp_path / "clip.mp4", "atomic_file", *ELSEWHERE)
    with atomic_file(tmp_path / "clip.mp4") as path:
        path.touch()
    assert set(tmp_path.iterdir()) == {tmp_path / "clip.mp4", *left}


TOGETHER = """
import sys, time
from pathlib import Path
from calse.runtime.files import atomic_folder, atomic_file
here, name = Path(sys.argv[1]), sys.argv[2]
(here / name).touch()
while len(list(here.glob("host-*"))) < 2:
    time.sleep(0.01)
for _ in range(300):
    with atomic_file(here / "clip.npy") as path:
        path.write_text(name * 1000)
    assert len((here / "clip.npy").read_text()) == 6000
    with atomic_folder(here / "set") as folder:
        (folder / "one").write_text(name)
        (folder / "two").write_text(name)
"""


@elsewhere
@pytest.mark.parametrize("before", [":", "true & wait"], ids=["equal ids", "other ids"])
def test_two_hosts_that_write_one_target_both_end_well(tmp_path, before):
    shells = [("sh", "-c", f'{first}; "$@"; exit $?', "-") for first in (":", before)]
    commands = [[*ELSEWHERE, *shell, sys.executable] for shell in shells]
    hosts = [
        subprocess.Popen(
            [*command, "-c", TOGETHER, str(tmp_path), f"host-{number}"], env=CODE, stderr=subprocess.PIPE, text=True
        )
        for number, command in enumerate(commands)
    ]
    for host in hosts:
        errors = host.communicate()[1]
        assert host.returncode == 0, errors
    assert len(set(content(tmp_path / "set").values())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"host-0", "host-1", "clip.npy", "set"}


def test_unlock_puts_back_a_source_that_a_killed_import_had_moved_aside(tmp_path):
    source = tmp_path / "data/raw/mine/SACU"
    write(source, OLD)
    leave(source, "atomic_folder")
    assert not source.exists()
    assert unlock(tmp_path) == [f"put back what a killed import had moved aside in {source.parent}"]
    assert content(source) == OLD
    assert unlock(tmp_path) == []


def test_a_temporary_folder_is_private_gone_afterwards_and_after_a_kill_at_the_next_start(tmp_path):
    (left,) = leave(tmp_path / "foreign", "temporary_folder")
    with pytest.raises(RuntimeError), temporary_folder(tmp_path / "foreign") as folder:
        assert not left.exists()
        assert folder.stat().st_mode & 0o077 == 0
        (folder / "somebody.mp4").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_version_and_nothing_else(tmp_path):
    write(tmp_path / "set", OLD)
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "set") as aside:
        (aside / "half").touch()
        raise RuntimeError
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as aside:
        aside.write_text("half")
        raise RuntimeError
    assert content(tmp_path / "set") == OLD
    assert (tmp_path / "a.txt").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"set", "a.txt"}


@pytest.mark.parametrize("stem", ["x" * 251, "手" * 83])
def test_the_longest_file_name_can_be_written_aside(tmp_path, stem):
    with atomic_file(tmp_path / f"{stem}.mp4") as path:
        path.touch()
    assert (tmp_path / f"{stem}.mp4").exists()
