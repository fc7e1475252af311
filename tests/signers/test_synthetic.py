"""The embedded corpus: what a user relies on is that it is the same every time, labelled rightly, and varied."""

import hashlib
import platform
import unicodedata
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from calse.config.params import Params, Synthesis, read_params
from calse.corpus.glossary import read_glossary
from calse.corpus.synthesise import INDEX_COLUMNS, record, recordings, synthesise
from calse.data.clips import normalise_gloss
from calse.data.manifests import read_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from signers import kernels
from signers.body import Pose, Skeleton
from signers.film import film
from signers.gloss import Gloss
from signers.glosses import glosses
from signers.hair import grid_faces
from signers.hands import Hand, hand
from signers.human import human
from signers.landmarks import face_front, named_points
from signers.render import DISTANCE, light_on, look
from signers.scene import Camera, Light
from signers.signers import DONORS, SIGNERS, SOURCES
from signers.take import rng_of

SMALL = Synthesis(glosses=2, short_side=48, donor_clips=1, seed=7)
FOLDERS = [*SOURCES, *DONORS]


def small_params() -> Params:
    return replace(read_params(Path(__file__).parents[2] / "presets/synthetic.yaml"), synthesise={"tiny": SMALL})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout = Layout(tmp_path_factory.mktemp("repository"))
    synthesise(small_params(), layout, "tiny")
    return layout.raw("tiny")


def gloss_named(name: str) -> Gloss:
    return next(gloss for gloss in glosses(24) if gloss.name == name)


def test_corpus_has_every_source_donor_and_index(corpus: Path) -> None:
    assert read_glossary(corpus / "glossary.csv") == ["HOLA", "NO"]
    for folder in FOLDERS:
        rows = read_rows(corpus / folder / "clips.csv", INDEX_COLUMNS)
        assert {row["file"] for row in rows} == {file.name for file in (corpus / folder).glob("*.mp4")}
        assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)
        for row in rows:
            assert sha256_of(corpus / folder / row["file"]) == row["sha256"]
            assert (corpus / folder / "truth" / row["file"]).with_suffix(".npz").is_file()
    takes = read_rows(corpus / "INTERPRETER/clips.csv", INDEX_COLUMNS)
    assert sorted((row["gloss"], row["take"]) for row in takes) == [(g, t) for g in ("HOLA", "NO") for t in "123"]
    assert len(list(corpus.rglob("*.mp4"))) == 2 * 6 + 3


def test_donors_sign_in_no_source(corpus: Path) -> None:
    signers = [{row["signer"] for row in read_rows(corpus / folder / "clips.csv", INDEX_COLUMNS)} for folder in FOLDERS]
    assert all(len(names) == 1 for names in signers)
    assert len(set.union(*signers)) == len(FOLDERS)


def test_a_clip_made_again_in_another_process_has_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    again = next(job for job in recordings(SMALL, tmp_path) if job.clip == "DILSE-NO-1")
    (again.folder / "truth").mkdir(parents=True)
    row = record(again)
    for name in ("DILSE-NO-1.mp4", "truth/DILSE-NO-1.npz"):
        assert (again.folder / name).read_bytes() == (corpus / "DILSE" / name).read_bytes()
    record(replace(again, seed=8))
    assert sha256_of(again.folder / "DILSE-NO-1.mp4") != row["sha256"]


# Drawn on an Intel processor with AVX-512; emulated ones without, AMD's Rome and Intel's Haswell, drew the same.
FRAMES = {
    "SACU": "dadffdb3efbd61df",
    "STS": "ba539293121f07ea",
    "DILSE": "648a8e5724304a4c",
    "INTERPRETER": "1d37689d64806a22",
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="these pixels are of x86-64 processors")
@pytest.mark.parametrize("source", FRAMES)
def test_pixels_do_not_depend_on_the_processor(source: str) -> None:
    digest = hashlib.sha256()
    for frame, _ in islice(film(SOURCES[source][0], glosses(3)[2], 64, rng_of("golden", source)), 12, 15):
        digest.update(frame)
    assert digest.hexdigest()[:16] == FRAMES[source]


def test_sources_differ_in_size_and_rate(corpus: Path) -> None:
    seen = set()
    for source in SOURCES:
        with av.open(str(next((corpus / source).glob("*.mp4")))) as container:
            stream = container.streams.video[0]
            assert min(stream.width, stream.height) == SMALL.short_side
            assert 9 < stream.frames < 60
            seen.add((stream.width, stream.height, stream.average_rate))
    assert len({rate for *_, rate in seen}) == 2
    assert len({(width, height) for width, height, _ in seen}) == 3


def test_labels_match_what_the_hands_do(corpus: Path) -> None:
    labels = np.load(corpus / "SACU/truth/SACU-HOLA-1.npz")
    with av.open(str(corpus / "SACU/SACU-HOLA-1.mp4")) as container:
        frames = container.streams.video[0].frames
    assert {len(labels[name]) for name in ("face_box", "mesh", "wrists", "mouth")} == {frames}
    right, left = np.ptp(labels["wrists"][:, 0], axis=0), np.ptp(labels["wrists"][:, 1], axis=0)
    assert right[1] > 0.4 * SMALL.short_side  # HOLA lifts the right hand over the shoulder, the left one rests
    assert left[1] < 0.1 * SMALL.short_side


