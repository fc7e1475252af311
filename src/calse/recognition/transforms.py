"""From views to the network's input: arithmetic in torch on a whole batch, on the device that trains."""

import numpy as np
import torch
from torch import Tensor

from calse.params import Train
from calse.recognition.views import Frames, View

# Mean and deviation of RGB in [0, 1] that a published network was trained with; the others expect [-1, 1].
_KINETICS = ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
RGB_STATISTICS = {
    "r2plus1d_18": _KINETICS,
    "s3d": _KINETICS,
    "mvit_v2_s": ((0.45, 0.45, 0.45), (0.225, 0.225, 0.225)),
    "swin3d_t": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def network_input(views: list[View], train: Train, device: torch.device) -> Tensor:
    """Return a batch N x 3 x T x S x S float32, channels last in memory.

    `rgb` values lie in [-1, 1], or are standardised as a network's published weights expect. `motion` is what differs
    from the clip's mean frame, scaled to unit variance: the background is gone, the signer's movement stays.
    """
    frames = stacked([view.frames for view in views], device)
    gains = stacked([view.gains for view in views], device)
    batch = frames.float().mul_(gains[:, None, None, None]).clamp_(0, 255).div_(127.5).sub_(1)
    if train.input == "motion":
        batch -= batch.mean(dim=1, keepdim=True)
        batch /= batch.square().mean(dim=(1, 2, 3, 4), keepdim=True).sqrt_().clamp_(min=1e-3)
    elif train.model in RGB_STATISTICS:
        mean, deviation = torch.tensor(RGB_STATISTICS[train.model], device=device)
        batch = ((batch + 1) / 2 - mean) / deviation
    if train.channel_order == "bgr":
        batch = batch.flip(-1)
    return batch.permute(0, 4, 1, 2, 3)


def stacked(parts: list[Frames], device: torch.device) -> Tensor:
    """Return equal parts as one tensor on the device; the host does not wait for what it sends there."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return sent(np.stack(arrays) if arrays[1:] else arrays[0][None], device)
    return torch.stack([part if isinstance(part, Tensor) else sent(part, device) for part in parts])


def sent(values: np.ndarray, device: torch.device) -> Tensor:
    """Return an array as a tensor on the device, sent from pinned memory to an accelerator."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
