"""Swapping the faces of a clip with a trained network: predict, match the colours, blend."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from calse.data.paths import Layout
from calse.faceswap.align import Matrix, alignment, invert, move, warp
from calse.faceswap.mask import Floats, face_mask
from calse.faceswap.methods.autoencoder.method import WEIGHTS, Options
from calse.faceswap.methods.autoencoder.model.network import DONOR, SwapNetwork
from calse.faceswap.registry import INFO, check_model, how_to_mend
from calse.landmarks.record import Landmarks
from calse.runtime.errors import CalseError

Pictures = NDArray[np.uint8]
BATCH = 16  # faces predicted at once
SURE = (0.05, 0.5)  # the network's own mask: below the first it draws no face, above the second surely one


def load(layout: Layout, folder: Path) -> SwapNetwork:
    """Return a trained network, ready to swap.

    Raises CalseError naming the file that is missing, damaged or of another size than its JSON says.
    """
    check_model(folder, WEIGHTS)
    try:
        params = json.loads((folder / INFO).read_text(encoding="utf-8"))["params"]
        size, channels, code = (int(params[name]) for name in ("size", "channels", "code"))
    except (ValueError, KeyError, TypeError):
        raise CalseError(f"{folder / INFO} describes no face-swap model; {how_to_mend(folder)}") from None
    network = SwapNetwork(size, channels, code)
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError, OSError) as error:
        what = " ".join(str(error).split())[:160]
        why = f"is not the network that {INFO} describes: {what}"
        raise CalseError(f"{folder / WEIGHTS} {why}; {how_to_mend(folder)}") from None
    return network.eval()


def convert(frames: Pictures, landmarks: Landmarks, network: SwapNetwork, options: Options) -> Pictures:
    """Return frames `T x H x W x 3` with the donor's face where the landmarks have a face.

    Only the alignment is smoothed over time, the expression is each frame's own.
    """
    torch.set_num_threads(1)  # sums depend on it
    height, width = frames.shape[1:3]
    numbers, size = np.flatnonzero(landmarks.has_face).tolist(), network.size
    matrices = alignment(landmarks, size, options.smoothing)
    swapped = frames.copy()
    if not numbers:
        return swapped
    aligned = np.stack([warp(frames[number], matrices[number], size, size) for number in numbers])
    originals = np.clip(aligned, 0, 255).astype(np.float32) / np.float32(255)
    faces, masks = predict(network, originals)
    inside = []
    for number in numbers:
        face, hands = (move(points[number], matrices[number]) for points in (landmarks.face, landmarks.hands))
        inside.append(face_mask(face, hands, size, size))
    faces = match_colours(faces, originals, np.stack(inside) * masks)
    for number, face, mask in zip(numbers, faces, masks, strict=True):
        points, hands = landmarks.face[number], landmarks.hands[number]
        place = face_mask(points, hands, height, width, options.erode, options.feather)
        swapped[number] = blend(frames[number], place, face, mask, matrices[number])
    return swapped


def predict(network: SwapNetwork, faces: Floats) -> tuple[Floats, Floats]:
    """Return the donor's faces with the expressions of `N x S x S x 3` faces, and masks `N x S x S`; all in 0..1."""
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
        """Return the weighted mean and deviation of each channel."""
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
