import random
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from calse.augment.affine import draw_legacy, draw_matrix, draw_relative, warp
from calse.augment.stage import augment
from calse.config.params import read_params
from calse.data.clips import Clip, choose
from calse.data.manifests import read_manifest, write_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from calse.video.ours.planes import Planes
from calse.video.ours.read import read_frames

PARAMS = read_params(Path("presets/synthetic.yaml"))
RELATIVE = PARAMS.augment["AF1"]
OFF = replace(RELATIVE, rotation=0, scale=0, shear=0, translation=0, reflection=0)
CENTRE = np.array([31.5, 23.5, 1])


def draws(settings, count=200):
    return np.array([draw_relative(settings, 64, 48, np.random.default_rng(seed)) for seed in range(count)])


def test_the_legacy_draw_has_the_published_moments():
    """Against the moments measured on the study's tool with 20,000 draws; 4 standard errors of 4,000 draws."""
    matrices = np.array([draw_legacy(random.Random(seed)) for seed in range(4000)])
    published = {(0, 0): (1, 0.171), (1, 1): (1, 0.057), (0, 1): (0, 0.058), (1, 0): (0, 0.172)}
    for (row, column), (mean, deviation) in published.items():
        entries = matrices[:, row, column]
        assert entries.mean() == pytest.approx(mean, abs=4 * deviation / 4000**0.5)
        assert entries.std() == pytest.approx(deviation, rel=0.06)
    determinants = np.linalg.det(matrices[:, :, :2])
    assert determinants.min() > 0
    assert determinants.std() == pytest.approx(0.18, rel=0.06)
    assert matrices[:, :, 2].std(axis=0) == pytest.approx([15.6, 15.6], rel=0.06)


def test_the_legacy_draw_moves_the_triangle_by_whole_pixels_up_to_ten():
    for seed in range(200):
        matrix = draw_legacy(random.Random(seed))
        rng = random.Random(seed)
        corners = [(rng.randint(x - 3, x + 3), rng.randint(y - 3, y + 3)) for x, y in [(50, 50), (100, 50), (50, 200)]]
        moves = [matrix @ [x, y, 1] - [x, y] for x, y in corners]
        assert np.allclose(moves, np.round(moves), atol=1e-6)
        assert np.abs(moves).max() <= 10 + 1e-6


def test_with_everything_off_the_relative_map_is_the_identity():
    assert np.allclose(draws(OFF), np.eye(2, 3))


def test_each_relative_part_stays_within_its_limit_and_does_only_what_it_says():
    angles = [np.degrees(np.arctan2(m[1, 0], m[0, 0])) for m in draws(replace(OFF, rotation=12))]
    assert 11 < max(map(abs, angles)) <= 12
    scales = [np.linalg.det(m[:, :2]) ** 0.5 for m in draws(replace(OFF, scale=0.15))]
    assert 0.85 <= min(scales) < 0.87
    assert 1.13 < max(scales) <= 1.15
    shifts = np.array([m @ CENTRE - CENTRE[:2] for m in draws(replace(OFF, translation=0.1))])
    assert (np.abs(shifts).max(axis=0) <= [6.4, 4.8]).all()
    assert (np.abs(shifts).max(axis=0) > [6, 4.5]).all()
    shears = draws(replace(OFF, shear=0.2))[:, 0, 1]
    assert 0.19 < np.abs(shears).max() <= 0.2
    mirrored = draws(replace(OFF, reflection=0.5))[:, 0, 0]
    assert set(mirrored) == {-1.0, 1.0}


def test_the_centre_of_the_frame_stays_where_it_is_without_translation():
    moved = draws(replace(RELATIVE, translation=0, reflection=0.5)) @ CENTRE
    assert np.allclose(moved, CENTRE[:2])


def test_switching_one_part_off_leaves_the_other_draws_as_they_were():
    assert np.allclose(draws(replace(RELATIVE, translation=0))[:, :, :2], draws(RELATIVE)[:, :, :2])


def test_the_border_is_black_or_the_nearest_pixel():
    frame = Planes(np.full((48, 64), 200, np.uint8), *np.full((2, 24, 32), 90, np.uint8))
    right = np.array([[1.0, 0, 16], [0, 1, 0]])
    for plane, value, start in zip(warp(frame, right, "black"), (16, 128, 128), (15, 7, 7), strict=True):
        assert (plane[:, :start] == value).all()
    for plane, value in zip(warp(frame, right, "replicate"), (200, 90, 90), strict=True):
        assert (plane == value).all()


