"""From video files to the network's input: sampling, crops, arithmetic and the cache of decoded clips."""

import dataclasses
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.input import frames_cache
from calse.recognition.input.frames import short_side, shrink
from calse.recognition.input.frames_cache import cached_frames, open_frames
from calse.recognition.input.resident import Resident
from calse.recognition.input.transforms import network_input
from calse.recognition.input.views import batch_of, crop_corner, sample_frames
from calse.runtime.errors import CalseError
from calse.runtime.fingerprint import PACKAGE, code
from calse.video.ours.read import read_frames
from toys import make_repository, ramp, toy_input

CPU = torch.device("cpu")


def test_evaluation_takes_the_centre_of_equal_parts_or_the_central_stretch():
    assert sample_frames(64, 16, "uniform", None).tolist() == list(range(2, 64, 4))
    assert sample_frames(3, 6, "uniform", None).tolist() == [0, 0, 1, 1, 2, 2]
    assert sample_frames(20, 10, "consecutive", None).tolist() == list(range(5, 15))
    assert sample_frames(3, 6, "consecutive", None).tolist() == [0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("available", [5, 9, 10, 100])
@pytest.mark.parametrize("sampling", ["uniform", "consecutive"])
def test_training_draws_frames_that_exist_in_order(available: int, sampling: str):
    rng = np.random.default_rng(0)
    draws = [sample_frames(available, 9, sampling, rng) for _ in range(300)]
    for chosen in draws:
        assert len(chosen) == 9
        assert (np.diff(chosen) >= 0).all()
        assert 0 <= chosen.min() <= chosen.max() < available
    if available >= 9:
        assert {int(chosen[0]) for chosen in draws} >= {0, (available - 9 if sampling == "consecutive" else 0)}
        assert max(int(chosen[-1]) for chosen in draws) == available - 1, "the end of the clip is seen too"


def test_crops_are_central_in_evaluation_and_everywhere_in_training():
    assert crop_corner(256, 340, 224, None) == (16, 58)
    rng = np.random.default_rng(0)
    corners = {crop_corner(34, 34, 32, rng) for _ in range(200)}
    assert corners == {(row, column) for row in range(3) for column in range(3)}


def test_a_share_of_the_room_is_the_central_one():
    rng = np.random.default_rng(1)
    corners = {crop_corner(256, 336, 224, rng, 0.25) for _ in range(5000)}
    tops, lefts = zip(*corners, strict=True)
    assert (min(tops), max(tops)) == (12, 20)
    assert (min(lefts), max(lefts)) == (42, 70)
    assert {crop_corner(256, 336, 224, rng, 0) for _ in range(20)} == {crop_corner(256, 336, 224, None)}
    whole, same = (np.random.default_rng(2) for _ in range(2))
    assert [crop_corner(40, 50, 32, whole) for _ in range(20)] == [
        (int(same.integers(9)), int(same.integers(19))) for _ in range(20)
    ]


def test_rgb_input_is_the_crop_scaled_to_minus_one_and_one():
    train, clip = toy_input(modality="rgb"), ramp()
    batch = network_input(batch_of([clip], train), train, None, CPU)
    frames = (np.arange(9) + 0.5) * 12 // 9
    expected = clip[frames.astype(int), 4:36, 2:34].transpose(3, 0, 1, 2) / 127.5 - 1
    np.testing.assert_allclose(batch[0], expected, atol=1e-6)
    assert batch.is_contiguous(memory_format=torch.channels_last_3d)


def test_bgr_turns_the_channels_round():
    rgb, bgr = toy_input(modality="rgb"), toy_input(modality="rgb", channel_order="bgr")
    batch = batch_of([ramp()], rgb)
    assert torch.equal(network_input(batch, bgr, None, CPU), network_input(batch, rgb, None, CPU).flip(1))


def test_motion_input_has_no_still_part_and_unit_variance():
    train = toy_input(modality="motion")
    still = np.repeat(ramp()[:1], 12, axis=0)
    moving, nothing = network_input(batch_of([ramp(), still], train), train, None, CPU)
    assert moving.mean(dim=1).abs().max() < 1e-4
    assert moving.square().mean().item() == pytest.approx(1, abs=1e-4)
    assert nothing.abs().max() < 1e-2, "a still clip is nothing, not amplified noise"


def test_flip_turns_the_whole_clip_and_brightness_scales_each_channel():
    clip, plain = np.full((12, 36, 36, 3), 100, np.uint8), toy_input(flip=1, brightness=0)
    clip[:, :, :18] = 50
    flipped = batch_of([clip], plain, [np.random.default_rng(0)]).frames[0]
    assert (flipped[:, :, 0] == 100).all()
    assert (flipped[:, :, -1] == 50).all()
    bright = toy_input(modality="rgb", brightness=0.2, flip=0)
    values = []
    for seed in range(50):
        batch = network_input(batch_of([clip], bright, [np.random.default_rng(seed)]), bright, None, CPU)
        values.append((batch[0, :, 0, 0, -1] + 1) * 127.5)
    gains = torch.stack(values) / 100
    assert (gains.min() > 0.8) & (gains.max() < 1.2)
    assert gains.min() < 0.85
    assert gains.max() > 1.15
    assert gains.std(dim=1).min() > 0, "channels differ"


@pytest.mark.parametrize("sampling", ["uniform", "consecutive"])
@pytest.mark.parametrize("available", [5, 9, 12])
def test_a_batch_holds_the_clips_own_pixels_and_leaves_the_clips_alone(sampling: str, available: int, tmp_path: Path):
    """Against plain indexing, to the bit, on a map that cannot be written, in a buffer that held another batch."""
    np.save(tmp_path / "clip.npy", ramp()[:available])
    clip, train = open_frames(tmp_path / "clip.npy"), toy_input(sampling=sampling, flip=0.5)
    buffer = np.full((10, 9, 32, 32, 3), 77, np.uint8)
    batch = batch_of([clip] * 8, train, [np.random.default_rng(seed) for seed in range(8)], buffer)
    turned = set()
    for seed, frames in enumerate(batch.frames):
        rng = np.random.default_rng(seed)
        chosen = sample_frames(available, 9, sampling, rng)
        top, left = crop_corner(40, 36, 32, rng)
        expected = ramp()[:available][chosen][:, top : top + 32, left : left + 32]
        turned.add(flipped := rng.random() < 0.5)
        np.testing.assert_array_equal(frames, expected[:, :, ::-1] if flipped else expected)
    assert turned == {True, False}
    assert isinstance(batch.frames, np.ndarray)
    assert np.shares_memory(batch.frames, buffer), "no further copy"
    assert (buffer[8:] == 77).all()


def test_the_short_side_leaves_room_for_crops():
    assert (short_side(224), short_side(64)) == (256, 74)
    assert shrink(np.zeros((2, 60, 80, 3), np.uint8), 30).shape == (2, 30, 40, 3)
    assert shrink(np.zeros((2, 90, 40, 3), np.uint8), 37).shape == (2, 83, 37, 3)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CALSE_WORKERS", "1")
    return make_repository(tmp_path, takes=1)


def test_clips_are_decoded_once_and_again_only_when_the_cache_is_damaged(
    repository: Layout, monkeypatch: pytest.MonkeyPatch
):
    clips = read_split(repository.split("Baseline")).clips[:2]
    paths = cached_frames(clips, repository, 32)
    for clip, path in zip(clips, paths, strict=True):
        expected = shrink(read_frames(repository.root / clip.path), 37)
        np.testing.assert_array_equal(open_frames(path), expected)
    monkeypatch.setattr(frames_cache, "map_parallel", lambda function, jobs, _: [function(job) for job in jobs])
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-100])
    untouched = paths[1].stat().st_mtime_ns
    assert cached_frames(clips, repository, 32) == paths
    assert paths[0].read_bytes() == whole
    assert paths[1].stat().st_mtime_ns == untouched
    assert sorted(paths[0].parent.glob("*.npy")) == sorted(paths)


