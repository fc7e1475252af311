"""Training of a swap model on cartoon faces: its loss, its draws, its course."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calse.faceswap.align import alignment, warp
from calse.faceswap.methods.autoencoder.convert import predict
from calse.faceswap.methods.autoencoder.model.augmentation import MARGIN, central_views, training_views
from calse.faceswap.methods.autoencoder.model.loss import dissimilarity, face_loss
from calse.faceswap.methods.autoencoder.model.training import SwapTraining, learning_rate
from calse.faceswap.methods.autoencoder.model.training_faces import aligned_crops
from calse.runtime.errors import CalseError
from cartoons import PEOPLE, TRAIN, cartoon, openings


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


def test_training_makes_the_signer_look_like_the_donor_with_the_signers_mouth(trained):
    first, last = np.mean(trained.history[:5]), np.mean(trained.history[-5:])
    assert last < 0.5 * first
    open_so_far = np.linspace(0, 0.12, 12)
    frames, track = cartoon(PEOPLE["INTERPRETER"], open_so_far)
    crops = np.stack([warp(f, m, 32, 32) for f, m in zip(frames, alignment(track, 32), strict=True)])
    faces, _ = predict(trained.network.cpu().eval(), crops.astype(np.float32) / 255)
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


@pytest.mark.parametrize("threads", [1, 2])
def test_a_resumed_training_is_the_uninterrupted_one(tmp_path, threads):
    whole = new_training(threads=threads)
    for _ in range(6):
        whole.step()
    start, rest = new_training(threads=threads), new_training(threads=threads)
    for _ in range(3):
        start.step()
    start.save(tmp_path / "state.pt")
    rest.restore(tmp_path / "state.pt")
    for _ in range(3):
        rest.step()
    assert rest.history == whole.history
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, rest.network.state_dict()[name]), name


def test_a_thread_for_each_side_trains_as_both_on_one_thread():
    torch.set_num_threads(1)
    apart, together = new_training(threads=2), new_training(threads=1)
    for _ in range(5):
        assert apart.step() == pytest.approx(together.step(), rel=1e-4)


def test_a_loss_that_is_not_finite_stops_the_training():
    training = new_training()
    training.network.head.bias.data.fill_(float("nan"))
    with pytest.raises(CalseError, match="not finite in iteration 1; lower swap-train.autoencoder.lr"):
        training.step()


MANY = """
import resource, sys
from pathlib import Path
import numpy as np
from calse.faceswap.methods.autoencoder.model.training_faces import FaceSet

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
paths = [Path(f"{number}.npy") for number in range(1100)]
for number, path in enumerate(paths):
    np.save(path, np.full((number % 3, 4, 4, 5), number % 251, np.uint8))
faces = FaceSet([], paths)
numbers = np.random.default_rng(0).integers(len(faces), size=2000)
owners = np.repeat(np.arange(1100), [number % 3 for number in range(1100)])
assert (faces.take(numbers)[:, 0, 0, 0] == owners[numbers] % 251).all()
"""


def test_more_clips_than_a_process_may_have_files_open(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path("src").resolve())}
    done = subprocess.run([sys.executable, "-c", MANY], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
