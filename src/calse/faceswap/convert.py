"""Putting the donor's face into the frames of a clip: predict, match the colours, blend, touch nothing else."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from calse.faceswap.align import Matrix, alignment, invert, move, warp
from calse.faceswap.mask import Floats, face_mask, hand_share
from calse.faceswap.network import DONOR, SwapNetwork
from calse.faceswap.track import FaceTrack
from calse.params import SwapSet

Pictures = NDArray[np.uint8]
MARK = {"comment": "The face is synthetic: another person's was put in its place."}  # goes into the container
BATCH = 16  # faces predicted at once
HIDDEN = 0.02  # share of the face that a hand must hide to be counted
SURE = (0.2, 0.8)  # the network's own mask: below the first it draws no face, above the second surely one


@dataclass(frozen=True)
class SwapReport:
    """How many frames a clip has, how many show the donor now, show no face, show a hand in front of the face."""

    frames: int
    swapped: int
    without_face: int
    hand_over_face: int


def swap_frames(
    frames: Pictures, track: FaceTrack, network: SwapNetwork, settings: SwapSet
) -> tuple[Pictures, SwapReport]:
    """Return frames `T x H x W x 3` with the donor's face where the track has a face, and a report.

    Pixels outside the face and on hands in front of it keep their values to the bit; frames without a face are
    returned as they are. Only the alignment is smoothed over time, the expression is each frame's own.
    """
    height, width = frames.shape[1:3]
    numbers = np.flatnonzero(track.found).tolist()
    matrices = alignment(track, network.size, settings.smoothing)
    swapped = frames.copy()
    if numbers:
        originals = np.stack([_crop(frames[number], matrices[number], network.size) for number in numbers])
        faces, masks = predict(network, originals)
        inside = np.stack([_crop_mask(track, number, matrices[number], network.size) for number in numbers])
        faces = match_colours(faces, originals, inside * masks)
        for number, face, mask in zip(numbers, faces, masks, strict=True):
            place = face_mask(
                track.landmarks[number], track.hands[number], height, width, settings.erode, settings.feather
            )
            swapped[number] = blend(frames[number], place, face, mask, matrices[number])
    hidden = [hand_share(track.landmarks[number], track.hands[number], height, width) >= HIDDEN for number in numbers]
    return swapped, SwapReport(len(frames), len(numbers), len(frames) - len(numbers), sum(hidden))


def _crop(frame: Pictures, matrix: Matrix, size: int) -> Floats:
    """Return an aligned face in 0..1, `size x size x 3`."""
    return np.clip(warp(frame, matrix, size, size), 0, 255).astype(np.float32) / np.float32(255)


def _crop_mask(track: FaceTrack, number: int, matrix: Matrix, size: int) -> Floats:
    landmarks, hands = (move(points[number], matrix) for points in (track.landmarks, track.hands))
    return face_mask(landmarks, hands, size, size)


@torch.no_grad()
def predict(network: SwapNetwork, faces: Floats) -> tuple[Floats, Floats]:
    """Return the donor's faces with the expressions of `N x S x S x 3` faces, and masks `N x S x S`; all in 0..1."""
    drawn = [
        network.decode(network.encode(torch.from_numpy(faces[start : start + BATCH]).permute(0, 3, 1, 2)), DONOR)
        for start in range(0, len(faces), BATCH)
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
