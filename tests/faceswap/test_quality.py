"""Figures of a swap: each against cases whose answer is known, the whole against a perfect swap and two bad ones."""

import pickle
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from calse.config.params import Synthesis, check_params
from calse.data.manifests import write_manifest
from calse.faceswap.quality import quality
from calse.faceswap.quality.compare import FeatureKept, compare, mean_kept
from calse.faceswap.quality.contact_sheet import SIDE, write_contact_sheet
from calse.faceswap.quality.distance import distances, identity_moved, quotas, sample
from calse.faceswap.quality.embedder import Embedder
from calse.faceswap.quality.expression import FEATURES, correlation
from calse.faceswap.quality.identity import embed
from calse.faceswap.quality.oracle import shot_of
from calse.faceswap.quality.pictures import degraded, detail, flicker, grey_faces, outside_difference, psnr, ssim
from calse.faceswap.quality.quality import assess_set, failures
from calse.landmarks.crops import Square, cut
from calse.landmarks.following import load_networks
from calse.landmarks.models import FACE_IDENTITY, model_path
from calse.landmarks.record import FACE_POINTS, read_landmarks
from calse.runtime.errors import CalseError
from faces import SWAP, drawn_track, filmed, track_of, with_models, write_clip
from signers.signers import DONORS, SOURCES

RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)


def params():
    tree = YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml").read_text(encoding="utf-8"))
    tree["corpus"]["sources"] |= {name: {"kind": "donor", "clips_per_gloss": None} for name in DONORS}
    return check_params(tree | {"recipes": {"Baseline": []}, "swap": {"DF-1": SWAP}})


def test_a_steady_ramp_does_not_flicker_and_an_alternation_does():
    steps = np.arange(6.0)[:, None, None] * np.ones((1, 4, 4))
    assert flicker(10 * steps) == 0
    assert flicker(10 * (steps % 2)) == 20  # each second difference is +-20
    assert flicker(steps[:2]) == 0


def test_a_blurred_face_has_lost_detail_and_a_slope_has_none():
    slope = np.arange(8.0)[None, None] * np.ones((1, 8, 1))
    assert detail(slope) == 0
    edge = np.where(slope < 4, 0.0, 10.0)
    assert detail(edge) == pytest.approx(2 * 10 / 6)  # two of six inner columns see the step
    sharp = grey_faces(NOISE[None], drawn_track(1))
    soft = grey_faces(cv2.GaussianBlur(NOISE, (0, 0), 2)[None], drawn_track(1))
    assert detail(soft) < detail(sharp) / 3


@pytest.mark.parametrize(("x", "y"), [(130, 90), (3, 170)])
def test_a_poor_copy_is_the_same_where_a_landmarker_looks_and_costs_nothing_elsewhere(x, y):
    frame = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (180, 240, 3), dtype=np.uint8), (0, 0), 2)
    square = Square(x, y, 48, 0.5)
    poor = degraded(frame, square)
    assert np.array_equal(cut(poor, square, 64), cut(degraded(frame), square, 64))
    assert not np.array_equal(cut(poor, square, 64), cut(frame, square, 64))
    assert not poor[:40].any()


def test_flicker_looks_at_the_face_only():
    frames = np.repeat(NOISE[None], 6, axis=0)
    frames[::2, :8] = 255 - frames[::2, :8]
    track = drawn_track(6)
    assert flicker(grey_faces(frames, track)) == 0
    frames[::2, 28:36, 28:36] = 255 - frames[::2, 28:36, 28:36]
    assert flicker(grey_faces(frames, track)) > 5


def test_outside_difference_sees_every_change_outside_the_face_and_none_inside():
    frames, track = np.repeat(NOISE[None], 3, axis=0) // 2, drawn_track(3)
    inside = frames.copy()
    inside[:, 30:34, 30:34] = 255
    assert outside_difference(frames, inside, track) == 0
    outside = frames.copy()
    outside[:, :, :8] += 9
    share = 64 * 8 / (64 * 64 - np.pi * 12 * 16)
    assert outside_difference(frames, outside, track) == pytest.approx(9 * share, rel=0.02)
    gone = replace(track, face=np.full_like(track.face, np.nan))
    assert outside_difference(frames, inside, gone) > 0  # without a face nothing may change


