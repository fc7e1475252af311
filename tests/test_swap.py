"""The swap on cartoon faces: two people of one colour each, who open and close their mouths."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from calse.clips import Clip, clip_id, read_manifest, write_manifest
from calse.errors import CalseError
from calse.faceswap import convert, train_swap
from calse.faceswap.align import MEAN_FACE, MOUTH, MOUTH_CORNERS, alignment, invert, move, warp
from calse.faceswap.augmentation import MARGIN, central_views, training_views
from calse.faceswap.blend import match_colours, predict
from calse.faceswap.checkpoint import load_model, save_model
from calse.faceswap.convert import FACE, swap, swap_frames
from calse.faceswap.loss import dissimilarity, face_loss
from calse.faceswap.mask import EYES_WITH_BROWS, LIPS, OVAL, detail_weights, face_mask, face_width, fill, hand_mask
from calse.faceswap.network import SwapNetwork
from calse.faceswap.track import FaceTrack, write_track
from calse.faceswap.train_swap import swap_train
from calse.faceswap.training import SwapTraining, learning_rate
from calse.faceswap.training_faces import aligned_crops
from calse.files import sha256_of
from calse.layout import Layout
from calse.params import SwapSet, SwapTrain, check_params
from calse.video.decode import read_frames
from calse.video.encode import write_video

PRESET = Path(__file__).parents[1] / "presets/synthetic.yaml"
TRAIN = SwapTrain(
    signers="INTERPRETER",
    size=32,
    channels=8,
    code=32,
    iterations=150,
    batch=8,
    lr=0.005,
    eyes_weight=3.0,
    mouth_weight=2.0,
    augment=0.3,
    preview_every=100,
    precision="fp32",
    threads=1,
    seed=1,
)
SET = SwapSet("DONOR-1", "interpreter", None, 1, 0.02, 0.1, 0.0, 0.5, 0.5)
PEOPLE = {"INTERPRETER": (200, 90, 80), "DONOR-1": (80, 100, 200)}
SIDE, CENTRE, WIDTH = 64, np.array([31.0, 35.0]), 44.0
NO_HANDS = np.full((2, 21, 2), np.nan, np.float32)


def ellipse(count, across, down):
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([across * np.cos(turn), down * np.sin(turn)], axis=1)


def face_points(opening):
    """A cartoon face's mesh about (0, 0), one unit wide: only the points that the swap reads are in their places."""
    points = np.zeros((468, 3), np.float32)
    points[list(OVAL), :2] = np.roll(ellipse(len(OVAL), 0.5, 0.62), len(OVAL) // 4, axis=0)  # from the forehead on
    for ring, x in zip(EYES_WITH_BROWS, (-0.21, 0.21), strict=True):
        points[list(ring), :2] = ellipse(len(ring), 0.12, 0.06) + np.array([x, -0.2])
    points[list(LIPS), :2] = ellipse(len(LIPS), 0.16, 0.03 + opening) + np.array([0, (MOUTH - 0.5) / 0.7])
    for index, place in MEAN_FACE.items():
        points[index, :2] = (np.array(place) - 0.5) / 0.7
    return points


def cartoon(colour, openings):
    """Frames of a face that opens its mouth so far, and their track."""
    landmarks = np.stack([face_points(opening) * WIDTH for opening in openings])
    landmarks[..., :2] += CENTRE + np.linspace(0, 2, len(openings))[:, None, None]
    frames = np.full((len(openings), SIDE, SIDE, 3), (90, 110, 90), np.uint8)
    for frame, points in zip(frames, landmarks, strict=True):
        frame[fill([points[list(OVAL)]], SIDE, SIDE) > 0] = colour
        frame[fill([points[list(ring)] for ring in (*EYES_WITH_BROWS, LIPS)], SIDE, SIDE) > 0] = 20
    hands = np.repeat(NO_HANDS[None], len(openings), axis=0)
    return frames, FaceTrack(landmarks, np.ones(len(openings), np.float32), hands)


def openings(count, seed):
    return np.random.default_rng(seed).uniform(0, 0.12, count)


def flat_hand(x, y):
    """A hand that points up from its wrist at (x, y), 21 x 2."""
    fingers = [(x + 3 * finger, y - 6 - 4 * joint) for finger in range(-2, 3) for joint in range(4)]
    return np.array([(x, y), *fingers], np.float32)


class Faces:
    """Crops in memory, as FaceSet gives them."""

    def __init__(self, colour, seed):
        self.crops = aligned_crops(*cartoon(colour, openings(24, seed)), round(TRAIN.size * MARGIN), MARGIN, TRAIN)

    def __len__(self):
        return len(self.crops)

    def take(self, numbers):
        return self.crops[numbers]


def new_training(**changes):
    faces = (Faces(colour, seed) for seed, colour in enumerate(PEOPLE.values()))
    return SwapTraining(replace(TRAIN, **changes), *faces)


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    training = new_training()
    while training.done < TRAIN.iterations:
        training.step()
    return training


def any_network():
    """An untrained network that holds everything it draws for face: a swap with it changes all that it may."""
    torch.manual_seed(0)
    network = SwapNetwork(32, 4, 8).eval()
    network.head.bias.data[3:].fill_(20)
    return network


# Alignment


def test_a_turned_face_lands_on_the_mean_face():
    _, track = cartoon((0, 0, 0), [0.0, 0.1])
    turn = np.radians(20)
    rotation = 1.7 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = track.landmarks.copy()
    turned[..., :2] = turned[..., :2] @ rotation.T + (5, -9)
    matrices = alignment(replace(track, landmarks=turned), 80)
    for matrix, points in zip(matrices, turned, strict=True):
        placed = move(points, matrix)[list(MEAN_FACE)]
        assert np.allclose((placed + 0.5) / 80, list(MEAN_FACE.values()), atol=1e-5)
        assert np.allclose(move(move(points, matrix), invert(matrix)), points[:, :2], atol=1e-4)


def test_a_long_faces_mouth_lands_where_every_mouth_does_and_still_opens():
    _, track = cartoon((0, 0, 0), [0.0, 0.05, 0.1])
    long = track.landmarks.copy()
    long[:, list(LIPS), 1] += 0.12 * WIDTH
    matrices = alignment(replace(track, landmarks=long), 80)
    placed = np.stack([move(points, matrix) for points, matrix in zip(long, matrices, strict=True)])
    assert np.allclose((placed[1, list(MOUTH_CORNERS), 1] + 0.5) / 80, MOUTH, atol=0.01)
    assert np.allclose((placed[1, [33, 263], 1] + 0.5) / 80, MEAN_FACE[33][1], atol=0.01)
    openings = np.ptp(placed[:, list(LIPS), 1], axis=1)
    assert openings[0] < openings[1] < openings[2]


def test_a_crop_goes_back_to_where_it_was_cut():
    frames, track = cartoon((200, 90, 80), [0.05])
    matrix = alignment(track, 96)[0]
    back = warp(warp(frames[0], matrix, 96, 96), invert(matrix), SIDE, SIDE)
    inside = face_mask(track.landmarks[0], NO_HANDS, SIDE, SIDE, erode=0.05) > 0
    assert np.abs(back.astype(int) - frames[0])[inside].mean() < 4


def test_shrinking_averages_instead_of_skipping():
    lines = np.zeros((64, 64), np.float32)
    lines[:, ::4] = 1
    assert np.allclose(warp(lines, np.array([[0.25, 0, -0.375], [0, 0.25, -0.375]]), 16, 16), 0.25, atol=0.05)


def test_smoothing_calms_the_alignment_without_lag_and_leaves_gaps():
    _, track = cartoon((0, 0, 0), np.zeros(41))
    landmarks = track.landmarks + np.random.default_rng(1).normal(0, 1, (41, 1, 3)).astype(np.float32)
    landmarks[20] = np.nan
    shaken = replace(track, landmarks=landmarks)
    steady, rough, smooth = (alignment(one, 32, life) for one, life in ((track, 0), (shaken, 0), (shaken, 2)))
    assert np.isnan(smooth[20]).all()
    assert not np.isnan(smooth[[19, 21]]).any()
    kept = np.r_[5:20, 21:36]
    assert np.abs(smooth - steady)[kept].mean() < 0.6 * np.abs(rough - steady)[kept].mean()
    moving = alignment(track, 32, 2)
    assert np.allclose(moving[15:26], steady[15:26], atol=0.02)


# Masks


def test_the_mask_is_the_oval_and_erosion_and_feather_go_inwards():
    points = cartoon((0, 0, 0), [0.0])[1].landmarks[0]
    hard = face_mask(points, NO_HANDS, SIDE, SIDE)  # a pixel that the outline touches counts: up to a tenth here
    assert hard.sum() == pytest.approx(np.pi * 0.5 * 0.62 * WIDTH**2, rel=0.1)
    eroded = face_mask(points, NO_HANDS, SIDE, SIDE, erode=0.05)
    small = np.pi * (0.45 * 0.57) * WIDTH**2
    assert (eroded > 0.5).sum() == pytest.approx(small, rel=0.1)
    soft = face_mask(points, NO_HANDS, SIDE, SIDE, erode=0.05, feather=0.1)
    assert (soft <= eroded).all()
    assert np.mean((soft > 0) & (soft < 1)) > 0.1
    assert soft.max() == 1
    assert face_width(points) == pytest.approx(WIDTH, rel=0.01)


def test_a_hand_is_cut_out_of_the_mask_and_covers_its_landmarks():
    points = cartoon((0, 0, 0), [0.0])[1].landmarks[0]
    hands = np.stack([flat_hand(31, 60), NO_HANDS[0]])
    covered = hand_mask(hands, SIDE, SIDE)
    assert all(covered[int(y), int(x)] for x, y in hands[0])
    soft = face_mask(points, hands, SIDE, SIDE, 0.02, 0.1)
    assert (soft[covered > 0] == 0).all()
    assert soft.sum() < 0.8 * face_mask(points, NO_HANDS, SIDE, SIDE, 0.02, 0.1).sum()


def test_eyes_and_mouth_weigh_what_they_are_told():
    points = cartoon((0, 0, 0), [0.05])[1].landmarks[0]
    weights = detail_weights(points, SIDE, SIDE, eyes=3, mouth=2)
    for ring, weight in ((EYES_WITH_BROWS[0], 3), (EYES_WITH_BROWS[1], 3), (LIPS, 2)):
        x, y = points[list(ring), :2].mean(axis=0).astype(int)
        assert weights[y, x] == weight
    assert weights[2, 2] == 1


# Loss and augmentation


def test_dissimilarity_is_none_between_equals_and_large_between_opposites():
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert dissimilarity(image, image).abs().max() < 1e-6
    assert dissimilarity(image, 1 - image).mean() > 0.8
    flat, lighter = torch.full((1, 3, 9, 9), 0.4), torch.full((1, 3, 9, 9), 0.6)  # no structure: luminance alone
    expected = (1 - (2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4)) / 2
    assert torch.allclose(dissimilarity(flat, lighter), torch.tensor(expected), atol=1e-3)


def test_dissimilarity_is_that_of_pooled_windows():
    one, other = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1)).unbind()

    def mean(image):
        return torch.nn.functional.avg_pool2d(image, 7, stride=1, padding=3, count_include_pad=False)

    x, y = mean(one), mean(other)
    covariance, variances = mean(one * other) - x * y, mean(one**2 + other**2) - x * x - y * y
    ssim = (2 * x * y + 1e-4) * (2 * covariance + 9e-4) / ((x * x + y * y + 1e-4) * (variances + 9e-4))
    assert torch.allclose(dissimilarity(one, other), (1 - ssim) / 2, atol=1e-5)


