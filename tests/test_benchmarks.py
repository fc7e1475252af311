"""The benchmarks' arithmetic on known numbers, and every peer: it must compute what ours computes."""

import csv
import itertools
import json
import math
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.__main__ import compare
from benchmarks.growth import MEASURE, Usage, exponent, row_of
from benchmarks.material import preset, settings_of, training_on
from benchmarks.peers.i3d import PublishedI3D, published_loss
from benchmarks.peers.loader import published_clip
from benchmarks.peers.swap import PlainSwap
from benchmarks.peers.video import decode_and_encode, published_affine
from benchmarks.picture import attained, draw, draw_growth
from benchmarks.race import Race, Setting, fact, measured, ratio, run_race, run_round
from benchmarks.repro import BETWEEN, budget, table
from benchmarks.results import add_rows, rows_of
from benchmarks.works import WORKS
from benchmarks.works.clips import psnr
from benchmarks.works.faces import swap_training
from benchmarks.works.recognition import flops_of, waiting_race
from calse.recognition.architectures.i3d.network import I3D
from calse.recognition.training.losses import training_loss
from calse.runtime.errors import CalseError
from calse.video.ours.read import read_frames
from calse.video.untrusted.decode import probe
from videos import moving, write_clip

ROUNDS = [{"ours": 1.0, "peer": 3.0}, {"ours": 2.0, "peer": 4.0}, {"ours": 10.0, "peer": 25.0}]


def test_a_ratio_is_taken_in_each_round_before_the_median():
    result = measured(ratio("speed", "peer", "ours", 2.4), ROUNDS)
    assert (result.median, result.lowest, result.highest, result.rounds) == (2.5, 2.0, 3.0, 3)
    assert result.reached


def test_a_target_can_be_an_upper_limit_or_missing():
    assert not measured(ratio("speed", "peer", "ours", 2.4, at_most=True), ROUNDS).reached
    assert measured(fact("bytes", "x", 2.4, 2.4, at_most=True), ROUNDS).reached
    assert measured(fact("bytes", "x", 2.4), ROUNDS).reached is None


def test_sides_take_turns_and_every_second_round_runs_backwards():
    order: list[str] = []
    race = Race({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, [])
    run_race(race, rounds=5, seconds=0)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"  # one round warms up; three run even when the time is over


def test_a_side_is_timed_by_the_races_clock_and_may_tell_more():
    race = Race({"a": lambda: {"waited": 0.25}}, [], clock=itertools.count(0, 5).__next__)
    assert run_round(race, 0) == {"a": 5, "waited": 0.25}


@pytest.mark.parametrize("power", [0.5, 1.0, 1.1, 2.0])
def test_the_exponent_does_not_depend_on_the_fixed_part(power: float):
    times = [7 + 0.3 * clips**power for clips in (8, 32, 128)]
    assert exponent(*times) == pytest.approx(power)


def test_a_stages_growth_is_a_line_of_the_table_and_of_the_picture(tmp_path: Path):
    row = row_of("ingest", [8, 32, 128], [Usage(1 + 0.1 * clips, 90) for clips in (8, 32, 128)])
    assert (row["clips"], row["exponent"], row["memory_ratio"]) == ("8/32/128", "1.00", "1.00")
    draw_growth([row], tmp_path / "growth.png")
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_the_exponent_is_that_of_instructions_where_they_are_counted():
    slow_and_fast = [Usage(seconds, 90, 2 + clips) for seconds, clips in ((5, 8), (90, 32), (95, 128))]
    assert row_of("ingest", [8, 32, 128], slow_and_fast)["exponent"] == "1.00"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no server outlives its command")
def test_what_a_process_does_that_outlives_the_command_is_counted():
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}])"
    measure = [sys.executable, "-c", MEASURE, "/dev/stdout", sys.executable, "-c", leave]
    status, seconds, *_ = json.loads(subprocess.run(measure, capture_output=True, check=True).stdout)
    assert status == 0
    assert seconds > 0.5


def test_what_does_not_grow_has_no_exponent():
    assert math.isnan(exponent(3.0, 2.9, 3.1))


def test_shares_of_a_target_are_above_one_when_it_is_reached():
    line = {"median": "6", "lowest": "3", "highest": "9"}
    assert attained(line | {"target": ">=3"}) == (2, 1, 3)
    assert attained(line | {"target": "<=18"}) == (3, 2, 6)