def test_psnr_and_ssim_agree_with_their_definitions():
    one = RNG.uniform(0, 245, (40, 40))
    assert psnr(one, one + 10) == pytest.approx(20 * np.log10(255 / 10))
    assert ssim(one, one) == pytest.approx(1)
    flat, brighter = np.full((40, 40), 100.0), np.full((40, 40), 150.0)
    c1 = 2.55**2
    assert ssim(flat, brighter) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-6)
    half = one.copy()
    half[20:] = np.nan
    assert psnr(half, one + 10) == pytest.approx(20 * np.log10(255 / 10))


def test_frames_are_shared_out_equally_and_each_clips_draw_is_its_own():
    names = [f"clip-{number}" for number in range(7)]
    assert sorted(quotas(names, 17, seed=1)) == [2, 2, 2, 2, 3, 3, 3]
    assert sum(quotas(names, 4, seed=1)) == 4
    assert quotas(names, 4, seed=1) == quotas(names, 4, seed=1) != quotas(names, 4, seed=2)
    usable = np.array([True, False] * 10)
    assert sample(usable, 4, "a", 1) == sample(usable, 4, "a", 1) != sample(usable, 4, "b", 1)
    assert all(usable[sample(usable, 99, "a", 1)])
    assert len(sample(usable, 99, "a", 1)) == 10


def person(along, count=6, spread=0.02):
    """Embeddings near a point `along` one axis."""
    faces = RNG.normal(0, spread, (count, 128))
    faces[:, 0] += along
    return faces.astype(np.float32)


def test_identity_is_measured_from_the_signer_of_each_frame_to_the_donor():
    ann, bob, donor = person(0), person(3), person(1)
    names = ["ANN"] * 6 + ["BOB"] * 6
    before = np.concatenate([ann, bob])
    assert distances(ann, donor) == pytest.approx(np.full(6, 1), abs=0.2)
    same = identity_moved(names, before, before, donor)
    assert same["moved"] == same["not_the_signer"] == same["the_donor"] == 0
    half = identity_moved(names, before, np.concatenate([ann, person(1)]), donor)  # Ann stays, Bob becomes the donor
    assert half["moved"] == half["not_the_signer"] == half["the_donor"] == 0.5
    away = identity_moved(names, before, np.concatenate([person(-2), person(9)]), donor)  # nobody's face
    assert (away["not_the_signer"], away["the_donor"]) == (1, 0)
    assert half["original"]["to_donor"]["q75"] > half["to_donor"]["q75"]


def test_a_face_is_known_by_the_numbers_that_dlib_itself_gives(world):
    """dlib's own network in its own code is the reference; another file than its own is refused by name."""
    layout, clip, frame = world[0], world[1], world[2][0]
    face = read_landmarks(layout.landmarks(clip.source) / f"{clip.clip}.npz").face[0]
    ours = embed(layout, frame, face)
    dlib = pytest.importorskip("dlib")
    corners = [dlib.point(*np.rint(face[k, :2]).astype(int).tolist()) for k in (263, 362, 33, 133, 2)]
    low, high = np.floor(face[:, :2].min(axis=0)).astype(int), np.ceil(face[:, :2].max(axis=0)).astype(int)
    shape = dlib.full_object_detection(dlib.rectangle(*low.tolist(), *high.tolist()), corners)
    path = model_path(layout, FACE_IDENTITY)
    theirs = np.array(dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(frame, shape))
    assert np.abs(ours - theirs).max() < 1e-5 < 0.05 < np.abs(theirs).max()
    (layout.root / "other.dat").write_bytes(path.read_bytes()[:10_000_000])
    with pytest.raises(CalseError, match=r"other\.dat is not dlib's face recognition network"):
        Embedder(layout.root / "other.dat")


