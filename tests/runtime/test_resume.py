"""What a killed stage had finished is not made again, and changes no byte."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from calse.augment.stage import augment
from calse.config.params import read_params
from calse.data.clips import Clip
from calse.data.manifests import read_manifest, write_manifest
from calse.data.paths import Layout
from calse.runtime import memo as resume
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file, atomic_folder, sha256_of
from calse.runtime.memo import resumable
from videos import write_clip

PARAMS = read_params(Path(__file__).parents[2] / "presets/synthetic.yaml")
ALL = replace(PARAMS, augment={"AF1": replace(PARAMS.augment["AF1"], clips_per_gloss=None)})
STAGE = """
import os, signal, sys
from dataclasses import dataclass
from pathlib import Path
from calse.runtime.files import atomic_folder
from calse.runtime.executor import map_parallel
from calse.runtime.memo import resumable

@dataclass(frozen=True)
class Job:
    number: int
    folder: Path

def make(job: Job) -> tuple[int, float]:
    if job.number == 3 and sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    with open("made.txt", "a") as log:
        print(job.number, file=log)
    (job.folder / f"{job.number}.mp4").write_text(f"frames of {job.number}")
    return job.number, float("nan") if job.number == 1 else job.number / 3

if __name__ == "__main__":
    with resumable(make, "stage") as make_or_take:
        with atomic_folder(Path("set")) as folder:
            results = map_parallel(make_or_take, [Job(number, folder) for number in range(6)], "make")
        print(results)
"""


@dataclass(frozen=True)
class Job:
    parent: str
    folder: Path


calls: list[str] = []


def shout(job: Job) -> str:
    calls.append(job.parent)
    (job.folder / job.parent).write_text(job.parent.upper())
    return job.parent


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CALSE_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
    calls.clear()


def test_after_a_kill_what_was_finished_is_taken_and_nothing_is_left(tmp_path):
    source = Path(resume.__file__).parents[2]
    Path("stage.py").write_text(STAGE)
    environment = os.environ | {"PYTHONPATH": str(source)}
    killed = subprocess.run([sys.executable, "stage.py", "killed"], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert Path("made.txt").read_text().split() == ["0", "1", "2"]
    again = subprocess.run([sys.executable, "stage.py", "again"], env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert Path("made.txt").read_text().split() == ["0", "1", "2", "3", "4", "5"]
    results = [(number, "nan" if number == 1 else number / 3) for number in range(6)]
    assert again.stdout.strip() == str(results).replace("'nan'", "nan")
    files = {path.name: path.read_text() for path in Path("set").iterdir()}
    assert files == {f"{number}.mp4": f"frames of {number}" for number in range(6)}
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file() and "set" not in path.parts) == [
        "made.txt",
        "stage.py",
    ]


def unfinished(jobs, name="stage"):
    """Make everything and break off before the stage ends."""
    with pytest.raises(KeyboardInterrupt), resumable(shout, name) as make:
        for job in jobs:
            job.folder.mkdir(exist_ok=True)
            make(job)
        raise KeyboardInterrupt


def test_another_input_or_other_code_is_made_anew(monkeypatch):
    unfinished([Job("one", Path("a"))])
    unfinished([Job("one", Path("b")), Job("two", Path("b"))])
    assert calls == ["one", "two"], "only the folder differed"
    assert Path("b/one").read_text() == "ONE"
    monkeypatch.setattr(resume, "code", lambda: "changed")
    unfinished([Job("one", Path("c"))])
    assert calls == ["one", "two", "one"]


def test_what_is_no_longer_as_it_was_made_is_made_anew():
    unfinished([Job("one", Path("a"))])
    (kept,) = Path(".scratch/finished/stage").rglob("one")
    kept.unlink()
    kept.touch()
    unfinished([Job("one", Path("b"))])
    (record,) = Path(".scratch/finished/stage").rglob("record.json")
    record.write_text("")
    unfinished([Job("one", Path("c"))])
    assert calls == ["one"] * 3
    assert Path("b/one").read_text() == Path("c/one").read_text() == "ONE"


def test_the_same_stage_at_the_same_time_goes_without():
    Path("a").mkdir()
    with resumable(shout, "stage") as first, resumable(shout, "stage") as second:
        assert second is shout
        assert first(Job("one", Path("a"))) == "one"
    assert not Path(".scratch/finished/stage").exists()


def test_a_file_system_without_hard_links_gets_copies(monkeypatch):
    def refuse(*_):
        raise OSError("cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    unfinished([Job("one", Path("a"))])
    assert Path("a/one").read_text() == "ONE"


def test_a_set_that_broke_off_goes_on_from_its_finished_clips_with_equal_bytes(tmp_path):
    layout, names = Layout(), ["INTERPRETER-NO-1", "INTERPRETER-NO-2", "INTERPRETER-NO-3"]
    for number, name in enumerate(names):
        write_clip(layout.clips("INTERPRETER") / f"{name}.mp4", number)
    paths = {name: layout.clips("INTERPRETER") / f"{name}.mp4" for name in names}
    clips = [
        Clip(name, "NO", "INTERPRETER", "ana", take, "", "", str(path), sha256_of(path), name, 64, 48, 25.0, 12, "{}")
        for take, (name, path) in enumerate(paths.items(), start=1)
    ]
    write_manifest(layout.source_manifest("INTERPRETER"), clips)
    augment(ALL, layout, "AF1")
    undisturbed = {path.name: path.read_bytes() for path in layout.augmented("AF1").iterdir()}
    manifest = layout.set_manifest("AF1").read_bytes()
    shutil.rmtree(layout.augmented("AF1"))
    sound = paths[names[2]].read_bytes()
    paths[names[2]].write_bytes(b"damaged")
    with pytest.raises(CalseError, match=names[2]):
        augment(ALL, layout, "AF1")
    assert not layout.augmented("AF1").exists()
    kept = {path.stat().st_ino for path in Path(".scratch/finished").rglob("*.mp4")}
    assert len(kept) == 2
    paths[names[2]].write_bytes(sound)
    augment(ALL, layout, "AF1")
    assert {path.name: path.read_bytes() for path in layout.augmented("AF1").iterdir()} == undisturbed
    assert layout.set_manifest("AF1").read_bytes() == manifest
    assert kept < {path.stat().st_ino for path in layout.augmented("AF1").iterdir()}
    assert not list(Path(".scratch/finished").rglob("*.mp4"))
    assert len(read_manifest(layout.set_manifest("AF1"))) == 3


def fail(job: Job) -> str:
    with atomic_file(job.folder / f"{job.parent}.mp4") as aside:
        raise CalseError(f"{aside}: a frame must be uint8")


def test_an_error_names_what_a_file_was_to_become_and_no_temporary_folder():
    with pytest.raises(CalseError) as caught, resumable(fail, "stage") as run, atomic_folder(Path("set")) as folder:
        run(Job("a", folder))
    assert str(caught.value) == "set/a.mp4: a frame must be uint8"
