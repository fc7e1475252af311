"""Who is named by face and by motion: synthetic signers, and one filmed with another's figure as a perfect swap."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calse.data.manifests import write_manifest
from calse.faceswap.reidentify.motion import motion_of, without_posture
from calse.faceswap.reidentify.rank import Sample, nearest, rank1, spread_of
from calse.faceswap.reidentify.stage import reidentify
from calse.landmarks.record import no_landmarks
from faces import filmed, track_of, with_models, write_clip
from signers.signers import SOURCES
from toys import toy_params

GLOSSES = ("NO", "CASA")


def moving(count=30, seed=1):
    """A body whose limbs move."""
    landmarks = no_landmarks(count)
    landmarks.body[:] = np.random.default_rng(seed).normal(100, 30, (33, 3))
    landmarks.body[:, [11, 12]] = [[150, 100, 0], [50, 100, 0]]
    landmarks.body[:, [0, 13, 14, 15, 16]] += 9 * np.sin(np.arange(count) / 3)[:, None, None]
    return landmarks


def test_neither_size_nor_place_in_the_picture_tell_who_moves():
    one, other = moving(), moving()
    other.body[:] = 0.4 * other.body + 70
    assert motion_of(other, 25) == pytest.approx(motion_of(one, 25), abs=1e-4)


def test_who_moves_faster_moves_otherwise_and_posture_is_left_out_on_request():
    slow, fast = motion_of(moving(), 25), motion_of(moving(), 50)
    assert fast[2] == pytest.approx(2 * slow[2])
    assert fast[3] == pytest.approx(4 * slow[3])
    bent = moving()
    bent.body[:, [13, 14]] += 40
    assert not np.allclose(motion_of(bent, 25), slow)
    assert without_posture(motion_of(bent, 25)) == pytest.approx(without_posture(slow), abs=1e-4)


def test_a_film_that_hardly_shows_a_body_tells_nothing():
    assert motion_of(moving(4), 25) is None
    assert motion_of(no_landmarks(9), 25) is None


def known(person, gloss, *values):
    return Sample(person, gloss, np.array(values, float) if values else None)


def test_a_clip_of_the_same_sign_names_nobody():
    gallery = [known("Ana", "NO", 0), known("Ana", "CASA", 5), known("Eva", "SUR", 3), known("Leo", "SUR")]
    assert nearest(known("Ana", "NO", 0), gallery) == "Eva"
    assert nearest(known("Ana", "SUR", 0), gallery) == "Ana"
    assert nearest(known("Ana", "NO"), gallery) == ""
    assert nearest(known("Ana", "NO", 0), gallery[:1]) == ""


def test_each_feature_counts_by_its_spread():
    gallery = [known("Ana", "A", 0, 1000), known("Eva", "B", 1, 0)]
    probe = known("Ana", "C", 0, 450)
    assert nearest(probe, gallery) == "Eva"
    assert nearest(probe, gallery, spread_of(gallery)) == "Ana"


def test_a_rate_has_its_exact_interval_and_a_clip_that_shows_nothing_counts_as_unnamed():
    gallery = [known("Ana", "A", 0), known("Eva", "A", 9)]
    never = [known("Eva", str(number), 0) for number in range(14)]
    assert rank1(never, gallery) == {"n": 14, "rank1": 0.0, "interval": [0.0, 0.2316]}  # 1 - 0.025 ** (1 / 14)
    assert rank1([known("Ana", "B", 1), known("Ana", "C")], gallery)["rank1"] == 0.5


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two signers of two signs each, their landmarks, and a set in which one signs with the other's figure."""
    layout = with_models(tmp_path_factory.mktemp("repository"))
    clips = {}
    for source in ("SACU", "INTERPRETER"):
        for gloss in GLOSSES:
            studio = SOURCES[source][0]
            frames = filmed(studio, studio, gloss, 128)[0][::5]
            path = layout.clips(source).relative_to(layout.root) / f"{source}-{gloss}-1.mp4"
            clips[source, gloss] = write_clip(layout, path, frames, source, gloss=gloss)
            track_of(layout, clips[source, gloss], frames)
        write_manifest(layout.source_manifest(source), [clips[source, gloss] for gloss in GLOSSES])
    parent = clips["INTERPRETER", "NO"]
    frames = filmed(SOURCES["INTERPRETER"][0], SOURCES["SACU"][0], "NO", 128)[0][::5]
    path = layout.augmented("DF-1").relative_to(layout.root) / "DF-1-INTERPRETER-NO-1-1.mp4"
    swapped = write_clip(layout, path, frames, "INTERPRETER", set="DF-1", parent=parent.clip)
    write_manifest(layout.set_manifest("DF-1"), [swapped])
    copy = layout.root / path.with_name("DF-2-INTERPRETER-NO-1-1.mp4")
    copy.write_bytes((layout.root / parent.path).read_bytes())
    same = replace(swapped, clip=copy.stem, set="DF-2", path=str(copy.relative_to(layout.root)), sha256=parent.sha256)
    write_manifest(layout.set_manifest("DF-2"), [same])
    return layout


def asked(layout, set_name, **landmarks):
    params = toy_params()
    sources = replace(params.landmarks, **({"sources": ("SACU", "INTERPRETER")} | landmarks))
    reidentify(replace(params, landmarks=sources), layout, set_name)
    return json.loads((layout.metrics("reidentify") / f"{set_name}.json").read_text())


def test_the_face_names_the_signer_before_a_swap_and_not_after_a_perfect_one(world):
    figures = asked(world, "DF-1")
    assert (figures["people"], figures["signers"], figures["chance"]) == (2, 1, 0.5)
    assert figures["face"]["gallery"] == {"n": 4, "rank1": 1.0, "interval": [0.3976, 1.0]}
    assert figures["face"]["before"]["rank1"] == 1
    assert figures["face"]["after"]["rank1"] == 0
    assert figures["motion"]["after"]["n"] == figures["movement"]["before"]["n"] == 1


def test_what_was_not_swapped_names_the_signer_as_before(world):
    figures = asked(world, "DF-2")
    for way in ("face", "motion", "movement"):
        assert figures[way]["after"] == figures[way]["before"]
    assert figures["face"]["after"]["rank1"] == 1


def test_one_person_alone_cannot_be_distinguished_from_anybody(world):
    assert asked(world, "DF-1", sources=("INTERPRETER",)) == {"people": 1, "signers": 1}
