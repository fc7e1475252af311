"""What a training minimises, and how the network's logits over time become one score per gloss."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F


def clip_scores(logits: Tensor, loss: str) -> Tensor:
    """Pool logits N x K x T' to scores N x K: their mean for `ce`, their maximum for `bce-localisation`.

    So each loss pools them itself; training and evaluation rank glosses by these scores. Logits N x K, of a network
    that pools time by itself, are scores already.
    """
    if logits.dim() == 2:
        return logits.float()
    return logits.float().mean(dim=2) if loss == "ce" else logits.float().amax(dim=2)


def probabilities(scores: Tensor, loss: str) -> Tensor:
    """Turn scores N x K into what the loss reads them as: a softmax over glosses, or a sigmoid of each."""
    return scores.softmax(dim=1) if loss == "ce" else scores.sigmoid()


def training_loss(logits: Tensor, labels: Tensor, loss: str, frames: int, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean loss of logits N x K x T' (for `ce` also N x K) against class numbers N.

    `frames` is how many a clip has.
    """
    if loss == "ce":
        return F.cross_entropy(clip_scores(logits, loss), labels, label_smoothing=label_smoothing)
    return bce_localisation(logits.float(), labels, frames)


def bce_localisation(logits: Tensor, labels: Tensor, frames: int) -> Tensor:
    """Return the loss of the WLASL baseline (Li et al., 2020) for logits N x K x T' and class numbers N.

    Half is the binary cross-entropy of every frame, the logits stretched linearly to `frames`; half that
    of their maximum over time. Every frame of a clip carries its gloss.
    """
    stretched = logits @ stretch_matrix(logits.shape[2], frames, logits.device)
    truth = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    every_frame = F.binary_cross_entropy_with_logits(stretched, truth[:, :, None].expand_as(stretched))
    whole_clip = F.binary_cross_entropy_with_logits(stretched.amax(dim=2), truth)
    return 0.5 * every_frame + 0.5 * whole_clip


@cache
def stretch_matrix(short: int, long: int, device: torch.device) -> Tensor:
    """Return the short x long matrix of linear interpolation (`align_corners=False`).

    A product with it has a deterministic gradient on every device, which `interpolate` has not.
    """
    return F.interpolate(torch.eye(short)[None], size=long, mode="linear", align_corners=False)[0].to(device)