def test_errors_outside_the_face_hardly_count():
    target, mask = torch.full((1, 3, 32, 32), 0.5), torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    inside, outside = target.clone(), target.clone()
    inside[..., 12:20, 12:20] = 1
    outside[..., :8, :8] = 1
    one, other = (face_loss((faces, mask), target, mask, torch.ones_like(mask)) for faces in (inside, outside))
    assert one > 5 * other > 0


def test_a_view_without_any_draw_is_the_crop_and_the_warp_moves_the_input_only():
    crops = torch.from_numpy(Faces((200, 90, 80), 0).crops).permute(0, 3, 1, 2).float() / 255
    plain = central_views(crops, 32)
    frames, track = cartoon((200, 90, 80), openings(24, 0))
    direct = np.stack([warp(frame, matrix, 32, 32) for frame, matrix in zip(frames, alignment(track, 32), strict=True)])
    assert (plain[:, :3].permute(0, 2, 3, 1).numpy() * 255 - direct).__abs__().mean() < 4
    inputs, targets = training_views(crops, 32, 1.0, torch.Generator().manual_seed(3))
    again, _ = training_views(crops, 32, 1.0, torch.Generator().manual_seed(3))
    assert torch.equal(inputs, again)
    apart = (inputs - targets[:, :3]).abs().mean()
    assert 0.001 < apart < 0.3 * (targets[:, :3] - plain[:, :3]).abs().mean()


