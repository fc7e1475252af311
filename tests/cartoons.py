"""Cartoon faces for the tests of swapping: two people of one colour each, who open and close their mouths."""

from dataclasses import replace

import numpy as np
import torch

from calse.faceswap.align import MEAN_FACE, MOUTH
from calse.faceswap.mask import EYES_WITH_BROWS, LIPS, OVAL, fill
from calse.faceswap.methods.autoencoder.method import Options, Settings
from calse.faceswap.methods.autoencoder.model.network import SwapNetwork
from calse.landmarks.record import no_landmarks

TRAIN = Settings(
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
SET = Options(
    method="autoencoder",
    donor="DONOR-1",
    signers="INTERPRETER",
    clips_per_gloss=None,
    seed=1,
    erode=0.02,
    feather=0.1,
    min_moved=0.5,
    min_kept=0.5,
    smoothing=0.0,
)
PEOPLE = {"INTERPRETER": (200, 90, 80), "DONOR-1": (80, 100, 200)}
SIDE, CENTRE, WIDTH = 64, np.array([31.0, 35.0]), 44.0
NO_HANDS = np.full((2, 21, 3), np.nan, np.float32)


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
    return frames, replace(
        no_landmarks(len(openings)), face=landmarks, face_presence=np.ones(len(openings), np.float32)
    )


def openings(count, seed):
    return np.random.default_rng(seed).uniform(0, 0.12, count)


def flat_hand(x, y):
    """A hand that points up from its wrist at (x, y), 21 x 3."""
    fingers = [(x + 3 * finger, y - 6 - 4 * joint) for finger in range(-2, 3) for joint in range(4)]
    return np.pad(np.array([(x, y), *fingers], np.float32), ((0, 0), (0, 1)))


def any_network():
    """An untrained network that holds everything it draws for face: a swap with it changes all that it may."""
    torch.manual_seed(0)
    network = SwapNetwork(32, 4, 8).eval()
    network.head.bias.data[3:].fill_(20)
    return network
