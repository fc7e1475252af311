"""Landmarks drawn by hand: somebody who raises one hand, waves it and lowers it."""

import numpy as np

NAMED = {"nose": 0, "left shoulder": 11, "right shoulder": 12, "left elbow": 13, "right elbow": 14}
LEFT, RIGHT = 0, 1  # slots of the landmarks


def open_hand(curl=0.0):
    """A flat right hand that points up and shows its back to the camera, in metres."""
    points = np.zeros((21, 3))
    for finger, x in enumerate((-0.04, -0.025, 0, 0.02, 0.04)):  # thumb first
        lengths = np.array([0.05, 0.07, 0.09, 0.1]) if finger == 0 else np.array([0.09, 0.12, 0.14, 0.16])
        points[1 + 4 * finger : 5 + 4 * finger] = np.stack([np.full(4, x), -lengths, curl * lengths**2 * 20], axis=1)
    return points


def film(frames=50, size=(640, 480), width=100.0, middle=(320.0, 200.0), lead=RIGHT, curl=0.0, seed=0):
    """Landmarks of somebody who raises one hand, waves it and lowers it: body, hands, world in pixels and metres."""
    generator = np.random.default_rng(seed)
    body, hands = np.full((frames, 33, 3), 50.0), np.full((frames, 2, 21, 3), np.nan)
    world = np.full((frames, 2, 21, 3), np.nan)
    side = -1 if lead == RIGHT else 1  # the signer's right is left in the picture
    place = {"nose": (0, -0.55), "left shoulder": (0.5, 0), "right shoulder": (-0.5, 0)}
    place |= {"left elbow": (0.7, 0.9), "right elbow": (-0.7, 0.9)}
    for name, point in place.items():
        body[:, NAMED[name], :2] = point
    time = np.linspace(0, 1, frames)
    lifted = np.clip(3 * np.minimum(time, 1 - time), 0, 1)
    wrist = np.stack([side * (0.7 - 0.5 * lifted + 0.1 * np.sin(12 * time)), 1.8 - 1.9 * lifted], axis=1)
    body[:, (15, 16), :2] = (0.7, 1.8), (-0.7, 1.8)
    body[:, (15, 16)[lead], :2] = wrist
    hand = open_hand(curl) * [side * -1, 1, 1]
    world[:, lead] = hand + generator.normal(0, 1e-5, hand.shape)
    hands[:, lead, :, :2] = wrist[:, None] + 3 * hand[:, :2]
    hands[:, lead, :, 2] = 0
    body[..., :2] = body[..., :2] * width + middle
    hands[..., :2] = hands[..., :2] * width + middle
    return body.astype(np.float32), hands.astype(np.float32), world.astype(np.float32)
