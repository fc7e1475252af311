"""Drawing the donor's face into a frame: predict, match the colours, blend."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calse.faceswap.align import Matrix, invert, warp
from calse.faceswap.mask import Floats

if TYPE_CHECKING:
    from calse.faceswap.methods.autoencoder.model.network import SwapNetwork

Pictures = NDArray[np.uint8]
BATCH = 16  # faces predicted at once
SURE = (0.05, 0.5)  # the network's own mask: below the first it draws no face, above the second surely one


def predict(network: "SwapNetwork", faces: Floats) -> tuple[Floats, Floats]:
    """Return the donor's faces with the expressions of `N x S x S x 3` faces, and masks `N x S x S`; all in 0..1."""
    import torch

    from calse.faceswap.methods.autoencoder.model.network import DONOR

    inputs = torch.from_numpy(faces).permute(0, 3, 1, 2)
    with torch.no_grad():
        drawn = [
            network.decode(network.encode(inputs[start : start + BATCH]), DONOR)
            for start in range(0, len(inputs), BATCH)
        ]
    pictures, masks = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    low, high = SURE
    return pictures.permute(0, 2, 3, 1).numpy(), ((masks[:, 0] - low) / (high - low)).clamp(0, 1).numpy()


def match_colours(faces: Floats, originals: Floats, weights: Floats) -> Floats:
    """Return faces `N x S x S x 3` in the originals' colours: mean and spread in L*a*b* (Reinhard et al., 2001).

    The statistics are over the whole clip, weighted by `N x S x S`: one change for all frames does not flicker.
    """
    total = weights.sum()
    if total < 1:
        return faces
    drawn, wanted = (np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2LAB) for face in part]) for part in (faces, originals))

    def statistics(colours: Floats) -> tuple[Floats, Floats]:
        mean = (colours * weights[..., None]).sum(axis=(0, 1, 2)) / total
        spread = ((colours - mean) ** 2 * weights[..., None]).sum(axis=(0, 1, 2)) / total
        return mean, np.sqrt(spread)

    (mean, spread), (aim, width) = statistics(drawn), statistics(wanted)
    matched = (drawn - mean) * (width / np.maximum(spread, 1e-3)) + aim
    return np.stack([np.clip(cv2.cvtColor(face.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1) for face in matched])


def blend(frame: Pictures, place: Floats, face: Floats, mask: Floats, matrix: Matrix) -> Pictures:
    """Return one frame `H x W x 3` with a face drawn in the crop that `matrix` cuts, as far as both masks allow.

    `place` `H x W` is the face in the frame, `mask` `S x S` what the network holds for face in its drawing.
    """
    left, top, width, height = cv2.boundingRect((place > 0).astype(np.uint8))
    if width == 0:
        return frame
    back = invert(matrix) - np.array([[0, 0, left], [0, 0, top]])
    window = np.s_[top : top + height, left : left + width]
    drawn = 255 * np.clip(warp(face, back, width, height), 0, 1)
    sure = np.clip(warp(mask, back, width, height, cv2.BORDER_CONSTANT), 0, 1)
    share = np.minimum(place[window], sure)[..., None]
    mixed = frame.copy()
    mixed[window] = np.round(frame[window] * (1 - share) + drawn * share)
    return mixed