def test_colour_moves_with_brightness():
    """Mirrored and moved by whole colour samples, planes keep every value: no half sample is lost on the way."""
    rng = np.random.default_rng(0)
    picture = Planes(*(rng.integers(0, 256, size, np.uint8) for size in ((48, 64), (24, 32), (24, 32))))
    mirrored = warp(picture, np.array([[-1.0, 0, 63], [0, 1, 4]]), "replicate")
    for plane, before, down in zip(mirrored, picture, (4, 2, 2), strict=True):
        np.testing.assert_array_equal(plane[down:], before[:-down, ::-1])


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two glosses with the interpreter's three takes each: a bright square on grey, 64 x 48, 6 frames."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    layout, clips = Layout(tmp_path), []
    for gloss in ("AÑO", "NO"):
        for take in (1, 2, 3):
            name = f"INTERPRETER-{gloss[0]}-{take}"
            frames = np.full((6, 48, 64, 3), 90, np.uint8)
            frames[:, 16:32, 24:40] = 230
            path = layout.clips("INTERPRETER") / f"{name}.mp4"
            write_video(path, frames, 25)
            where = path.relative_to(tmp_path).as_posix()
            clips.append(
                Clip(
                    name, gloss, "INTERPRETER", "ana", take, "", "", where, sha256_of(path), name, 64, 48, 25.0, 6, "{}"
                )
            )
    write_manifest(layout.source_manifest("INTERPRETER"), clips)
    return layout


def test_a_set_is_made_whole_and_the_same_with_any_number_of_workers(repository, monkeypatch, cold):
    contents = []
    for workers in ("1", "2"):
        monkeypatch.setenv("CALSE_WORKERS", workers)
        augment(PARAMS, repository, "AF1")
        files = sorted(repository.augmented("AF1").iterdir())
        contents.append([repository.set_manifest("AF1").read_bytes(), *(file.read_bytes() for file in files)])
    assert contents[0] == contents[1]
    made = read_manifest(repository.set_manifest("AF1"))
    assert len(made) == 4
    parents = {clip.clip: clip for clip in read_manifest(repository.source_manifest("INTERPRETER"))}
    for copy in made:
        parent = parents[copy.parent]
        assert (copy.gloss, copy.source, copy.frames, copy.fps) == (parent.gloss, parent.source, 6, 25.0)
        assert sha256_of(repository.root / copy.path) == copy.sha256
        seed = copy.details["seed"]
        matrix = draw_matrix(RELATIVE, 64, 48, np.random.default_rng(seed))
        assert np.allclose(copy.details["matrix"], matrix)
        warped = read_frames(repository.root / copy.path)
        exact = [
            cv2.warpAffine(frame, matrix, (64, 48), flags=cv2.INTER_LINEAR)
            for frame in read_frames(repository.root / parent.path)
        ]
        assert len(warped) == 6
        assert np.abs(warped.astype(int) - np.array(exact)).mean() < 4


def test_which_takes_are_copied_is_a_seeded_draw(repository):
    clips = read_manifest(repository.source_manifest("INTERPRETER"))
    chosen = {seed: {clip.clip for clip in choose(clips, 2, seed)} for seed in range(8)}
    assert all(len(names) == 4 for names in chosen.values())
    assert len({frozenset(names) for names in chosen.values()}) > 1
    assert {clip.clip for clip in choose(clips[::-1], 2, 3)} == chosen[3]
    assert choose(clips, None, 3) == clips


def test_a_damaged_parent_stops_the_set_by_name_and_leaves_nothing(repository):
    path = repository.clips("INTERPRETER") / "INTERPRETER-N-1.mp4"
    path.write_bytes(path.read_bytes()[:-1])
    params = replace(PARAMS, augment={"AF1": replace(RELATIVE, clips_per_gloss=None)})
    with pytest.raises(CalseError, match="INTERPRETER-N-1"):
        augment(params, repository, "AF1")
    assert list((repository.root / "data").rglob("*AF1*")) == []
