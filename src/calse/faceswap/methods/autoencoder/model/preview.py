"""Preview pictures of a training: what the network makes of some faces so far."""

from pathlib import Path

import cv2
import numpy as np
import torch

from calse.faceswap.methods.autoencoder.model.augmentation import central_views
from calse.faceswap.methods.autoencoder.model.network import DONOR, SIGNER
from calse.faceswap.methods.autoencoder.model.training import SwapTraining
from calse.faceswap.methods.autoencoder.model.training_faces import Crops
from calse.runtime.files import atomic_file

ROWS, MAGNIFIED = 8, 2


def write_preview(path: Path, training: SwapTraining) -> None:
    """Write a PNG with a row a face: signer, as themselves, as the donor; donor, as themselves, as the signer."""
    picture = preview(training)
    size = (MAGNIFIED * picture.shape[1], MAGNIFIED * picture.shape[0])
    with atomic_file(path) as aside:
        cv2.imwrite(str(aside), cv2.resize(picture[..., ::-1], size, interpolation=cv2.INTER_CUBIC))


@torch.no_grad()
def preview(training: SwapTraining) -> Crops:
    """Return the picture of ROWS faces spread over each person's, `rows * size x 6 * size x 3`."""
    columns = []
    for own, other in ((SIGNER, DONOR), (DONOR, SIGNER)):
        numbers = np.linspace(0, len(training.faces[own]) - 1, ROWS).astype(np.int64)
        faces = central_views(training.tensor(training.faces[own].take(numbers))[:, :3], training.settings.size)
        codes = training.network.encode(faces)
        columns += [faces, training.network.decode(codes, own)[0], training.network.decode(codes, other)[0]]
    picture = torch.cat([column.permute(0, 2, 3, 1).flatten(0, 1) for column in columns], dim=1)
    return np.round(255 * picture.cpu().numpy()).astype(np.uint8)