def test_only_features_that_survive_a_poor_copy_count():
    table = {
        "lip_opening": FeatureKept(0.9, 0.1, 0.95, 0.0),
        "brow_gap": FeatureKept(0.1, 0.5, 0.3, 0.0),
        "yaw": FeatureKept(0.5, 0.1, 0.9, 0.0),
    }
    assert mean_kept(table) == 0.9
    assert mean_kept({"yaw": table["yaw"]}) is None


def test_thresholds_are_named_when_missed():
    swap = params().swap["DF-1"]
    assert failures({"identity": {"moved": 0.8}, "kept": 0.6}, swap) == []
    moved, kept = failures({"identity": {"moved": 0.79}, "kept": 0.1}, swap)
    assert "min_moved" in moved
    assert "min_kept" in kept
    assert failures({"identity": {"moved": 1.0}, "kept": None}, swap)


@pytest.fixture(autouse=True)
def few_frames(monkeypatch):
    monkeypatch.setattr(quality, "FRAMES", 6)
    monkeypatch.setattr(quality, "DONOR_FRAMES", 4)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The interpreter's clip, its frames, those of its perfect swap (the donor doing the same), and their truth."""
    layout = with_models(tmp_path_factory.mktemp("repository"))
    studio, donor = SOURCES["INTERPRETER"][0], DONORS["DONOR-1"]
    frames, truth = filmed(studio, studio, "NO")
    clip = write_clip(layout, Path("data/clips/INTERPRETER/NO.mp4"), frames, "INTERPRETER")
    other = filmed(donor, donor, "HOLA")[0][::3]
    donor_clip = write_clip(layout, Path("data/clips/DONOR-1/HOLA.mp4"), other, "DONOR-1")
    for one, pictures in ((clip, frames), (donor_clip, other)):
        write_manifest(layout.source_manifest(one.source), [one])
        track_of(layout, one, pictures)
    return layout, clip, frames, filmed(studio, donor, "NO")[0], truth


def swap_of(world, name, frames):
    path = Path("data/augmented/DF-1") / f"{name}.mp4"
    return write_clip(world[0], path, frames, "INTERPRETER", set="DF-1", parent=world[1].clip)


def assess(world, name, frames):
    return assess_set(params(), world[0], "DF-1", [swap_of(world, name, frames)])


def test_a_perfect_swap_passes(world):
    figures = assess(world, "perfect", world[3])
    assert figures["passed"], figures["failed"]
    assert figures["identity"]["moved"] == 1
    assert figures["expression"]["lip_opening"]["r"] > 0.8 > 0.5 > figures["expression"]["lip_opening"]["floor"]
    assert figures["outside"]["median"] > 1  # a whole other person is more than a face
    assert assess(world, "perfect", world[3]) == figures


def test_a_synthetic_corpus_shows_what_a_perfect_swap_would_be(world):
    """The oracle is filmed again out of the clip's name and the corpus's seed: it is the perfect swap of this world."""
    layout, clip, frames, perfect, _ = world
    synthetic = replace(params(), synthesise={params().corpus.name: Synthesis(14, 256, 1, seed=1)})
    filmed_by_people = assess_set(replace(params(), synthesise={}), layout, "DF-1", [swap_of(world, "real", perfect)])
    assert "oracle" not in filmed_by_people
    right, none = (
        assess_set(synthetic, layout, "DF-1", [swap_of(world, name, pictures)])["oracle"]
        for name, pictures in (("perfect", perfect), ("none", frames))
    )
    assert right["clips"] == right["lips"]["clips"] == 1
    assert right["ssim"]["swapped"] > 0.95 > none["ssim"]["swapped"] == pytest.approx(right["ssim"]["before"], abs=0.02)
    assert right["distance"]["swapped"] < 0.2 < 0.4 < none["distance"]["swapped"]
    assert right["lips"]["swapped"] > 0.7
    assert right["flicker"] == pytest.approx(filmed_by_people["flicker"]["median"], abs=0.1)
    assert shot_of(synthetic, replace(clip, source="SOMEBODY"), "DONOR-1") is None
    assert shot_of(synthetic, clip, "SOMEBODY") is None


