"""The index of known clips: distances, the file, what the clips say of each other."""

from dataclasses import replace

import numpy as np
import pytest

from calse.data.clips import Clip
from calse.recognition.architectures.landmarks.examples import Example
from calse.recognition.architectures.landmarks.index import (
    TEMPERATURES,
    Index,
    class_scores,
    fused,
    joined,
    made_index,
    validation,
)
from calse.recognition.architectures.landmarks.index_file import read_index, write_index
from calse.recognition.architectures.landmarks.normalise import normalise
from calse.recognition.architectures.landmarks.signing import mirrored
from calse.runtime.errors import CalseError
from waving import LEFT, film

GLOSSES = ("AÑO", "NO", "SUR")


def example(gloss, seed=0, **options):
    """A clip of a sign: the fingers are more curled the later its gloss stands; its embedding says the same."""
    number = GLOSSES.index(gloss)
    signing = normalise(*film(40, curl=0.6 * number, seed=seed, **options), fps=25)
    vector = np.eye(4)[number] + 0.1 * np.random.default_rng(seed).random(4)
    embedding = (vector / np.linalg.norm(vector)).astype(np.float32)
    return Example(signing, np.stack([embedding, embedding[::-1]]))


def index_of(distance="fused", mirror=True, glosses=GLOSSES, seed=0):
    info = {"params": {"distance": distance, "mirror": mirror}, "classes": sorted({*GLOSSES, "ZOO"})}
    examples = [example(gloss, seed) for gloss in glosses]
    return made_index(examples, glosses, [f"{gloss}-{seed}.mp4" for gloss in glosses], info)


@pytest.mark.parametrize("distance", ["dtw", "encoder", "fused"])
def test_a_new_take_is_nearest_to_its_own_sign(distance):
    for gloss in GLOSSES:
        signs = index_of(distance).nearest(example(gloss, seed=7))
        assert signs[0].gloss == gloss
        assert signs[0].clip == f"{gloss}-0.mp4"
        assert {sign.gloss for sign in signs} == set(GLOSSES)
        assert [sign.distance for sign in signs] == sorted(sign.distance for sign in signs)


def test_a_sign_counts_once_by_its_nearest_clip():
    both = joined(index_of("dtw"), index_of("dtw", glosses=("NO",), seed=3))
    assert both.clips == ("AÑO-0.mp4", "NO-0.mp4", "SUR-0.mp4", "NO-3.mp4")
    signs = both.nearest(example("NO", seed=3))
    assert (signs[0].clip, len(signs)) == ("NO-3.mp4", 3)


def test_a_clip_of_a_known_name_takes_its_place():
    again = index_of("fused", glosses=("SUR",))
    both = joined(index_of("fused"), again)
    assert both.clips == ("AÑO-0.mp4", "NO-0.mp4", "SUR-0.mp4")
    assert both.embeddings.shape == (3, 4)


def test_a_clip_that_the_wrong_hand_leads_is_recognised_in_the_mirror_and_only_there():
    known = example("NO").signing
    turned = Example(mirrored(known))
    assert index_of("dtw").distances(turned)[1] < 1e-3
    assert index_of("dtw", mirror=False).distances(turned)[1] > 1


def test_fused_distances_order_clips_as_the_sum_of_z_scores_does():
    one, other = np.random.default_rng(0).random((2, 9)).astype(np.float32)
    scores = (one - one.mean()) / one.std() + (other - other.mean()) / other.std()
    assert np.argsort(fused(one, other)).tolist() == np.argsort(scores).tolist()
    assert fused(one, np.ones(9, np.float32)).tolist() == pytest.approx((one / 2).tolist())


def test_clips_beyond_the_shortlist_come_after_it_in_the_order_of_their_embeddings(monkeypatch):
    known = [index_of(seed=seed, glosses=glosses) for seed, glosses in ((0, GLOSSES), (1, GLOSSES[1:]), (2, GLOSSES))]
    index, query = joined(joined(known[0], known[1]), known[2]), example("NO", seed=7)
    embedded = replace(index, info={"params": {"distance": "encoder", "mirror": True}}).distances(query)
    order, whole = np.argsort(embedded, kind="stable"), index.distances(query)
    monkeypatch.setattr("calse.recognition.architectures.landmarks.index.SHORTLIST", 3)
    found = index.distances(query)
    alone = index_without(index, order[3:]).distances(query)
    np.testing.assert_array_equal(found[np.sort(order[:3])], alone, "as if nothing else were known")
    assert (np.argsort(found, kind="stable")[3:] == order[3:]).all()
    assert np.isfinite(found).all()
    assert np.argmin(found) == np.argmin(whole)
    monkeypatch.setattr("calse.recognition.architectures.landmarks.index.SHORTLIST", len(index.clips))
    np.testing.assert_array_equal(index.distances(query), whole)


