"""The swap stages on cartoon faces: what is changed, what is left, what is refused."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from calse.config.params import check_params
from calse.data.clips import Clip, clip_id
from calse.data.manifests import read_manifest, write_manifest
from calse.data.paths import Layout
from calse.faceswap import convert, registry
from calse.faceswap import methods as faceswap_methods
from calse.faceswap.convert import FACE, swap, swap_frames
from calse.faceswap.mask import OVAL, fill, hand_mask
from calse.faceswap.methods.autoencoder.convert import match_colours
from calse.faceswap.methods.autoencoder.model import train as train_swap
from calse.faceswap.methods.autoencoder.model.train import save_model
from calse.faceswap.registry import find_method
from calse.faceswap.train import swap_train
from calse.landmarks.record import no_landmarks, write_landmarks
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from cartoons import PEOPLE, SET, SIDE, TRAIN, any_network, cartoon, flat_hand, openings

PRESET = Path(__file__).parents[2] / "presets/synthetic.yaml"


def test_nothing_moves_outside_the_face_and_a_hand_in_front_survives():
    frames, track = cartoon((200, 90, 80), openings(4, 0))
    hands = track.hands.copy()
    hands[1, 0] = flat_hand(31, 60)
    landmarks = track.face.copy()
    landmarks[2] = np.nan
    track = replace(track, face=landmarks, hands=hands)
    swapped, report = swap_frames(frames, track, any_network(), SET)
    assert (report.frames, report.swapped, report.without_face, report.hand_over_face) == (4, 3, 1, 1)
    assert np.array_equal(swapped[2], frames[2])
    for number in (0, 1, 3):
        oval = fill([landmarks[number, list(OVAL)]], SIDE, SIDE) > 0
        assert np.array_equal(swapped[number][~oval], frames[number][~oval])
        assert (swapped[number] != frames[number])[oval].mean() > 0.4
    hand = hand_mask(hands[1], SIDE, SIDE) > 0
    assert np.array_equal(swapped[1][hand], frames[1][hand])


@pytest.mark.parametrize("wrong", [lambda frames: frames[:-1], lambda frames: frames / 255])
def test_what_a_method_returns_is_as_many_frames_of_the_same_kind(wrong, monkeypatch):
    monkeypatch.setattr(registry.Method, "convert", lambda method, frames, *rest: wrong(frames))
    frames, track = cartoon((200, 90, 80), openings(4, 0))
    with pytest.raises(CalseError, match=r"methods/autoencoder/convert\.py: convert returns .*, not \(4, "):
        swap_frames(frames, track, None, SET)


@pytest.mark.parametrize("count", [1, 2])
def test_a_short_clip_and_one_without_a_face_pass(count):
    frames, track = cartoon((200, 90, 80), openings(count, 0))
    settings = replace(SET, smoothing=2.0)
    assert swap_frames(frames, track, any_network(), settings)[1].swapped == count
    nobody = replace(track, face=np.full_like(track.face, np.nan))
    same, report = swap_frames(frames, nobody, any_network(), settings)
    assert np.array_equal(same, frames)
    assert report.without_face == count


def test_a_face_half_outside_the_frame_is_swapped_as_far_as_it_is_there():
    frames, track = cartoon((200, 90, 80), openings(2, 0))
    landmarks = track.face - np.array([30, 0, 0], np.float32)
    swapped, report = swap_frames(frames, replace(track, face=landmarks), any_network(), SET)
    assert report.swapped == 2
    assert (swapped != frames).any()


def test_matched_colours_have_the_originals_mean():
    rng = np.random.default_rng(0)
    drawn, wanted = (
        np.clip(np.array(colour) / 255 + rng.normal(0, 0.03, (3, 16, 16, 3)), 0, 1).astype(np.float32)
        for colour in PEOPLE.values()
    )
    matched = match_colours(drawn, wanted, np.ones((3, 16, 16), np.float32))
    assert np.allclose(matched.mean(axis=(0, 1, 2)), wanted.mean(axis=(0, 1, 2)), atol=0.02)


def test_a_checkpoint_that_is_missing_damaged_or_of_another_size_is_named(tmp_path):
    folder, info = tmp_path / "DONOR-1", {"donor": "DONOR-1", "params": {"size": 32, "channels": 4, "code": 8}}
    with pytest.raises(CalseError, match=r"model.json is missing; .*swap-train@DONOR-1"):
        find_method("autoencoder").load(Layout(), folder)
    network = any_network()
    save_model(folder, network, info)
    loaded = find_method("autoencoder").load(Layout(), folder)
    assert json.loads((folder / "model.json").read_text()) == info
    assert torch.equal(loaded.head.bias, network.head.bias)
    save_model(folder, network, info | {"params": {"size": 64, "channels": 4, "code": 8}})
    with pytest.raises(CalseError, match=r"model.safetensors is not the network that model.json describes"):
        find_method("autoencoder").load(Layout(), folder)
    save_model(folder, network, info)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CalseError, match=r"model.safetensors"):
        find_method("autoencoder").load(Layout(), folder)
    weights.unlink()
    with pytest.raises(CalseError, match=r"model.safetensors is missing; .*swap-train@DONOR-1"):
        find_method("autoencoder").fingerprint(folder)
    save_model(folder, network, info)
    (folder / "model.json").write_text("{}")
    with pytest.raises(CalseError, match="describes no face-swap model"):
        find_method("autoencoder").load(Layout(), folder)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A source and a donor with two cartoon clips each, tracked; the scratch folder is in there too."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("CALSE_WORKERS", "1")
    layout = Layout(tmp_path)
    for source, colour in PEOPLE.items():
        write_manifest(layout.source_manifest(source), [film(layout, source, colour, take) for take in (1, 2)])
    for source in ("SACU", "STS", "DILSE"):
        write_manifest(layout.source_manifest(source), [])
    return layout


def film(layout, source, colour, take):
    frames, track = cartoon(colour, openings(6, take))
    name = clip_id(source, "NO", take)
    path = Path("data/clips") / source / f"{name}.mp4"
    write_video(layout.root / path, frames, 25)
    write_landmarks(layout.landmarks(source) / f"{name}.npz", track)
    sha256 = sha256_of(layout.root / path)
    return Clip(name, "NO", source, f"{source} X", take, "", "", str(path), sha256, "", SIDE, SIDE, 25.0, 6, "{}")


def toy_params(**settings):
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))
    tree["swap"] = {
        "DF-1": asdict(replace(SET, clips_per_gloss=1)) | settings,
    }
    tree["recipes"] = {"Baseline": []}
    tree["swap-train"]["autoencoder"] = asdict(
        replace(TRAIN, channels=4, code=8, iterations=4, batch=2, preview_every=2)
    )
    return check_params(tree)


def outputs(layout):
    return [sha256_of(path) for path in sorted(layout.swap_model("DF-1").iterdir())] + [
        (layout.metrics("swap-train") / "DF-1.csv").read_text()
    ]


def test_a_training_that_was_stopped_ends_with_the_same_bytes(repository, monkeypatch, capsys):
    params = toy_params()
    swap_train(params, repository, "DF-1")
    line, folder = capsys.readouterr().out.rstrip().rsplit(": ", 1)
    assert line == "look at what the network makes of faces, every 2 iterations"
    first = outputs(repository)
    assert first[-1].count("\n") == 5
    assert not any((repository.root / ".scratch/swap-train").iterdir())
    previews = sorted(Path(folder).iterdir())
    assert [path.name for path in previews] == ["000002.png", "000004.png"]

    def stop(path, training):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_swap, "write_preview", stop)
        swap_train(params, repository, "DF-1")
    assert list((repository.root / ".scratch/swap-train").rglob("state.pt"))
    swap_train(params, repository, "DF-1")
    assert outputs(repository) == first
    info = json.loads((repository.swap_model("DF-1") / "model.json").read_text())
    assert info["signers"] == ["INTERPRETER X"]
    assert set(info["data"]) == {"INTERPRETER", "DONOR-1"}
    assert str(repository.root) not in json.dumps(info)


def test_a_swapped_set_has_records_that_say_what_it_is(repository, monkeypatch):
    monkeypatch.setattr(convert, "assess_set", lambda *_: {"passed": True})
    params = toy_params()
    swap_train(params, repository, "DF-1")
    swap(params, repository, "DF-1")
    (made,) = read_manifest(repository.set_manifest("DF-1"))
    parents = {clip.clip: clip for clip in read_manifest(repository.source_manifest("INTERPRETER"))}
    parent = parents[made.parent]
    assert made.clip == f"DF-1-{parent.clip}-1"
    assert (made.gloss, made.source, made.signer, made.take) == ("NO", "INTERPRETER", parent.signer, parent.take)
    model = sha256_of(repository.swap_model("DF-1") / "model.safetensors")
    assert made.details == {
        "by": "swap",
        "method": "autoencoder",
        "donor": "DONOR-1",
        "model": model,
        "seed": 1,
        "face": FACE,
    }
    video = repository.root / made.path
    assert sha256_of(video) == made.sha256
    assert b"synthetic face" in video.read_bytes()
    assert read_frames(video).shape == (6, SIDE, SIDE, 3)
    report = json.loads((repository.metrics("swap") / "DF-1.json").read_text())
    assert report == {"clips": 1, "frames": 6, "frames_hand_over_face": 0, "frames_swapped": 6,
                      "frames_without_face": 0, "method": "autoencoder", "passed": True}  # fmt: skip


def test_a_set_whose_measuring_broke_off_takes_its_clips_unless_a_track_has_changed(repository, monkeypatch):
    def break_off(*_):
        raise KeyboardInterrupt

    def made_files():
        return {path.stat().st_ino for path in (repository.root / ".scratch/finished").rglob("*.mp4")}

    params, (video,) = toy_params(), [repository.augmented("DF-1") / "DF-1-INTERPRETER-NO-1-1.mp4"]
    params = replace(params, swap={"DF-1": replace(params.swap["DF-1"], clips_per_gloss=None)})
    monkeypatch.setattr(convert, "assess_set", break_off)
    swap_train(params, repository, "DF-1")
    with pytest.raises(KeyboardInterrupt):
        swap(params, repository, "DF-1")
    first = made_files()
    assert len(first) == 2
    write_landmarks(repository.landmarks("INTERPRETER") / "INTERPRETER-NO-1.npz", cartoon((0, 0, 0), openings(6, 3))[1])
    monkeypatch.setattr(convert, "assess_set", lambda *_: {"passed": True})
    swap(params, repository, "DF-1")
    assert video.stat().st_ino not in first
    assert video.with_name("DF-1-INTERPRETER-NO-2-1.mp4").stat().st_ino in first
    assert not made_files()


def test_only_a_donor_lends_a_face_and_only_by_a_method_that_there_is(repository):
    with pytest.raises(CalseError, match=r"swap.DF-1.donor: 'SACU' is not a donor in landmarks.sources; .*DONOR-1"):
        toy_params(donor="SACU")
    with pytest.raises(CalseError, match=r"swap.DF-1.method: there is no such .*; those are: autoencoder, mesh"):
        toy_params(method="paint")
    with pytest.raises(CalseError, match=r"swap.DF-1.shape: no such parameter"):
        toy_params(shape=0.5)
    with pytest.raises(CalseError, match=r"swap.SACU is not in params.yaml; its sets are: DF-1"):
        swap_train(toy_params(), repository, "SACU")


def test_a_track_of_another_clip_and_a_person_without_a_face_are_named(repository):
    path = repository.landmarks("DONOR-1") / "DONOR-1-NO-1.npz"
    _, track = cartoon((0, 0, 0), [0.0])
    write_landmarks(path, track)
    with pytest.raises(CalseError, match=r"DONOR-1-NO-1.npz is of 1 frames, clip DONOR-1-NO-1 has 6"):
        swap_train(toy_params(), repository, "DF-1")
    for take in (1, 2):
        write_landmarks(path.with_stem(f"DONOR-1-NO-{take}"), no_landmarks(6))
    with pytest.raises(CalseError, match="DONOR-1: no frame shows a face"):
        swap_train(toy_params(), repository, "DF-1")


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder of a method that somebody adds."""
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(registry, "METHODS", tmp_path)
    monkeypatch.setattr(faceswap_methods, "__path__", [*faceswap_methods.__path__, str(tmp_path)])
    for name in ("mine", "mine.method"):
        monkeypatch.delitem(sys.modules, f"{faceswap_methods.__name__}.{name}", raising=False)
    return tmp_path / "mine"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("METHOD = (", r"'\(' was never closed"),
        ("from calse.faceswap.registry import Method as METHOD", "METHOD is no object of the class Method"),
        ("from calse.faceswap.methods.mesh.method import METHOD", "METHOD is called 'mesh'; call it 'mine'"),
    ],
)
def test_a_fault_in_a_methods_file_is_reported_with_the_file(text, reason, mine):
    (mine / "method.py").write_text(text)
    with pytest.raises(CalseError, match=rf"mine/method\.py: {reason}"):
        registry.methods.__wrapped__()


def test_a_method_without_a_function_that_is_needed_is_named_with_the_file(mine):
    (mine / "method.py").write_text('from calse.faceswap.registry import Method\nMETHOD = Method("mine")')
    (mine / "convert.py").write_text("load = None")
    method = registry.methods.__wrapped__()["mine"]
    with pytest.raises(CalseError, match=r"mine/model/train\.py: No module named"):
        method.train(None, None, "DF-1")
    with pytest.raises(CalseError, match=r"mine/convert\.py: `convert` is missing; see docs/extend.md"):
        method.convert(None, None, None, None)
