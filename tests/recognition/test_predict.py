"""`calse predict` answers as evaluation does, for any video, and names what it cannot read."""

import json
import os
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.evaluation.evaluate import predict_run
from calse.recognition.input.frames import shrink
from calse.recognition.predict import predict_videos
from calse.recognition.settings import Input
from calse.recognition.training.fit import fit
from calse.recognition.training.jobs import jobs_of
from calse.recognition.view import chosen_frames
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from faces import fetched_models
from film import coded, patches, write_film
from toys import make_repository, toy_input, toy_params
from videos import moving, remux, write_bad_files, write_clip

CHECKPOINT = Path("models/SACU/seed-1.safetensors")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    make_repository(root, takes=1)
    return root


@pytest.fixture(autouse=True)
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DVC_ROOT", str(repository))
    monkeypatch.setenv("CALSE_WORKERS", "1")
    if not CHECKPOINT.exists():
        split = read_split(Layout().split("Baseline"))
        job = jobs_of(toy_params(epochs=1), Layout(), split, "i3d", "Baseline", Path("models"), Path("curves"))[0]
        fit(job, lambda *_: None)


def command(*arguments: object) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    words = ["calse", "predict", str(CHECKPOINT), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


def test_a_test_clip_gets_the_row_that_evaluation_gave_it():
    split, layout = read_split(Layout().split("Baseline")), Layout()
    job = jobs_of(toy_params(), layout, split, "i3d", "Baseline", Path("models"), Path("curves"))[0]
    clips = split.test("SACU")
    _, rows, _ = predict_run(job.run, split, {"filmed": clips}, layout, CHECKPOINT)
    predictions = predict_videos(CHECKPOINT, [Path(clip.path) for clip in clips], 60)
    for row, prediction in zip(rows, predictions, strict=True):
        assert [gloss for gloss, _ in prediction.glosses] == [row[f"gloss_{place}"] for place in (1, 2, 3)]
        expected = [float(row[f"probability_{place}"]) for place in (1, 2, 3)]
        assert [probability for _, probability in prediction.glosses] == pytest.approx(expected, abs=2e-6)


def test_a_videos_name_is_one_line_above_its_table_however_long_it_is_and_whatever_is_in_it(tmp_path: Path):
    good = write_clip(tmp_path / f"{'long ' * 20}.mp4")
    bad = tmp_path / "two\nlines.mp4"
    bad.touch()
    done = command(good, bad)
    assert str(good) in done.stdout.splitlines()
    assert f"refused  {tmp_path}/two\\nlines.mp4: " in done.stderr


def test_json_is_all_of_stdout_one_bad_file_stops_no_other_and_a_doubtful_film_is_said_beside_its_answer(
    tmp_path: Path,
):
    good, gif = write_clip(tmp_path / "good.mp4"), tmp_path / "few [b].gif"
    write_gif(gif, moving(frames=2))
    (tmp_path / "bad").mkdir()
    bad = [tmp_path / "bad" / name for name in write_bad_files(tmp_path / "bad", good)] + [tmp_path / "missing.mp4"]
    doubtful = write_film(tmp_path / "film.mkv", [coded(patches())] * 4, colorspace=8)
    done = command(good, *bad, gif, doubtful, "--json")
    assert done.returncode == 1
    predictions = {Path(one["video"]).name: one for one in json.loads(done.stdout)}
    assert [len(predictions[name]["glosses"]) for name in ("good.mp4", "few [b].gif", "film.mkv")] == [3, 3, 3]
    for path in bad:
        assert "glosses" not in predictions[path.name]
        assert sum(f"refused  {path}: " in line for line in done.stderr.splitlines()) == 1
    assert f"{len(bad)} of {len(bad) + 3} videos could not be read" in done.stderr
    words = f"doubtful {doubtful}: its colour matrix (number 8 of H.273) is not known here"
    assert done.stderr.splitlines().count(words) == 1


def test_the_table_shows_names_as_they_are(tmp_path: Path):
    done = command(write_clip(tmp_path / "[bold]x.mp4"))
    assert (done.returncode, "[bold]x.mp4" in done.stdout.replace("\n", "")) == (0, True)
    assert "AÑO" in done.stdout


def test_predict_says_what_else_it_has_written_beside_json_too(tmp_path: Path):
    pytest.importorskip("pympi", reason='needs the extra "annotations"')
    Layout().landmark_models().symlink_to(fetched_models())
    preset = Path(__file__).parents[2] / "presets/synthetic.yaml"
    Path("params.yaml").write_text(preset.read_text(encoding="utf-8"), encoding="utf-8")
    clip, look = write_clip(tmp_path / "clip.mp4"), tmp_path / "look"
    done = command(clip, "--preview", look, "--elan", look, "--json")
    assert len(json.loads(done.stdout)) == 1
    written = [line.partition(": ")[0] for line in done.stderr.splitlines()]
    assert [f"{look}/clip.mp4", f"{look}/clip.eaf"] == [name for name in written if Path(name).is_file()]


def write_gif(path: Path, frames: np.ndarray) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb8"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="rgb8")))
        container.mux(stream.encode(None))


def looked_at(video: Path, shown: Input) -> np.ndarray:
    return chosen_frames(video, 25, 48, shown)[0]


@pytest.mark.parametrize("sampling", ["uniform", "consecutive"])
@pytest.mark.parametrize("count", [1, 5, 9, 60])
def test_any_length_gives_the_frames_that_the_network_wants(count: int, sampling: str, tmp_path: Path):
    shown = toy_input(sampling=sampling)
    video = write_clip(tmp_path / "clip.mp4", frames=count)
    uniform = [int((place + 0.5) * count / 9) for place in range(9)]
    start = max(0, count - 9) // 2
    consecutive = [min(start + place, count - 1) for place in range(9)]
    chosen = {"uniform": uniform, "consecutive": consecutive}[sampling]
    np.testing.assert_array_equal(looked_at(video, shown), shrink(read_frames(video), 37)[chosen])


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_any_container_gives_the_same_frames(suffix: str, tmp_path: Path):
    shown, video = toy_input(), write_clip(tmp_path / "clip.mp4")
    other = remux(video, tmp_path / f"clip{suffix}")
    np.testing.assert_array_equal(looked_at(other, shown), looked_at(video, shown))


def test_another_frame_rate_is_brought_to_the_clips_own(tmp_path: Path):
    shown = toy_input()
    twice = write_clip(tmp_path / "fast.mp4", frames=24, fps=50)
    every_other = shrink(read_frames(twice)[::2], 37)
    chosen = [int((place + 0.5) * 12 / 9) for place in range(9)]
    np.testing.assert_array_equal(looked_at(twice, shown), every_other[chosen])


def test_a_rest_counts_for_as_long_as_it_lasts(tmp_path: Path):
    shown, video = toy_input(), tmp_path / "rest.mp4"
    times = [0, 0.04, 0.08, 0.12, 0.16, 1.16, 1.2, 1.24, 1.28, 1.32, 1.36]
    write_video(video, moving(10), 25, times=times)
    on_screen = [0, 1, 2, 3, *[4] * 25, 5, 6, 7, 8, 9]
    chosen = [on_screen[int((place + 0.5) * 34 / 9)] for place in range(9)]
    np.testing.assert_array_equal(looked_at(video, shown), shrink(read_frames(video), 37)[chosen])
