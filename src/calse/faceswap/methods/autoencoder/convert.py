"""Swapping the faces of a clip with a trained network."""

from typing import TYPE_CHECKING

import numpy as np

from calse.faceswap.align import alignment, move, warp
from calse.faceswap.mask import face_mask
from calse.faceswap.methods.autoencoder.blend import Pictures, blend, match_colours, predict
from calse.faceswap.methods.autoencoder.method import Options
from calse.landmarks.record import Landmarks

if TYPE_CHECKING:
    from calse.faceswap.methods.autoencoder.model.network import SwapNetwork


def convert(frames: Pictures, landmarks: Landmarks, network: "SwapNetwork", options: Options) -> Pictures:
    """Return frames `T x H x W x 3` with the donor's face where the landmarks have a face.

    Only the alignment is smoothed over time, the expression is each frame's own.
    """
    import torch

    torch.set_num_threads(1)  # sums depend on it
    height, width = frames.shape[1:3]
    numbers = np.flatnonzero(landmarks.has_face).tolist()
    matrices = alignment(landmarks, network.size, options.smoothing)
    swapped = frames.copy()
    if not numbers:
        return swapped
    size = network.size
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