# Training


def test_training_makes_the_signer_look_like_the_donor_with_the_signers_mouth(trained):
    first, last = np.mean(trained.history[:5]), np.mean(trained.history[-5:])
    assert last < 0.5 * first
    open_so_far = np.linspace(0, 0.12, 12)
    frames, track = cartoon(PEOPLE["INTERPRETER"], open_so_far)
    crops = np.stack([warp(f, m, 32, 32) for f, m in zip(frames, alignment(track, 32), strict=True)])
    faces, _ = predict(trained.network.eval(), crops.astype(np.float32) / 255)
    cheek = faces[:, 15:18, 9:12].mean(axis=(0, 1, 2)) * 255
    donor, signer = (np.linalg.norm(cheek - PEOPLE[name]) for name in ("DONOR-1", "INTERPRETER"))
    assert donor < 0.5 * signer
    mouth = faces[:, 18:27, 13:19].mean(axis=(1, 2, 3))
    assert np.corrcoef(mouth, -open_so_far)[0, 1] > 0.8


def test_the_learning_rate_falls_to_almost_nothing_at_the_end():
    rates = [learning_rate(TRAIN, done) for done in range(TRAIN.iterations)]
    assert rates[0] == rates[TRAIN.iterations // 2] == TRAIN.lr
    assert 0 < rates[-1] < 0.05 * TRAIN.lr
    assert rates == sorted(rates, reverse=True)


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path):
    whole = new_training()
    for _ in range(6):
        whole.step()
    start, rest = new_training(), new_training()
    for _ in range(3):
        start.step()
    start.save(tmp_path / "state.pt")
    rest.restore(tmp_path / "state.pt")
    for _ in range(3):
        rest.step()
    assert rest.history == whole.history
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, rest.network.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_the_training():
    training = new_training()
    training.network.head.bias.data.fill_(float("nan"))
    with pytest.raises(CalseError, match="not finite in iteration 1; lower swap-train.lr"):
        training.step()


