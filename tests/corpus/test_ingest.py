import json
import os

import numpy as np
import pytest

from calse.corpus.importing import import_folder
from calse.corpus.ingest import ingest
from calse.corpus.raw import RawVideo, write_index
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from calse.video.untrusted.decode import probe
from film import coded, corners, set_matrix, write_film
from videos import moving, patched, remux, small_params, write_bad_files, write_clip


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "repository"))
    return Layout(tmp_path / "repository")


def lay_raw(layout, files):
    """Put files into the raw data as they are, without import's look at them: gloss -> path."""
    folder = layout.raw("mine") / "SACU"
    folder.mkdir(parents=True, exist_ok=True)
    videos = []
    for gloss, path in files.items():
        name = f"{gloss}{path.suffix}"
        (folder / name).write_bytes(path.read_bytes())
        videos.append(RawVideo(name, gloss, "Ana", 1, sha256_of(path)))
    write_index(folder, videos)
    return folder


def test_clips_come_to_one_rate_and_size_and_keep_their_length_and_aspect(tmp_path, layout):
    write_clip(tmp_path / "in/AÑO.mp4", frames=20, fps=50, height=96, width=128)
    write_clip(tmp_path / "in/NO.mp4", 1, frames=8, fps=12.5, height=24, width=16)
    import_folder(tmp_path / "in", layout, "mine", "SACU")
    ingest(small_params(), layout, "SACU")
    wide, tall = read_manifest(layout.source_manifest("SACU"))
    assert (wide.gloss, wide.width, wide.height, wide.fps, wide.frames) == ("AÑO", 42, 32, 25, 10)
    assert (tall.gloss, tall.width, tall.height, tall.fps, tall.frames) == ("NO", 32, 48, 25, 16)
    raw = {key: wide.details[key] for key in ("raw_width", "raw_height", "raw_fps", "raw_frames")}
    assert raw == {"raw_width": 128, "raw_height": 96, "raw_fps": 50, "raw_frames": 20}
    for clip in (wide, tall):
        assert sha256_of(layout.root / clip.path) == clip.sha256
        assert probe(layout.root / clip.path).frames == clip.frames == len(read_frames(layout.root / clip.path))
        assert (clip.set, clip.parent) == ("", "")
    summary = json.loads((layout.metrics("ingest") / "SACU.json").read_text())
    assert summary == {"source": "SACU", "clips": 2, "frames": 26, "seconds": 1.04, "dropped": []}


def test_a_clip_that_fits_already_shows_the_same_pictures(tmp_path, layout):
    frames = moving(10, 32, 48)
    write_video(tmp_path / "in/HOLA.mp4", frames, 25)
    import_folder(tmp_path / "in", layout, "mine", "SACU")
    ingest(small_params(), layout, "SACU")
    made = read_frames(layout.clips("SACU") / "SACU-HOLA-1.mp4")
    error = np.abs(made.astype(int)[:, None] - frames.astype(int)[None]).mean((2, 3, 4))
    assert (error.argmin(1) == np.arange(10)).all()


def test_a_clip_that_may_not_look_as_filmed_says_why_in_the_manifest(tmp_path, layout):
    tilted = write_film(tmp_path / "TILTED.mp4", [coded(corners(48, 64))] * 3)
    lay_raw(layout, {"TILTED": set_matrix(tilted, 0.8, 0.6, -0.6, 0.8), "GOOD": write_clip(tmp_path / "GOOD.mp4")})
    ingest(small_params(), layout, "SACU")
    good, tilted = read_manifest(layout.source_manifest("SACU"))
    assert "doubts" not in good.details
    [doubt] = tilted.details["doubts"]
    assert "tilts" in doubt


def test_content_tells_the_same_recording_in_another_container(tmp_path, layout):
    first = write_clip(tmp_path / "A.mp4")
    other = write_clip(tmp_path / "C.mp4", 1)
    lay_raw(layout, {"A": first, "B": remux(first, tmp_path / "B.mkv"), "C": other})
    ingest(small_params(), layout, "SACU")
    a, b, c = read_manifest(layout.source_manifest("SACU"))
    assert a.content == b.content != c.content


def test_workers_and_repetition_change_no_byte(tmp_path, layout, monkeypatch, cold):
    for seed in range(3):
        write_clip(tmp_path / f"in/G{seed}.mp4", seed)
    import_folder(tmp_path / "in", layout, "mine", "SACU")
    outputs = []
    for workers in ("1", "2"):
        monkeypatch.setenv("CALSE_WORKERS", workers)
        ingest(small_params(), layout, "SACU")
        outputs.append((layout.source_manifest("SACU").read_bytes(), sorted(os.listdir(layout.clips("SACU")))))
    assert outputs[0] == outputs[1]


