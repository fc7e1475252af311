"""From views to the network's input: arithmetic in torch on a whole batch, on the device that trains."""

import numpy as np
import torch
from torch import Tensor, nn

from calse.recognition.input.views import Batch, Frames
from calse.recognition.settings import Input

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]] | None


def network_input(batch: Batch, settings: Input, statistics: Statistics, device: torch.device) -> Tensor:
    """Return a batch N x 3 x T x S x S float32, channels last in memory.

    `rgb` values lie in [-1, 1], or are standardised by `statistics`, mean and deviation in [0, 1]. `motion` is what
    differs from the clip's mean frame, scaled to unit variance: the background is gone, the signer's movement stays.
    """
    gains = sent(batch.gains, device)[:, None, None, None]
    clips = stacked(batch.frames, device).float().mul_(gains).clamp_(0, 255).div_(127.5).sub_(1)
    if settings.modality == "motion":
        clips -= clips.mean(dim=1, keepdim=True)
        clips /= clips.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt_().clamp_(min=1e-3)
    elif statistics:
        mean, deviation = torch.tensor(statistics, device=device)
        clips = ((clips + 1) / 2 - mean) / deviation
    if settings.channel_order == "bgr":
        clips = clips.flip(-1)
    return clips.permute(0, 4, 1, 2, 3)


def placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, with channels last in memory: 1.2 times faster convolutions."""
    model = model.to(device)
    for weight in (*model.parameters(), *model.buffers()):
        if weight.dim() == 5:  # others, as those of a convolution of single frames, have no such order
            weight.data = weight.data.to(memory_format=torch.channels_last_3d)
    return model


def stacked(frames: np.ndarray | list[Frames], device: torch.device) -> Tensor:
    """Return equal parts as one tensor on the device; the host does not wait for what it sends there."""
    if isinstance(frames, np.ndarray):
        return sent(frames, device)
    return torch.stack([part if isinstance(part, Tensor) else sent(part, device) for part in frames])


def sent(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array as a tensor on the device, sent from pinned memory to an accelerator."""
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