def test_a_full_cache_lets_those_used_longest_ago_go_and_every_clip_can_still_be_read(
    repository: Layout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clips = read_split(repository.split("Baseline")).clips[:3]
    paths = cached_frames(clips[:2], repository, 32)
    expected = [open_frames(path).copy() for path in paths]
    size = paths[0].stat().st_size
    monkeypatch.setenv("CALSE_CACHE_GB", str(2.5 * size / 1e9))
    os.utime(paths[0], (1, paths[0].stat().st_mtime))
    (third,) = cached_frames(clips[2:], repository, 32)
    assert [path.exists() for path in (*paths, third)] == [False, True, True]
    assert [np.array_equal(open_frames(path), frames) for path, frames in zip(paths, expected, strict=True)] == [
        True
    ] * 2
    assert capsys.readouterr().err.count("decoded whenever") == 0
    monkeypatch.setenv("CALSE_CACHE_GB", str(1.5 * size / 1e9))
    paths = cached_frames(clips, repository, 32)
    assert len(list(third.parent.glob("*.npy"))) == 1
    assert "2 of 3 clips are decoded whenever they are read" in capsys.readouterr().err
    for clip, path in zip(clips, paths, strict=True):
        np.testing.assert_array_equal(open_frames(path), shrink(read_frames(repository.root / clip.path), 37))


@pytest.mark.parametrize("limit", ["much", "-1", "nan"])
def test_a_limit_of_the_cache_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str):
    monkeypatch.setenv("CALSE_CACHE_GB", limit)
    with pytest.raises(CalseError, match=f"CALSE_CACHE_GB='{limit}' is not a number of gigabytes"):
        frames_cache.cache_limit()