def test_labels_match_what_the_face_does(corpus: Path) -> None:
    labels = np.load(corpus / "SACU/truth/SACU-HOLA-1.npz")
    left, top, right, bottom = labels["face_box"].T
    assert min(left.min(), top.min()) >= 0
    assert max(right.max(), bottom.max()) < 48
    points = dict(zip(labels["point_names"].tolist(), labels["points"].transpose(1, 2, 0), strict=True))
    for x, y in points.values():
        assert ((x > left - 1) & (x < right + 1) & (y > top - 1) & (y < bottom + 1)).all()
    assert (points["eye_right"][0] < points["eye_left"][0]).all()  # the signer's own right is on the left
    opening = points["lip_lower"][1] - points["lip_upper"][1]
    jaw = labels["mouth"][:, labels["mouth_names"].tolist().index("jawOpen")]
    assert np.corrcoef(opening, jaw)[0, 1] > 0.9
    lift = points["eye_left"][1] - points["brow_left"][1]
    brow = labels["brows"][:, labels["brow_names"].tolist().index("browOuterUpLeft")]
    assert np.corrcoef(lift, brow)[0, 1] > 0.9


def test_visible_mesh_points_are_skin_and_the_face_is_sixty_pixels_wide() -> None:
    for frame, truth in list(film(SOURCES["SACU"][0], gloss_named("HOLA"), 256, rng_of(1)))[:2]:
        assert truth.face_box[2] - truth.face_box[0] >= 58
        assert truth.visible.mean() > 0.8
        x, y = truth.mesh[truth.visible].round().astype(int).T
        red, _, blue = frame[y, x].astype(float).T
        assert (red > blue).mean() > 0.95
        assert (frame[:20, :20].astype(float) @ [1, 0, -1] < 0).all()  # the wall is bluish


@pytest.mark.parametrize("name", ["CASA", "MADRE"])
def test_some_glosses_put_hands_over_the_face(name: str) -> None:
    visible = [truth.visible.mean() for _, truth in film(SOURCES["SACU"][0], gloss_named(name), 48, rng_of(2))]
    assert max(visible) > 0.8
    assert min(visible) < max(visible) - 0.2


def test_glosses_are_named_well_and_hard_cases_are_in_the_default_ones() -> None:
    names = [gloss.name for gloss in glosses(1000)]
    assert len({name.casefold() for name in names}) == 1000
    assert all(name == normalise_gloss(name) == unicodedata.normalize("NFC", name) for name in names)
    assert {"NO", "AÑO", "DÍA"} < set(names[:14])
    assert names[24] == "SIGNO-0025"


def form(gloss: Gloss) -> bytes:
    hands = [hand for key in gloss.keys for hand in (key.right, key.left) if hand]
    return b"".join(np.concatenate(hand).tobytes() for hand in hands)


def differing(one: Hand, other: Hand) -> list[str]:
    return [name for name in Hand._fields if not np.array_equal(getattr(one, name), getattr(other, name))]


def test_minimal_pairs_differ_in_one_thing() -> None:
    play, joke, eat, drink, think, feel = map(gloss_named, ("JUGAR", "BROMEAR", "COMER", "BEBER", "PENSAR", "SENTIR"))
    assert form(play) == form(joke)
    assert play.brows != joke.brows
    assert not set(play.mouth) & set(joke.mouth)
    for one, other in zip(eat.keys, drink.keys, strict=True):
        assert differing(one.right, other.right) == ["shape"]
    for one, other in zip(think.keys, feel.keys, strict=True):
        assert differing(one.right, other.right) == ["wrist"]


def test_everybody_is_somebody_else() -> None:
    assert len(human().bodies) == len(SIGNERS) == 7
    faces = {name: vertices[face_front()] for name, (vertices, _) in human().bodies.items()}
    names = sorted(faces)
    for number, name in enumerate(names):
        for other in names[:number]:
            assert np.linalg.norm(faces[name] - faces[other], axis=1).mean() > 0.002, (name, other)
            assert SIGNERS[name].skin != SIGNERS[other].skin


def test_an_unknown_corpus_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CalseError, match="no corpus 'other'"):
        synthesise(small_params(), Layout(tmp_path), "other")
    assert not list(tmp_path.iterdir())