# Conversion


def test_nothing_moves_outside_the_face_and_a_hand_in_front_survives():
    frames, track = cartoon((200, 90, 80), openings(4, 0))
    hands = track.hands.copy()
    hands[1, 0] = flat_hand(31, 60)
    landmarks = track.landmarks.copy()
    landmarks[2] = np.nan
    track = replace(track, landmarks=landmarks, hands=hands)
    swapped, report = swap_frames(frames, track, any_network(), SET)
    assert (report.frames, report.swapped, report.without_face, report.hand_over_face) == (4, 3, 1, 1)
    assert np.array_equal(swapped[2], frames[2])
    for number in (0, 1, 3):
        oval = fill([landmarks[number, list(OVAL)]], SIDE, SIDE) > 0
        assert np.array_equal(swapped[number][~oval], frames[number][~oval])
        assert (swapped[number] != frames[number])[oval].mean() > 0.4
    hand = hand_mask(hands[1], SIDE, SIDE) > 0
    assert np.array_equal(swapped[1][hand], frames[1][hand])


@pytest.mark.parametrize("count", [1, 2])
def test_a_short_clip_and_one_without_a_face_pass(count):
    frames, track = cartoon((200, 90, 80), openings(count, 0))
    settings = replace(SET, smoothing=2.0)
    assert swap_frames(frames, track, any_network(), settings)[1].swapped == count
    nobody = replace(track, landmarks=np.full_like(track.landmarks, np.nan))
    same, report = swap_frames(frames, nobody, any_network(), settings)
    assert np.array_equal(same, frames)
    assert report.without_face == count