def index_without(index, places):
    """The index less some of its clips."""
    kept = np.setdiff1d(np.arange(len(index.clips)), places)
    clips = [tuple(getattr(index, name)[place] for place in kept) for name in ("glosses", "clips")]
    return Index(*clips, index.signings.take(kept), index.embeddings[kept], index.info)


def test_probabilities_are_a_softmax_of_the_nearest_clips_distances():
    index = joined(index_of("dtw"), index_of("dtw", glosses=("NO",), seed=3))
    scores, probabilities = class_scores(index, np.array([0.5, 0.4, 0.9, 0.3], np.float32))
    np.testing.assert_allclose(scores, [-0.5, -0.3, -0.9, -np.inf])
    weights = np.exp([-0.5 / TEMPERATURES["dtw"], -0.3 / TEMPERATURES["dtw"], -0.9 / TEMPERATURES["dtw"]])
    np.testing.assert_allclose(probabilities, [*weights / weights.sum(), 0], rtol=1e-5)
    assert class_scores(index, None)[1].tolist() == [0.25] * 4


def known(*recordings):
    """An index of clips, each told by its source, its gloss and the gloss that it looks like; and the clips."""
    clips = {}
    for number, (source, gloss, looks) in enumerate(recordings):
        filmed = Clip(f"{source}-{number}", gloss, source, source, 1, "", "", "", "", "", 48, 48, 25, 12, "{}")
        clips[filmed] = example(looks, number)
    names, glosses = [clip.clip for clip in clips], [clip.gloss for clip in clips]
    return made_index(list(clips.values()), glosses, names, index_of("dtw").info), clips


def test_training_clips_are_looked_up_in_other_sources_alone():
    right = [(source, gloss, gloss) for source in ("SACU", "STS") for gloss in ("AÑO", "SUR")]
    index, clips = known(*right, ("SACU", "NO", "NO"), ("STS", "NO", "SUR"))
    assert validation(index, clips)["accuracy"] == pytest.approx(4 / 6), "neither NO is like the other"


def test_a_training_clip_whose_gloss_no_other_clip_shows_is_not_held_against_the_index():
    one_each = [("SACU", gloss, gloss) for gloss in GLOSSES]
    assert validation(*known(*one_each)) is None, "whatever they are like, none could be right"
    assert validation(*known(*one_each, ("STS", "NO", "NO")))["accuracy"] == 1, "both NO, and no other clip"


def test_nobody_is_left_out_and_nobody_at_all_is_an_error():
    index = made_index([None, example("NO")], ["AÑO", "NO"], ["a", "b"], {})
    assert index.clips == ("b",)
    with pytest.raises(CalseError, match="no clip shows a person"):
        made_index([None], ["NO"], ["a"], {})


def test_an_index_comes_back_from_its_file_and_equal_ones_give_equal_bytes(tmp_path):
    index = index_of()
    write_index(tmp_path / "signs", index)
    write_index(tmp_path / "again", index_of())
    assert (tmp_path / "signs").read_bytes() == (tmp_path / "again").read_bytes()
    back = read_index(tmp_path / "signs")
    assert (back.glosses, back.clips, back.info) == (index.glosses, index.clips, index.info)
    clip = example("SUR", seed=5)
    assert back.nearest(clip) == index.nearest(clip)


def test_a_damaged_index_and_what_is_none_are_named(tmp_path):
    write_index(tmp_path / "signs", index_of())
    whole = (tmp_path / "signs").read_bytes()
    middle = len(whole) // 2
    for name, content in {
        "short": whole[:-9],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "other": b"not an index",
        "empty": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CalseError, match=f"{name} is no index of signs"):
            read_index(tmp_path / name)
    with pytest.raises(CalseError, match="nothing is missing"):
        read_index(tmp_path / "nothing")
    with pytest.raises(CalseError, match="is a folder"):
        read_index(tmp_path)


def test_a_left_handed_signer_finds_the_same_sign():
    assert index_of("dtw").nearest(example("NO", seed=4, lead=LEFT))[0].gloss == "NO"