def test_a_works_lines_are_replaced_and_keep_their_order(tmp_path: Path):
    path, order = tmp_path / "results.csv", ["first", "second"]
    lines = {work: rows_of(work, [measured(ratio(work, "peer", "ours", 2), ROUNDS)], "one core") for work in order}
    add_rows(path, order, lines["second"])
    add_rows(path, order, lines["first"])
    every = add_rows(path, order, rows_of("second", [measured(ratio("new", "peer", "ours", 3), ROUNDS)], "one core"))
    assert [(row["work"], row["figure"], row["reached"]) for row in every] == [
        ("first", "first", "yes"),
        ("second", "new", "no"),
    ]
    assert list(csv.DictReader(path.open())) == every
    draw(every, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


LOG = [
    (100.0, "import time: self [us] | cumulative | imported package\n"),
    (100.5, "import time:    500000 |     500000 | dvc\n"),
    (101.0, "Running stage 'ingest@SACU':\n"),
    (101.5, "import time: self [us] | cumulative | imported package\n"),
    (102.0, "import time:   1000000 |    1500000 |   numpy\n"),
    (103.0, "a bar import time:    250000 |     250000 | av\n"),
    (105.0, "Running stage 'validate':\n"),
    (109.0, ""),
]


def test_a_log_becomes_each_stages_seconds_processes_and_imports(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.repro.cores", lambda: 2)
    spent = budget(LOG)
    assert [(one.stage, one.wall, one.processes, one.imports) for one in spent] == [
        (BETWEEN, 1.0, 1, 0.5),
        ("ingest@SACU", 4.0, 1, 1.25),
        ("validate", 4.0, 0, 0.0),
    ]
    rows = {row["stage"]: row for row in table(spent, start=0.05)}
    assert rows["all"]["wall_seconds"] == "9.0"
    assert rows["ingest@SACU"]["share_percent"] == "16.2"  # 1.25 + 0.05 of 2 x 4 seconds


@pytest.mark.parametrize(("frames", "size", "giga"), [(16, 112, 38.6), (64, 224, 614)])
def test_the_work_of_a_step_is_the_networks(frames: int, size: int, giga: float):
    """Figures of the published network, forward and backward of one clip."""
    assert flops_of(settings_of(preset("calse-100", frames=frames, size=size))) / 1e9 == pytest.approx(giga, rel=0.01)


@pytest.mark.parametrize("training", [True, False])
def test_the_published_network_gives_our_logits(training: bool):
    torch.manual_seed(0)
    ours, published = I3D(7, width=0.125, dropout=0.0), PublishedI3D(7, width=0.125, dropout=0.0)
    published.load_state_dict(ours.state_dict())
    clips = torch.rand(2, 3, 17, 60, 66) * 2 - 1
    with torch.no_grad():
        expected = published.train(training)(clips)
        torch.testing.assert_close(ours.train(training)(clips), expected, atol=1e-4, rtol=1e-4)
    assert expected.shape == (2, 7, 2)


def test_the_published_loss_is_ours():
    logits, labels = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 4, 2])
    expected = training_loss(logits, labels, "bce-localisation", 16)
    torch.testing.assert_close(published_loss(logits, labels, 16), expected)


def test_the_plain_swap_training_goes_as_ours(tmp_path: Path):
    settings = preset().swap_train["autoencoder"]
    changes = {"size": 32, "channels": 4, "code": 16, "batch": 2, "precision": "fp32"}
    ours = swap_training(tmp_path, type(settings)(**vars(settings) | changes))
    plain = PlainSwap(ours)
    losses = [(ours.step(), plain.step()) for _ in range(3)]
    assert losses[2][0] != losses[0][0]
    for mine, theirs in losses:
        assert mine == pytest.approx(theirs, rel=1e-3)


def test_the_published_loader_returns_the_videos_pixels(tmp_path: Path):
    video = write_clip(tmp_path / "clip.mp4", frames=6, height=240, width=240)
    clip = published_clip(video, np.random.default_rng(0), frames=9, size=240).numpy()
    pictures = ((clip.transpose(1, 2, 3, 0)[..., ::-1] + 1) * 127.5).round()
    if np.abs(pictures[0] - read_frames(video)[0]).mean() > 20:
        pictures = pictures[:, :, ::-1]  # flipped
    assert np.abs(pictures[:6] - read_frames(video)).mean() < 2
    assert any((clip[:, 8] == clip[:, kept]).all() for kept in (0, 5))  # filled up with its first or last frame


def test_the_published_augmentation_warps_every_frame(tmp_path: Path):
    video, matrix = write_clip(tmp_path / "clip.mp4", height=64), np.array([[0.9, 0.1, 3], [-0.1, 0.9, 5]])
    published_affine(video, tmp_path / "theirs.mp4", matrix)
    assert probe(tmp_path / "theirs.mp4").codec == "mpeg4"
    assert psnr(tmp_path / "theirs.mp4", video, matrix) > 25
    assert psnr(video, video, matrix) < 20


def test_decoding_and_encoding_alone_keeps_every_frame(tmp_path: Path):
    video = write_clip(tmp_path / "clip.mp4", frames=7)
    decode_and_encode(video, tmp_path / "same.mp4")
    assert np.abs(read_frames(tmp_path / "same.mp4").astype(int) - moving(7)).mean() < 6
    decode_and_encode(video, tmp_path / "small.mp4", (32, 24))
    assert read_frames(tmp_path / "small.mp4").shape == (7, 24, 32, 3)


def test_waiting_for_clips_is_a_part_of_the_epoch(tmp_path: Path):
    params = preset("synthetic", frames=9, size=32, width=0.125, batch=2, precision="fp32")
    (result,) = run_race(waiting_race(training_on(tmp_path, params, 4)), rounds=3, seconds=0)
    assert 0 < result.lowest <= result.highest < 100


@pytest.mark.parametrize("name", ["i3d-small", "swap-step", "affine-1080p", "ingest"])
def test_works_run_at_tiny_size(name: str, tmp_path: Path):
    with ExitStack() as cleanup:
        figures = run_race(WORKS[name](Setting(tmp_path, True, cleanup)), rounds=3, seconds=0)
    assert figures
    assert all(math.isfinite(one.median) for one in figures)


def test_the_accelerators_script_runs_through_on_the_cpu(tmp_path: Path):
    command = ["python", "-m", "benchmarks.gpu", "--device", "cpu", "--tiny", "--folder", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": "src:tools"}  # as on a machine where nothing is installed
    subprocess.run(command, check=True, capture_output=True, env=environment)
    rows = {row["figure"]: row["value"] for row in csv.DictReader((tmp_path / "gpu.csv").open())}
    assert not [name for name, value in rows.items() if "left out" in value]
    parts = {name.split(":")[0].split(" in ")[0] for name in rows}
    assert parts >= {
        "loss curves agree",
        "bf16 GEMM",
        "largest kernel 3",
        "train stage",
        "swap training, 32 px, batch 2",
    }


def test_a_work_nobody_knows_is_refused():
    with pytest.raises(CalseError, match="there is no work 'fly'; those are: machine, i3d-112"):
        compare(["fly"])