BAD = ["AUDIO", "CUT", "EMPTY", "FLIPPED", "HALF", "LATE", "OVER", "TEXT"]


@pytest.fixture
def bad_raw(tmp_path, layout):
    """Lay one good raw video and one of each kind of damage."""
    good = write_clip(tmp_path / "GOOD.mp4", frames=16)
    (tmp_path / "bad").mkdir()
    write_bad_files(tmp_path / "bad", good)
    lay_raw(layout, {"GOOD": good} | {path.stem: path for path in (tmp_path / "bad").iterdir()})


@pytest.mark.usefixtures("bad_raw")
def test_bad_clips_stop_the_stage_all_named_in_one_line_and_leave_nothing(layout):
    with pytest.raises(
        CalseError, match=r"^source SACU, gloss AUDIO, clip SACU-AUDIO-1: .*AUDIO\.mp4: .*7 more"
    ) as error:
        ingest(small_params(), layout, "SACU")
    assert "\n" not in str(error.value)
    assert all(f"SACU-{gloss}-1" in str(error.value) for gloss in BAD)
    assert not any(layout.clips("SACU").parent.iterdir())
    assert not layout.source_manifest("SACU").exists()


@pytest.mark.usefixtures("bad_raw")
def test_bad_clips_are_left_out_by_name_when_the_params_say_drop(layout, capsys):
    ingest(small_params(on_bad_clip="drop"), layout, "SACU")
    assert [clip.gloss for clip in read_manifest(layout.source_manifest("SACU"))] == ["GOOD"]
    assert os.listdir(layout.clips("SACU")) == ["SACU-GOOD-1.mp4"]
    dropped = json.loads((layout.metrics("ingest") / "SACU.json").read_text())["dropped"]
    assert [(entry["clip"], entry["gloss"]) for entry in dropped] == [(f"SACU-{gloss}-1", gloss) for gloss in BAD]
    shown = capsys.readouterr().err
    assert all(f"left out: source SACU, gloss {gloss}, clip SACU-{gloss}-1: " in shown for gloss in BAD)


def test_a_clip_that_takes_too_long_is_cut_off_and_leaves_nothing(tmp_path, layout):
    good = write_clip(tmp_path / "GOOD.mp4")
    endless = patched(good, tmp_path / "LONG.mp4", b"stts", 16, 190_000_000)
    lay_raw(layout, {"GOOD": good, "LONG": endless})
    ingest(small_params(on_bad_clip="drop", seconds_per_clip=2), layout, "SACU")
    assert os.listdir(layout.clips("SACU")) == ["SACU-GOOD-1.mp4"]
    assert "2 s of CPU time" in (layout.metrics("ingest") / "SACU.json").read_text()


def test_when_all_is_bad_nothing_is_made_even_when_dropping(tmp_path, layout):
    bad = tmp_path / "BAD.mp4"
    bad.write_bytes(b"")
    lay_raw(layout, {"BAD": bad})
    with pytest.raises(CalseError, match="no clip is left"):
        ingest(small_params(on_bad_clip="drop"), layout, "SACU")
    assert not layout.clips("SACU").exists()


def test_raw_data_that_changed_or_went_is_noticed(tmp_path, layout):
    folder = lay_raw(layout, {"GOOD": write_clip(tmp_path / "GOOD.mp4")})
    (folder / "GOOD.mp4").write_bytes(write_clip(tmp_path / "OTHER.mp4", 1).read_bytes())
    with pytest.raises(CalseError, match="gloss GOOD, clip SACU-GOOD-1: .* has changed"):
        ingest(small_params(on_bad_clip="drop"), layout, "SACU")
    (folder / "GOOD.mp4").unlink()
    with pytest.raises(CalseError, match="is missing"):
        ingest(small_params(on_bad_clip="drop"), layout, "SACU")


def test_an_empty_or_absent_source_says_what_to_do(layout):
    with pytest.raises(CalseError, match="calse import"):
        ingest(small_params(), layout, "SACU")
    (layout.raw("mine") / "SACU").mkdir(parents=True)
    write_index(layout.raw("mine") / "SACU", [])
    with pytest.raises(CalseError, match="source SACU: .* lists no video"):
        ingest(small_params(), layout, "SACU")
