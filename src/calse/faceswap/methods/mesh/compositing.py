"""Compositing a drawn face: kernels of one pass over its pixels each, rounded as numpy rounds."""

from typing import Any

import numba
import numpy as np

from signers.kernels import ONE, ZERO, Kernel

FAINT = np.float32(0.02)  # least weight of a donor's point
BARE = np.float32(0.6)  # from here on a pixel surely shows skin
# Of how well the donor's pictures show a point, relative to how far it faces the camera: nothing is drawn up to the
# first, all from the second on; the third is the least that is divided by.
_HIDDEN, _KNOWN, _FACING = np.float32(0.1), np.float32(0.4), np.float32(0.05)
_LEAST, _WHITE = np.float32(1e-6), np.float32(255)


def exactly(function: Kernel) -> Kernel:
    """Compile a function of arrays, no products and sums contracted: the same bits as without. Threads run at once."""
    kernel: Kernel = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return kernel


@exactly
def blend_weights(visible: Any, shares: Any, weights: Any) -> None:
    """Write into `weights`, `H x W x K`, how much of each of K pictures in 0..255 a pixel in 0..1 shows.

    `visible`, of the same shape, is how far the pictures show the place, `shares` `K` what each has of the frame.
    """
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            total = ZERO
            for k in range(weights.shape[2]):
                weights[row, column, k] = shares[k] * max(visible[row, column, k], FAINT)
                total += weights[row, column, k]
            for k in range(weights.shape[2]):
                weights[row, column, k] /= max(total, _LEAST) * _WHITE


@exactly
def add_weighted(picture: Any, weights: Any, out: Any) -> None:
    """Add a picture `H x W x 3`, weighted by `H x W`, to `out`."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for channel in range(3):
                out[row, column, channel] += weights[row, column] * np.float32(picture[row, column, channel])


@exactly
def recolour(picture: Any, gain: Any, offset: Any) -> None:
    """Change the channels of a picture, `H x W x 3`, in place: times `gain`, plus `offset`."""
    for row in range(picture.shape[0]):
        for column in range(picture.shape[1]):
            for channel in range(3):
                picture[row, column, channel] = picture[row, column, channel] * gain[channel] + offset[channel]


@exactly
def apply_mask(picture: Any, mask: Any, out: Any) -> None:
    """Write a picture `H x W x 3`, dimmed by a mask `H x W`, to `out`."""
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for channel in range(3):
                out[row, column, channel] = picture[row, column, channel] * mask[row, column]


@exactly
def visibility(values: Any, triangle: Any, holes: Any, every_hole: Any, shown: Any, skin: Any, place: Any) -> None:
    """Write where the donor may be `shown` and where both show `skin`; take what no `triangle` covers out of `place`.

    `values`, `H x W x (3 + K)`, is how far the donor may be shown, looks like skin, the signer faces the camera, and
    each of K pictures shows the place; the others are `H x W`, `holes` what stays the signer's of `every_hole`.
    """
    for row in range(place.shape[0]):
        for column in range(place.shape[1]):
            if triangle[row, column] < 0:
                place[row, column] = ZERO
            known = values[row, column, 3]
            for k in range(4, values.shape[2]):
                known = max(known, values[row, column, k])
            known = (known / max(values[row, column, 2], _FACING) - _HIDDEN) / (_KNOWN - _HIDDEN)
            shown[row, column] = values[row, column, 0] * (ONE - holes[row, column]) * min(max(known, ZERO), ONE)
            likely = values[row, column, 1]
            is_skin = likely > BARE and place[row, column] > ZERO
            skin[row, column] = likely * (ONE - every_hole[row, column]) if is_skin else ZERO


@exactly
def composite(donor: Any, light: Any, signer: Any, shown: Any, occluded: Any, place: Any, canvas: Any) -> None:
    """Write a lit donor over the signer in 0..1, as far as it is `shown` and not `occluded`, into the face's `place`.

    Pictures are `H x W x 3`, shares `H x W`; `canvas` is in 0..255 and holds the frame.
    """
    for row in range(canvas.shape[0]):
        for column in range(canvas.shape[1]):
            inside = place[row, column]
            if inside == ZERO:
                continue
            share = shown[row, column] * (ONE - occluded[row, column])
            for channel in range(3):
                lit = min(max(donor[row, column, channel] * light[row, column, channel], ZERO), ONE)
                own = signer[row, column, channel]
                face = _WHITE * inside * (own + share * (lit - own))
                canvas[row, column, channel] = np.rint(np.float32(canvas[row, column, channel]) * (ONE - inside) + face)