def test_what_is_measured_in_a_face_follows_what_the_signer_truly_does(world):
    """Of synthetic signers it is known how far the jaw is open and the brows are raised; of people it is not."""
    layout, clip, frames, swapped, truth = world
    track = read_landmarks(layout.landmarks(clip.source) / f"{clip.clip}.npz")
    _, found = compare(frames, swapped, track, load_networks(layout), params().landmarks)
    jaw = truth["mouth"][:, list(truth["mouth_names"]).index("jawOpen")]
    raised, lowered = (
        truth["brows"][:, list(truth["brow_names"]).index(name)] for name in ("browInnerUp", "browDownLeft")
    )
    lips, right, left = (FEATURES.index(name) for name in ("lip_opening", "right_brow", "left_brow"))
    for measured in (found.original, found.swapped):
        seen = ~np.isnan(measured).any(axis=1)
        assert correlation(jaw[seen], measured[seen, lips]) > 0.7
        brows = measured[seen][:, [right, left]].mean(axis=1)
        assert correlation((raised - lowered)[seen], brows) > 0.4


def test_a_worker_sends_figures_back_and_no_landmarks(world):
    layout, clip, frames = world[:3]
    job = quality.Job(swap_of(world, "small", frames), clip, layout, params().landmarks, 1, 3)
    sent = pickle.dumps(quality.assess_clip(job))
    assert len(sent) < len(frames) * FACE_POINTS * 4 / 4, "a quarter of one of the three coordinates"


def test_a_copy_keeps_everything_but_the_identity_stays(world):
    figures = assess(world, "copy", world[2])
    assert figures["failed"] == ["identity moved in 0.00 of the frames, less than min_moved 0.8"]
    assert figures["kept"] > 0.9
    assert figures["outside"]["median"] < 1
    assert 0.8 < figures["flicker"]["median"] < 1.2
    assert 0.8 < figures["detail"]["median"] < 1.2


def test_a_frozen_face_of_the_donor_moves_the_identity_and_keeps_nothing(world):
    frozen = np.repeat(world[3][:1], len(world[3]), axis=0)
    figures = assess(world, "frozen", frozen)
    assert figures["identity"]["moved"] == 1
    assert not figures["passed"]
    assert "min_kept" in figures["failed"][0]


def test_a_set_without_a_face_fails_by_name(world):
    layout = world[0]
    noise = np.repeat(NOISE[None], 4, axis=0)
    parent = write_clip(layout, Path("data/clips/STS/NOISE.mp4"), noise, "STS")
    write_manifest(layout.source_manifest("STS"), [parent])
    assert not track_of(layout, parent, noise).has_face.any()
    swapped = replace(parent, clip="DF-1-NOISE-1", set="DF-1", parent="NOISE")
    failed = ["no sampled clip of the set has a face that can be measured"]
    assert assess_set(params(), layout, "DF-1", [swapped]) == {"passed": False, "failed": failed}


def test_a_set_whose_sampled_frames_lie_in_clips_that_lost_the_face_fails_by_name(world, monkeypatch):
    monkeypatch.setattr(quality, "FRAMES", 0)  # none is left for the clip that kept it
    failed = ["no sampled clip of the set has a face that can be measured"]
    assert assess(world, "unsampled", world[2]) == {"passed": False, "failed": failed}


def test_the_contact_sheet_shows_original_swap_and_donor(world):
    layout = world[0]
    swapped = swap_of(world, "contact", world[3])
    path = write_contact_sheet(params(), layout, "DF-1", [swapped])
    assert path == layout.augmented("DF-1") / "contact-sheet.png"
    picture = cv2.imread(str(path))
    caption = picture.shape[0] - 3 * SIDE
    assert 10 < caption < 40
    rows = [picture[caption + row * SIDE : caption + (row + 1) * SIDE, :250].astype(int) for row in range(3)]
    assert min(np.abs(rows[0] - rows[1]).mean(), np.abs(rows[1] - rows[2]).mean()) > 3