def test_a_face_half_outside_the_frame_is_swapped_as_far_as_it_is_there():
    frames, track = cartoon((200, 90, 80), openings(2, 0))
    landmarks = track.landmarks - np.array([30, 0, 0], np.float32)
    swapped, report = swap_frames(frames, replace(track, landmarks=landmarks), any_network(), SET)
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


# Checkpoints


def test_a_checkpoint_that_is_missing_damaged_or_of_another_size_is_named(tmp_path):
    folder, info = tmp_path / "DONOR-1", {"donor": "DONOR-1", "params": {"size": 32, "channels": 4, "code": 8}}
    with pytest.raises(CalseError, match=r"model.json is missing; .*swap-train@DONOR-1"):
        load_model(folder)
    network = any_network()
    save_model(folder, network, info)
    loaded, described = load_model(folder)
    assert described == info
    assert torch.equal(loaded.head.bias, network.head.bias)
    save_model(folder, network, info | {"params": {"size": 64, "channels": 4, "code": 8}})
    with pytest.raises(CalseError, match=r"model.safetensors is not the network that model.json describes"):
        load_model(folder)
    save_model(folder, network, info)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CalseError, match=r"model.safetensors"):
        load_model(folder)
    (folder / "model.json").write_text("{}")
    with pytest.raises(CalseError, match="describes no face-swap model"):
        load_model(folder)


# The stages


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
    write_track(layout.faces(source) / f"{name}.face", track)
    sha256 = sha256_of(layout.root / path)
    return Clip(name, "NO", source, f"{source} X", take, "", "", str(path), sha256, "", SIDE, SIDE, 25.0, 6, "{}")


def toy_params(**settings):
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))
    tree["swap"] = {
        "DF-1": asdict(replace(SET, clips_per_gloss=1)) | settings,
    }
    tree["recipes"] = {"Baseline": []}
    tree["swap-train"] = asdict(replace(TRAIN, channels=4, code=8, iterations=4, batch=2, preview_every=2))
    return check_params(tree)


def outputs(layout):
    return [sha256_of(path) for path in sorted(layout.swap_model("DONOR-1").iterdir())] + [
        (layout.metrics("swap-train") / "DONOR-1.csv").read_text()
    ]