@pytest.mark.parametrize("place", [0.001, 0.5, 0.99, 1])
def test_frames_that_a_disk_changed_are_decoded_anew(repository: Layout, place: float):
    clips = read_split(repository.split("Baseline")).clips[:1]
    (path,) = cached_frames(clips, repository, 32)
    whole = path.read_bytes()
    hurt = bytearray(whole)
    hurt[int(place * (len(whole) - 1))] ^= 255
    path.write_bytes(hurt)
    assert cached_frames(clips, repository, 32) == [path]
    assert path.read_bytes() == whole
    np.testing.assert_array_equal(open_frames(path), shrink(read_frames(repository.root / clips[0].path), 37))
    kept = path.stat().st_ino
    cached_frames(clips, repository, 32)
    assert path.stat().st_ino == kept, "sound frames stay"


def test_frames_of_other_code_are_not_read_and_go_when_nobody_reads_them(
    repository: Layout, monkeypatch: pytest.MonkeyPatch
):
    clips = read_split(repository.split("Baseline")).clips[:1]
    (ours,) = cached_frames(clips, repository, 32)
    folder = ours.parents[1]
    elder, read = folder.with_name("74"), folder.with_name("f00")
    for other in (elder, read):
        (other / "37").mkdir(parents=True)
        np.save(other / "37" / ours.name, np.zeros((1, 37, 37, 3), np.uint8))
    with open(read.with_suffix(".lock"), "w") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        assert cached_frames(clips, repository, 32) == [ours]
        assert (elder.exists(), read.exists()) == (False, True)
    inode = ours.stat().st_ino
    cached_frames(clips, repository, 32)
    assert ours.stat().st_ino == inode, "what this code made is not made again"
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]
    assert not read.with_suffix(".lock").exists()
    monkeypatch.setattr(frames_cache, "code", lambda *_: "another resizing")
    (theirs,) = cached_frames(clips, repository, 32)
    assert theirs != ours
    assert ours.exists(), "this process reads it"