def test_wrists_reach_their_targets() -> None:
    _, heads = human().bodies["SIGNER-2"]
    skeleton = Skeleton(heads)
    right, left = hand("high", "out", "flat"), hand("belly", "up", "fist")
    turned, shifted = skeleton.pose(Pose(right, left))
    for side, sign, target in (("R", -1, right), ("L", 1, left)):
        bone = human().bones[f"wrist.{side}"]
        expected = target.wrist * skeleton.scale * [sign, 1, 1] + skeleton.chest
        np.testing.assert_allclose(
            turned[bone] @ heads[bone] + shifted[bone], expected, atol=2e-3
        )  # the twist of the forearm moves it a little
        np.testing.assert_allclose(turned[bone] @ turned[bone].T, np.eye(3), atol=1e-9)


def test_camera_centres_its_target_and_scales_with_height() -> None:
    camera = Camera(height=0.5, yaw=30, pitch=10, target=(0.1, 0.2, 0.3))
    points = look(np.array([[0.1, 0.2, 0.3]]), camera, 101, 51).points
    np.testing.assert_allclose(points, [[50, 25, DISTANCE]], atol=1e-4)
    straight = look(np.array([[0, 0, 0.25], [0, 0, -0.25]]), Camera(height=0.5, target=(0, 0, 0)), 100, 100).points
    np.testing.assert_allclose(straight[:, 1], [-0.5, 99.5], atol=1e-4)


def test_bones_turn_with_their_parents_unless_they_are_fixed() -> None:
    parents, fixed = np.array([0, 0, 1, 2], np.int32), np.array([False, False, True, False])
    local, heads = Rotation.random(4, random_state=1).as_matrix(), np.random.default_rng(1).random((4, 3))
    turns, places = np.empty_like(local), np.empty_like(heads)
    kernels.chain(parents, local, fixed, heads, turns, places)
    np.testing.assert_allclose(turns, [local[0], local[0] @ local[1], local[2], local[2] @ local[3]], atol=1e-12)
    grown = [places[parent] + turns[parent] @ (heads[bone] - heads[parent]) for bone, parent in enumerate(parents)]
    np.testing.assert_allclose(places, [heads[0], *grown[1:]], atol=1e-12)


def test_light_falls_off_with_the_angle_and_shines_where_it_is_mirrored() -> None:
    count = len(human().canonical)
    glossy = SimpleNamespace(shine=np.tile([0.5, 18.0], (count, 1)))
    towards, aside = np.array([0, -1, 0], np.float32), np.array([1, 0, 0], np.float32)
    normals = np.where(np.arange(count)[:, None] % 2, aside, towards)
    light = Light(ambient=(0.1, 0.2, 0.3), lights=(((0, -2.0, 0), (0.5, 0.6, 0.7)),), shadow=0)
    reached = light_on(np.tile(-DISTANCE * towards, (count, 1)), normals, light, glossy)  # type: ignore[arg-type]
    ambient, colour = 0.75 * np.array(light.ambient), np.array(light.lights[0][1])
    np.testing.assert_allclose(reached[0], [*(ambient + colour), 0.5 * colour[1]], rtol=1e-5)
    np.testing.assert_allclose(reached[1, :3], ambient + 0.2 * colour, rtol=1e-5)
    assert reached[1, 3] < 1e-3 * reached[0, 3]


@pytest.mark.parametrize("near_last", [True, False])
def test_the_nearest_triangle_is_drawn(near_last: bool) -> None:
    far, near = [[0, 0, 5], [0, 8, 5], [8, 0, 5]], [[0, 0, 2], [0, 3, 2], [3, 0, 2]]
    points = np.array(far + near if near_last else near + far, np.float32)
    depth, triangle = np.empty((10, 10), np.float32), np.empty((10, 10), np.int32)
    kernels.rasterise(points, np.array([[0, 1, 2], [3, 4, 5]], np.int32), 0, depth, triangle)
    reach = np.add(*np.mgrid[0:10, 0:10])
    assert (triangle == np.where(reach <= 3, int(near_last), np.where(reach <= 8, int(not near_last), -1))).all()
    assert (depth[reach <= 3] == 2).all()


def test_named_points_lie_where_a_face_has_them() -> None:
    place = {name: human().canonical[vertices].mean(0) for name, vertices in named_points().items()}
    heights = [place[name][2] for name in ("brow_left", "eye_left", "nose", "lip_upper", "lip_lower", "chin")]
    assert heights == sorted(heights, reverse=True)
    for pair in ("eye", "mouth", "brow"):
        np.testing.assert_allclose(place[f"{pair}_left"] * [-1, 1, 1], place[f"{pair}_right"], atol=1e-3)


def test_neighbouring_triangles_leave_no_gap() -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-2:42:1.37, -2:42:1.37]
    points = np.stack([x, y, np.ones_like(x)], -1)
    points[1:-1, 1:-1, :2] += rng.uniform(-0.5, 0.5, points[1:-1, 1:-1, :2].shape)
    faces = grid_faces(*x.shape).astype(np.int32)
    depth, triangle = np.empty((40, 40), np.float32), np.empty((40, 40), np.int32)
    kernels.rasterise(points.reshape(-1, 3).astype(np.float32), faces, 0, depth, triangle)
    assert (triangle >= 0).all()
    np.testing.assert_allclose(depth, 1, rtol=1e-5)
