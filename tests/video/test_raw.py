"""Raw frames that one process writes while another reads them, and copies of foreign films that are made so."""

import os
import threading
import time

import numpy as np
import pytest

from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused
from calse.video.ours.encode import write_video
from calse.video.ours.planes import Planes, rgb_of
from calse.video.ours.raw import iterate_raw, write_raw
from calse.video.ours.read import iterate_frames
from calse.video.untrusted.copy import Copier, Foreign


def noise(count, height=18, width=34):
    rng = np.random.default_rng(0)

    def plane(*shape):
        return rng.integers(16, 236, shape, dtype=np.uint8)

    half = height // 2, width // 2
    return [Planes(plane(height, width), plane(*half), plane(*half)) for _ in range(count)]


def are_equal(one, other):
    return len(one) == len(other) and all(
        np.array_equal(*planes) for frames in zip(one, other, strict=True) for planes in zip(*frames, strict=True)
    )


def test_frames_come_back_as_they_were_and_ffmpeg_reads_them_too(tmp_path):
    frames = noise(3)
    write_raw(tmp_path / "copy", frames)
    assert are_equal(list(iterate_raw(tmp_path / "copy")), frames)
    pictures = list(iterate_frames(tmp_path / "copy"))
    assert np.array_equal(pictures, [rgb_of(planes) for planes in frames])


def test_frames_are_read_while_more_of_them_are_written(tmp_path):
    """The second frame is written when somebody has read the first one: without that both would wait for ever."""
    frames, has_read, is_whole = noise(2), threading.Event(), threading.Event()

    def coming():
        yield frames[0]
        assert has_read.wait(20)
        yield frames[1]

    def write():
        write_raw(tmp_path / "copy", coming())
        is_whole.set()

    writing = threading.Thread(target=write)
    reading = iterate_raw(tmp_path / "copy", lambda: is_whole.wait(0.01))
    writing.start()
    first = next(reading)
    has_read.set()
    assert are_equal([first, *reading], frames)
    writing.join()


def test_a_frame_that_is_changed_or_written_anew_changes_for_nobody_else(tmp_path):
    """A process that reads videos may die and start again while its frames are looked at."""
    frames = noise(2)
    write_raw(tmp_path / "copy", frames)
    changed, kept = next(iterate_raw(tmp_path / "copy")), next(iterate_raw(tmp_path / "copy"))
    changed.luma[:] = 0
    assert are_equal([next(iterate_raw(tmp_path / "copy"))], frames[:1])
    write_raw(tmp_path / "copy", noise(1, 8, 8))
    assert are_equal([kept], frames[:1])
    assert changed.luma.max() == 0


def test_a_frame_that_is_not_whole_is_not_there(tmp_path):
    write_raw(tmp_path / "copy", noise(2))
    (tmp_path / "copy").write_bytes((tmp_path / "copy").read_bytes()[:-1])
    assert len(list(iterate_raw(tmp_path / "copy"))) == 1
    (tmp_path / "copy").write_bytes(b"YUV4MP")
    assert list(iterate_raw(tmp_path / "copy")) == []
    assert list(iterate_raw(tmp_path / "missing")) == []


def test_no_frames_and_frames_that_fail_leave_nothing(tmp_path):
    with pytest.raises(CalseError, match="no frame to write"):
        write_raw(tmp_path / "copy", [])
    with pytest.raises(ZeroDivisionError):
        write_raw(tmp_path / "copy", (1 // 0 for _ in range(1)))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("slow")
def test_a_foreign_film_is_read_while_it_is_copied_and_a_bad_one_is_refused(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    write_video(tmp_path / "film.mp4", pictures, 25)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "film.mp4").read_bytes()[:400])
    with Copier(20) as copier:
        copy = copier.start(Foreign(tmp_path / "film.mp4", tmp_path / "copy"))
        frames = [rgb_of(planes) for planes in copy]
        assert copy.times().seconds == pytest.approx([number / 25 for number in range(7)])
        assert np.array_equal(frames, list(iterate_frames(tmp_path / "film.mp4")))
        bad = copier.start(Foreign(tmp_path / "cut.mp4", tmp_path / "bad"))
        assert list(bad) == []
        assert isinstance(bad.times(), Refused)


def never_done(job):
    job.copy.write_text(str(os.nice(0)))
    time.sleep(60)


@pytest.mark.usefixtures("slow")
def test_a_copy_gives_way_and_ends_with_its_copier_though_nobody_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr("calse.video.untrusted.copy.safe_copy", never_done)
    with Copier(20) as copier:
        copy = copier.start(Foreign(tmp_path / "film.mp4", tmp_path / "copy"))
        end = time.monotonic() + 30
        while not (copy.path.exists() and copy.path.read_text()) and time.monotonic() < end:
            time.sleep(0.05)
        assert int(copy.path.read_text()) > os.nice(0)
    with pytest.raises(CalseError, match="was killed"):
        copy.times()