def test_a_training_that_was_stopped_ends_with_the_same_bytes(repository, monkeypatch):
    params = toy_params()
    swap_train(params, repository, "DONOR-1")
    first = outputs(repository)
    assert first[-1].count("\n") == 5
    assert not any((repository.root / ".scratch/swap-train").iterdir())
    previews = sorted((repository.root / ".scratch/previews/DONOR-1").iterdir())
    assert [path.name for path in previews] == ["000002.png", "000004.png"]

    def stop(path, training):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(train_swap, "write_preview", stop)
        swap_train(params, repository, "DONOR-1")
    assert list((repository.root / ".scratch/swap-train").rglob("state.pt"))
    swap_train(params, repository, "DONOR-1")
    assert outputs(repository) == first
    info = json.loads((repository.swap_model("DONOR-1") / "model.json").read_text())
    assert info["signers"] == ["INTERPRETER X"]
    assert set(info["data"]) == {"INTERPRETER", "DONOR-1"}
    assert str(repository.root) not in json.dumps(info)


def test_a_swapped_set_has_records_that_say_what_it_is(repository, monkeypatch):
    monkeypatch.setattr(convert, "assess_set", lambda *_: {"passed": True})
    params = toy_params()
    swap_train(params, repository, "DONOR-1")
    swap(params, repository, "DF-1")
    (made,) = read_manifest(repository.set_manifest("DF-1"))
    parents = {clip.clip: clip for clip in read_manifest(repository.source_manifest("INTERPRETER"))}
    parent = parents[made.parent]
    assert made.clip == f"DF-1-{parent.clip}-1"
    assert (made.gloss, made.source, made.signer, made.take) == ("NO", "INTERPRETER", parent.signer, parent.take)
    model = sha256_of(repository.swap_model("DONOR-1") / "model.safetensors")
    assert made.details == {"by": "swap", "donor": "DONOR-1", "model": model, "seed": 1, "face": FACE}
    video = repository.root / made.path
    assert sha256_of(video) == made.sha256
    assert b"synthetic face" in video.read_bytes()
    assert read_frames(video).shape == (6, SIDE, SIDE, 3)
    report = json.loads((repository.metrics("swap") / "DF-1.json").read_text())
    assert report == {"clips": 1, "frames": 6, "frames_hand_over_face": 0, "frames_swapped": 6,
                      "frames_without_face": 0, "passed": True}  # fmt: skip


def test_test_clips_and_people_tested_on_never_train_a_model(repository):
    with pytest.raises(CalseError, match=r"swap.DF-1.of: .*seen the test clips"):
        swap_train(toy_params(of="public"), repository, "DONOR-1")
    with pytest.raises(CalseError, match="'SACU' is no source of kind donor; those are: DONOR-1"):
        swap_train(toy_params(), repository, "SACU")
    tested = replace(read_manifest(repository.source_manifest("DONOR-1"))[0], source="SACU")
    write_manifest(repository.source_manifest("SACU"), [tested])
    with pytest.raises(CalseError, match="donor DONOR-1: DONOR-1 X signs in the test source SACU too"):
        swap_train(toy_params(), repository, "DONOR-1")
    with pytest.raises(CalseError, match="signs in the test source SACU too"):
        swap(toy_params(), repository, "DF-1")


def test_a_track_of_another_clip_and_a_person_without_a_face_are_named(repository):
    path = repository.faces("DONOR-1") / "DONOR-1-NO-1.face"
    _, track = cartoon((0, 0, 0), [0.0])
    write_track(path, track)
    with pytest.raises(CalseError, match=r"DONOR-1-NO-1.face is of 1 frames, clip DONOR-1-NO-1 has 6"):
        swap_train(toy_params(), repository, "DONOR-1")
    nobody = np.full((6, 468, 3), np.nan, np.float32)
    for take in (1, 2):
        write_track(
            path.with_stem(f"DONOR-1-NO-{take}"),
            FaceTrack(nobody, np.zeros(6, np.float32), np.full((6, 2, 21, 2), np.nan, np.float32)),
        )
    with pytest.raises(CalseError, match="DONOR-1: no frame shows a face"):
        swap_train(toy_params(), repository, "DONOR-1")