def test_the_code_of_frames_changes_with_decoder_and_packages_and_with_nothing_else(tmp_path: Path):
    package = shutil.copytree(PACKAGE, tmp_path / "src/calse")

    def key() -> str:
        cache = "import calse.recognition.input.frames_cache as f"
        words = f"{cache}; print(f.code((f.PACKAGE / n for n in f.CODE), f.PACKAGES))"
        environment = os.environ | {"PYTHONPATH": str(package.parent)}
        done = subprocess.run(
            [sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    before = key()
    with open(package / "report/report.py", "a") as file:
        file.write("OTHER = 1\n")
    assert key() == before
    with open(package / "video/ours/read.py", "a") as file:
        file.write("ANOTHER = 1\n")
    assert key() != before
    assert code([], {"numpy"}) != code([], {"av"}) == code([], {"av", "no such package"})


def test_a_clip_that_changed_or_vanished_is_named(repository: Layout):
    clips = read_split(repository.split("Baseline")).clips
    video = repository.root / clips[0].path
    video.write_bytes(video.read_bytes() + b"x")
    with pytest.raises(CalseError, match=rf"clip {clips[0].clip}: .* has changed since it was made"):
        cached_frames(clips, repository, 32)
    gone = dataclasses.replace(clips[1], path="data/clips/none.mp4")
    with pytest.raises(CalseError, match=rf"clip {clips[1].clip}: .*none\.mp4 is missing"):
        cached_frames([gone], repository, 32)


def test_a_split_tells_who_trains_and_who_tests(repository: Layout):
    split = read_split(repository.split("Baseline"))
    assert split.classes == ["AÑO", "NO", "SUR"]
    assert {clip.source for clip in split.train("SACU")} == {"STS", "INTERPRETER"}
    assert {clip.source for clip in split.test("SACU")} == {"SACU"}
    with pytest.raises(CalseError, match="no column for the test source 'DILSE'"):
        split.train("DILSE")


def test_a_split_with_an_unknown_mark_is_refused_by_line(repository: Layout):
    path = repository.split("Baseline")
    path.write_text(path.read_text(encoding="utf-8").replace("train,train\n", "train,trian\n", 1), encoding="utf-8")
    with pytest.raises(
        CalseError, match=r"Baseline\.csv:\d+: STS must be 'train', 'test', 'validation' or empty, not 'trian'"
    ):
        read_split(path)


def test_a_split_without_test_clips_is_refused(repository: Layout):
    path = repository.split("Baseline")
    path.write_text(path.read_text(encoding="utf-8").replace("test,train\n", ",train\n"), encoding="utf-8")
    with pytest.raises(CalseError, match="no clip is marked 'test' for the test source 'SACU'"):
        read_split(path).test("SACU")


@pytest.mark.parametrize("flip", [0, 1])
def test_a_clip_on_the_device_is_seen_as_the_one_in_memory(flip: int, tmp_path: Path):
    np.save(tmp_path / "clip.npy", ramp())
    clips = Resident(CPU, memory=lambda: (1000, 1000))
    mapped = clips.open(tmp_path / "clip.npy")
    clips.may_stay = True
    assert isinstance(clips.open(tmp_path / "clip.npy"), np.ndarray), "too large: it stays where it is"
    clips = Resident(CPU, memory=lambda: (10**9, 10**9))
    clips.may_stay = True
    kept = clips.open(tmp_path / "clip.npy")
    assert isinstance(kept, torch.Tensor)
    assert clips.open(tmp_path / "clip.npy") is kept, "copied once"
    train = toy_input(flip=flip, brightness=0.3)
    rngs = [[np.random.default_rng(3), np.random.default_rng(4)] for _ in range(2)]
    one = network_input(batch_of([mapped, mapped], train, rngs[0]), train, None, CPU)
    other = network_input(batch_of([kept, mapped], train, rngs[1]), train, None, CPU)
    assert torch.equal(one, other)


def test_clips_stay_on_no_device_before_the_network_has_shown_what_it_needs(tmp_path: Path):
    np.save(tmp_path / "clip.npy", ramp())
    assert isinstance(Resident(CPU, memory=lambda: (10**9, 10**9)).open(tmp_path / "clip.npy"), np.ndarray)
    still = Resident(CPU)
    still.may_stay = True
    assert isinstance(still.open(tmp_path / "clip.npy"), np.ndarray), "memory maps are as fast on a CPU"
