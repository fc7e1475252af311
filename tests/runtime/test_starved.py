import ctypes
import errno
import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file

from calse.corpus.importing import import_folder
from calse.data.paths import Layout
from calse.runtime.errors import StarvedError, lacks_memory
from calse.runtime.files import atomic_file, atomic_folder
from calse.video.marks.mark import Marker, Origin
from calse.video.marks.signing_key import signing_key
from calse.video.ours.encode import write_video
from calse.video.ours.planes import Planes
from calse.video.ours.raw import write_raw
from torture.garbage import workspace_of_good_videos
from videos import write_clip


def small_files_only(limit=5_000):
    """What a quota or a full disk does, for a child process: no file grows beyond the limit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_stage_that_runs_out_of_disk_says_so_leaves_nothing_and_drops_no_clip(tmp_path):
    root = workspace_of_good_videos(tmp_path)
    command = [sys.executable, "-m", "calse", "ingest", "RAW"]
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve()), "CALSE_WORKERS": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # Python cuts it off at the limit, and reads it the next time
    starved = {"cwd": root, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(command, preexec_fn=small_files_only, **starved)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "the limit of a file's size is reached" in done.stderr
    assert "MB are free" in done.stderr
    assert not [path for path in root.rglob("*") if path.suffix == ".mp4" and "raw" not in path.parts]
    assert not list(root.rglob(".*.part*"))
    assert subprocess.run(command, **starved).returncode == 0


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "the disk is full .*MB are free"),
        (errno.EDQUOT, "the disk quota is used up .*MB are free"),
        (errno.EROFS, "the file system is read-only; allow it"),
        (errno.EACCES, "permission denied; allow it"),
    ],
)
def test_what_the_system_refuses_names_the_file_and_what_is_lacking(tmp_path, code, says):
    for aside, name in ((atomic_file, "a.csv"), (atomic_folder, "set")):
        with pytest.raises(StarvedError, match=rf"{name}: {says}"), aside(tmp_path / name):
            raise OSError(code, os.strerror(code))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A video to be signed, larger than files may be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # as above
    write_video(tmp_path / "plain.mp4", np.random.default_rng(1).integers(0, 256, (4, 64, 64, 3), np.uint8), 25)
    return tmp_path / "plain.mp4"


def save_tensors(path):
    with atomic_file(path) as aside:
        save_file({"weights": np.zeros(9_000, np.float32)}, aside)


def save_frames(path):
    frame = np.zeros((64, 96), np.uint8)
    write_raw(path, [Planes(frame, frame[::2, ::2], frame[::2, ::2])])


def save_mark(path):
    if importlib.util.find_spec("c2pa") is None:
        pytest.skip('needs the extra "publish"')
    marker = Marker(signing_key(None))
    marker.mark(Path("plain.mp4"), path, Origin({"by": "affine"}, "b.mp4", "A", "5" * 64))


@pytest.mark.parametrize("save", [save_tensors, save_frames, save_mark])
def test_whoever_writes_says_that_the_disk_is_full_in_one_line(plain, save):
    """Libraries that are not written in Python raise errors of their own, or hide the cause."""
    before, most = set(plain.parent.rglob("*")), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, most[1]))
    try:
        with pytest.raises(StarvedError, match=r"made: the limit of a file's size is reached .*MB are free"):
            save(plain.parent / "made")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert {path for path in plain.parent.rglob("*") if ".scratch" not in path.parts} == before


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), atomic_file(tmp_path / "a"):
        raise IsADirectoryError(errno.EISDIR, "x")


def like_anybody():
    """Let a child process of root go without the rights to write and read everything; others never had them."""
    for right in (1, 2, 3):
        ctypes.CDLL(None).prctl(24, right, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="root goes without its rights on Linux only")
@pytest.mark.parametrize(
    ("closed", "mode", "says"),
    [
        ("data/clips", 0o500, "error: data/clips/RAW: permission denied; allow it, then run the same command again"),
        ("data/raw/garbage/RAW/0.mp4", 0, "error: data/raw/garbage/RAW/0.mp4: permission denied"),
        ("params.yaml", 0, "error: params.yaml: permission denied"),
        (".scratch", 0o500, "error: {root}/.scratch/finished: permission denied; allow it"),
    ],
)
def test_what_may_not_be_read_or_written_is_named_in_one_line(tmp_path, closed, mode, says):
    root = workspace_of_good_videos(tmp_path)
    for folder in ("data/clips", ".scratch"):
        (root / folder).mkdir()
    (root / closed).chmod(mode)
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve()), "DVC_ROOT": str(root)}
    command = [sys.executable, "-m", "calse", "ingest", "RAW"]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, preexec_fn=like_anybody, check=False
    )
    (root / closed).chmod(0o700)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(says.format(root=root))
    assert "Traceback" not in done.stderr
    assert not list((root / "data/clips").iterdir())


@pytest.mark.parametrize(
    ("error", "lacking"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 616562688 bytes"), True),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), True),
        (cv2.error("OpenCV: error: (-4:Insufficient memory) Failed to allocate 1200000000 bytes"), True),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_every_librarys_word_for_too_little_memory_is_understood(error, lacking):
    assert lacks_memory(error) == lacking


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_video_that_may_not_be_read_is_refused_by_name(tmp_path):
    write_clip(tmp_path / "in/GOOD.mp4")
    write_clip(tmp_path / "in/SHUT.mp4", 1).chmod(0)
    report = import_folder(tmp_path / "in", Layout(tmp_path / "repository"), "mine", "SACU")
    assert "ermission" in next(offer.refusal for offer in report.offers if offer.name == "SHUT.mp4")
