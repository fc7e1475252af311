"""Following faces, training a swap, putting faces on."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import cores
from benchmarks.material import FOREVER, filmed, preset, with_landmark_models
from benchmarks.peers.swap import PlainSwap
from benchmarks.race import Figure, Race, Setting, Times, ratio
from calse.faceswap.convert import swap_frames
from calse.faceswap.methods.autoencoder.method import Settings
from calse.faceswap.methods.autoencoder.model.augmentation import MARGIN
from calse.faceswap.methods.autoencoder.model.network import SwapNetwork
from calse.faceswap.methods.autoencoder.model.training import SwapTraining
from calse.faceswap.methods.autoencoder.model.training_faces import CHANNELS, FaceSet
from calse.landmarks.following import FaceFollower, landmarks_of_frames, load_networks
from calse.landmarks.mesh import square_of_detection


def faces(setting: Setting) -> Race:
    """Following the face through a clip; and with it body and hands, which no peer knows."""
    networks, settings = load_networks(with_landmark_models(setting.folder)), preset().landmarks
    frames = filmed(4 if setting.tiny else 50, 128 if setting.tiny else 256)
    square = square_of_detection(networks.faces(frames[0])[0])

    def face_alone() -> None:
        follow = FaceFollower(networks, settings)
        for frame in frames:
            follow(frame)

    def detect_each() -> None:
        for frame in frames:
            networks.mesh(frame, square_of_detection(networks.faces(frame)[0]))

    def milliseconds(side: str) -> Callable[[Times], float]:
        return lambda times: 1000 * times[side] / len(frames)

    return Race(
        sides={
            "face": face_alone,
            "everything": lambda: landmarks_of_frames(frames, networks, settings),
            "detect": detect_each,
            "mesh": lambda: [networks.mesh(frame, square) for frame in frames],
        },
        figures=[
            Figure("faces: CPU of a frame, the face alone", "ms", milliseconds("face"), 2.5, True),
            ratio("faces: detect + mesh in every frame / ours, the face alone", "detect", "face"),
            ratio("faces: ours, the face alone / mesh alone", "face", "mesh"),
            Figure("landmarks: CPU of a frame, face, body and hands", "ms", milliseconds("everything"), 30, True),
        ],
        clock=time.process_time,
    )


def swap_step(setting: Setting) -> Race:
    """A training step of the demo's swap model."""
    settings = replace(preset().swap_train["autoencoder"], threads=cores(), iterations=FOREVER)
    if setting.tiny:
        settings = replace(settings, size=32, channels=4, code=16)
    ours = swap_training(setting.folder, settings)
    plain = PlainSwap(ours)
    name = f"swap training, {settings.size} px, batch {settings.batch}"

    def as_the_stage() -> None:
        torch.set_num_threads(max(1, settings.threads // 2))
        ours.step()
        torch.set_num_threads(settings.threads)

    return Race(
        sides={"ours": as_the_stage, "plain": plain.step},
        figures=[
            ratio(f"{name}: plain fp32 / ours in {ours.precision}", "plain", "ours", 2),
            Figure(f"{name}: iterations a second", "/s", lambda times: 1 / times["ours"]),
        ],
        threads=settings.threads,
    )


def swap_training(folder: Path, settings: Settings) -> SwapTraining:
    """Return a training on two people's faces, 64 of smooth noise each."""
    rng, side = np.random.default_rng(0), round(settings.size * MARGIN)
    sides = []
    for person in ("signer", "donor"):
        faces = rng.integers(0, 256, (64, side, side, CHANNELS), np.uint8)
        faces[..., 3:] = 255
        np.save(folder / f"{person}.npy", faces)
        sides.append(FaceSet([], [folder / f"{person}.npy"]))
    return SwapTraining(settings, *sides)


def convert(setting: Setting) -> Race:
    """Putting faces on the frames of a clip, between decoder and encoder, on one core."""
    params = preset()
    frames = filmed(4 if setting.tiny else 50, 128 if setting.tiny else 256)
    track = landmarks_of_frames(frames, load_networks(with_landmark_models(setting.folder)), params.landmarks)
    size = params.swap_train["autoencoder"]
    network = SwapNetwork(size.size, size.channels, size.code).eval()
    fed = torch.rand(len(frames), 3, size.size, size.size)

    def network_alone() -> None:
        with torch.inference_mode():
            network.decode(network.encode(fed), 1)

    def rate(times: Times) -> float:
        return len(frames) / times["ours"]

    return Race(
        sides={
            "ours": lambda: swap_frames(frames, track, network, params.swap["DF-1"]),
            "network": network_alone,
        },
        figures=[
            Figure(f"convert, {frames.shape[1]} px: frames a second and core, without codec", "/s", rate, 60),
            ratio("convert: ours / the network alone", "ours", "network"),
        ],
        clock=time.process_time,
    )
