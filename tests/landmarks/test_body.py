"""The body's landmarks: decoded as a plain loop decodes them, followed, and those of the person with the face."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import ModelT

from calse.landmarks.body import WRISTS, BodyFollower, BodyMesh, refined
from calse.landmarks.crops import Square
from calse.landmarks.detector import BODIES, Detection, anchor_centres
from calse.landmarks.following import landmarks_of_frames
from calse.landmarks.models import BODY_MESH, model_path
from calse.landmarks.tflite import Network, pruned
from faces import FACES

FRAME = np.zeros((100, 100, 3), np.uint8)


def plainly_refined(x, y, heat):
    """One point and its heat map of logits, cell by cell."""
    total = across = down = warmest = 0.0
    for row in range(max(0, int(y) - 3), min(heat.shape[0], int(y) + 4)):
        for column in range(max(0, int(x) - 3), min(heat.shape[1], int(x) + 4)):
            share = 1 / (1 + math.exp(-heat[row, column]))
            total, across, down = total + share, across + share * column, down + share * row
            warmest = max(warmest, share)
    return (across / total, down / total) if warmest >= 0.5 else (x, y)


def test_points_move_to_the_warm_part_of_their_heat_map_as_in_a_plain_loop():
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.uniform(0, 64, (30, 2)), [[0, 0], [63.9, 63.9], [-20, 30], [70, 5]]]).astype(
        np.float32
    )
    heat = rng.normal(-4, 2, (64, 64, len(points))).astype(np.float32)
    expected = [plainly_refined(*point, heat[..., k]) for k, point in enumerate(points)]
    assert np.allclose(refined(points, heat), expected, atol=1e-3)
    stayed = (refined(points, heat) == points).all(axis=1)
    assert 5 < stayed.sum() < 25  # both happen
    assert stayed[32]  # nothing of the map is near it


def test_a_detector_of_bodies_has_as_many_anchors_as_its_model_boxes():
    centres = anchor_centres(224, BODIES.layers)
    assert len(centres) == 2254
    assert centres[0].tolist() == [4, 4]
    assert centres[-1].tolist() == [208, 208]


class Model:
    """A body model that sees nothing but what a test stores: 39 points of the crop."""

    size = 256

    def __init__(self, points, presence=1.0):
        self.values = np.pad(points, ((0, 0), (0, 2))).astype(np.float32)
        self.presence = np.array([presence], np.float32)

    def __call__(self, picture):
        heat = np.full((64, 64, 39), -80, np.float32)
        return [self.values.ravel(), self.presence, heat.ravel()]


def test_points_come_back_in_the_pictures_pixels_with_the_square_for_the_next_frame():
    points = np.zeros((39, 3), np.float32)
    points[16] = 256, 128, 10
    points[33], points[34] = (128, 128, 0), (128, 28, 0)
    found, presence, after = BodyMesh(Model(points, 0.75))(FRAME, Square(50, 60, 64, math.pi / 2))
    assert presence == 0.75
    assert found.shape == (33, 3)
    assert found[16].tolist() == pytest.approx([50, 92, 2.5])  # a quarter turn: to the right is down in the picture
    assert tuple(after) == pytest.approx((50, 60, 2 * 25 * 1.25, math.pi / 2))


def test_the_outputs_that_are_read_are_those_of_the_whole_model_and_no_other_is_computed(layout):
    path = model_path(layout, BODY_MESH)
    picture = np.random.default_rng(0).random((256, 256, 3), np.float32)
    points, presence, _, heat, _ = Network(path)(picture)
    read = Network(path, BodyMesh.OUTPUTS)(picture)
    for one, other in zip(read, (points, presence, heat), strict=True):
        np.testing.assert_array_equal(one, other)
    whole = path.read_bytes()
    graphs = [ModelT.InitFromPackedBuf(model, 0).subgraphs[0] for model in (whole, pruned(whole, BodyMesh.OUTPUTS))]
    made, kept = ({int(tensor) for step in graph.operators for tensor in step.outputs} for graph in graphs)
    assert kept < made
    assert not kept & {int(graphs[0].outputs[place]) for place in (2, 4)}


def body(x, y, height=30.0):
    """A detection whose hips are at (x, y); it reaches `height` up, the shoulders lie half that way."""
    points = np.array([[x, y], [x, y - height], [x, y - height / 2], [x, y - height]], np.float32)
    return Detection(0.9, np.array([x - 5, y - height, x + 5, y], np.float32), points)


class Bodies:
    """A detector and a model that find what a test says; `presences` are those of the frames to come."""

    def __init__(self, *found, presences=()):
        self.found, self.presences = list(found), list(presences)
        self.looks, self.squares = 0, []

    def detect(self, picture):
        self.looks += 1
        return self.found

    def mesh(self, picture, square):
        self.squares.append(square)
        return np.zeros((33, 3), np.float32), self.presences.pop(0) if self.presences else 1.0, square


def test_a_body_is_detected_once_and_again_when_it_is_lost():
    bodies = Bodies(body(50, 50), presences=[1, 1, 0.4, 0.4, 1])
    follow = BodyFollower(bodies.detect, bodies.mesh)
    assert [follow(FRAME, None) is not None for _ in range(4)] == [True, True, False, True]
    assert bodies.looks == 3  # in the first frame, where it is lost, and in the one after


def test_of_several_bodies_it_is_the_tallest_or_that_under_the_face():
    bodies = Bodies(body(20, 60), body(70, 60, 40))
    follow = BodyFollower(bodies.detect, bodies.mesh)
    follow(FRAME, None)
    assert bodies.squares[0] == (70, 60, 2 * 40 * 1.25, 0)
    face = np.array([[18.0, 36, 0], [22, 40, 0]], np.float32)
    follow = BodyFollower(bodies.detect, bodies.mesh)
    follow(FRAME, face)
    assert bodies.squares[1][:2] == (20, 60)
    assert follow.crowded == 1


def test_the_wrists_of_a_filmed_signer_are_where_they_are(networks, hola):
    frames, truth = hola
    found = landmarks_of_frames(frames[8:20], networks, FACES)
    assert found.has_body.all()
    right = truth["wrists"][8:20, 0]
    away = np.linalg.norm(found.body[:, WRISTS[1], :2] - right, axis=1)
    assert np.median(away) < 12  # the shoulders are 100 pixels apart
    assert (found.body[:, 11, 0] > found.body[:, 12, 0]).all()  # who faces us has the left shoulder on our right


LOADED = "import sys; from pathlib import Path; from calse.landmarks.tflite import Network; Network(Path(sys.argv[1]))"


def test_a_network_is_loaded_without_a_word_to_the_user(layout):
    model = str(model_path(layout, BODY_MESH))
    environment = {"PYTHONPATH": str(Path("src").resolve())}
    done = subprocess.run([sys.executable, "-c", LOADED, model], env=environment, capture_output=True, check=True)
    assert done.stderr == b""
