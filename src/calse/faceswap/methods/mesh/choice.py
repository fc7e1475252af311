"""Which of the donor's pictures are shown when: like the signer's pose and expression, and changed seldom."""

import numpy as np
from numpy.typing import NDArray

from calse.faceswap.methods.mesh.model.library import Library
from calse.faceswap.methods.mesh.model.pose import Posed
from calse.faceswap.points import Numbers, expression_of, head_angles

TURN = 8.0  # degrees that count as one
UNITS = np.array([0.08, 0.08, 0.05, 0.05, 0.06, 0.06, 0.05])  # of EXPRESSION, in eye distances
EXPRESSIVE, HIDDEN = 0.6, 0.5  # weights
JUMP = 8.0  # price of another picture
FADE = 5  # frames each way


def choose(signer: Posed, visible: Numbers, library: Library) -> Numbers:
    """Return the share of each of the library's N pictures in each of T frames, `T x N`.

    `visible` is how far the signer's points face the camera, `T x 468`.
    """
    path = cheapest(_costs(signer, visible, library), JUMP)
    shares = np.zeros((len(path), len(library)))
    for step in range(-FADE, FADE + 1):
        times = np.clip(np.arange(len(path)) + step, 0, len(path) - 1)
        shares[np.arange(len(path)), path[times]] += 1 - abs(step) / (FADE + 1)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _costs(signer: Posed, visible: Numbers, library: Library) -> Numbers:
    """Return how unlike each frame of the signer is to each of the library's pictures, `T x N`."""
    turned = _squares(head_angles(signer.rotation)[:, :2] / TURN, library.turns.astype(np.float64) / TURN)
    hidden = 1 - visible @ library.visible.T.astype(np.float64) / np.maximum(visible.sum(axis=1, keepdims=True), 1e-6)
    at_rest = expression_of(library.neutral.astype(np.float64))
    wanted = (signer.expression - expression_of(signer.neutral) + at_rest) / UNITS
    unlike = _squares(wanted, library.expression.astype(np.float64) / UNITS)
    return np.asarray(turned + HIDDEN * hidden + EXPRESSIVE * unlike)


def _squares(one: Numbers, other: Numbers) -> Numbers:
    """Return squared distances between rows, `T x N`."""
    return np.asarray((one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T)


def cheapest(costs: Numbers, jump: float) -> NDArray[np.int64]:
    """Return the row of choices `T` of least total cost of `T x N`, when any change has one price (Viterbi, O(TN))."""
    total, came = costs[0].copy(), np.zeros(costs.shape, np.int64)
    for time in range(1, len(costs)):
        best = int(total.argmin())
        stays = total <= total[best] + jump
        came[time] = np.where(stays, np.arange(len(total)), best)
        total = np.where(stays, total, total[best] + jump) + costs[time]
    path = np.empty(len(costs), np.int64)
    path[-1] = total.argmin()
    for time in range(len(costs) - 1, 0, -1):
        path[time - 1] = came[time, path[time]]
    return path
