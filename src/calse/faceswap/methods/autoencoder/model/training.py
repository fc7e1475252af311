"""The training loop of a swap model. Its random numbers depend on the seed and the iteration alone."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from calse.data.clips import stream_seed
from calse.faceswap.methods.autoencoder.method import Settings
from calse.faceswap.methods.autoencoder.model.augmentation import training_views
from calse.faceswap.methods.autoencoder.model.loss import face_loss
from calse.faceswap.methods.autoencoder.model.network import DONOR, SIGNER, SwapNetwork
from calse.faceswap.methods.autoencoder.model.training_faces import Crops, FaceSet
from calse.runtime.device import choose_device, has_native_bf16
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file

IDENTITIES = (SIGNER, DONOR)
FALL = 0.4  # share of the iterations: a short training would end in the noise of its last steps


class SwapTraining:
    """The network, its optimiser, and the losses of signer and donor in each iteration so far."""

    def __init__(self, settings: Settings, signer: FaceSet, donor: FaceSet) -> None:
        self.settings, self.faces = settings, (signer, donor)
        self.device = choose_device()
        self.precision, self.reason = choose_precision(settings.precision, self.device)
        torch.manual_seed(stream_seed(settings.seed, 0, 0))  # iteration 0 is the network's start
        self.network = SwapNetwork(settings.size, settings.channels, settings.code).to(self.device)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.lr, betas=(0.9, 0.999), eps=1e-7, fused=True
        )
        self._threads: Executor | None = None
        if self.device.type == "cpu" and settings.threads > 1:  # one for each identity; they share the CPU threads
            threads = settings.threads // len(IDENTITIES)
            self._threads = ThreadPoolExecutor(len(IDENTITIES), initializer=torch.set_num_threads, initargs=(threads,))
        self.history: list[tuple[float, float]] = []

    @property
    def done(self) -> int:
        """How many iterations are done."""
        return len(self.history)

    def step(self) -> tuple[float, float]:
        """Train on one batch of each identity; return their losses. Raises CalseError when one is not finite."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.done)
        losses = self._together() if self._threads is None else self._side_by_side(self._threads)
        signer, donor = losses.tolist()
        if not np.isfinite([signer, donor]).all():
            hint = (
                "lower swap-train.autoencoder.lr"
                if self.precision == "fp32"
                else "set swap-train.autoencoder.precision to fp32"
            )
            raise CalseError(f"the loss is not finite in iteration {self.done + 1}; {hint}")
        self.optimiser.step()
        self.history.append((signer, donor))
        return signer, donor

    def _together(self) -> Tensor:
        """Leave the gradients of both identities' losses, drawn as one batch, in the parameters; return the losses."""
        inputs, targets = (torch.cat(views) for views in zip(*map(self._views, IDENTITIES), strict=True))
        with self._autocast():
            drawn = self.network(*inputs.chunk(2))
        parts = zip(*(part.chunk(2) for part in (*drawn, targets)), strict=True)
        losses = torch.stack([self._loss((faces, masks), truth) for faces, masks, truth in parts])
        self.optimiser.zero_grad()
        torch.autograd.backward(losses.sum())
        return losses.detach()

    def _side_by_side(self, threads: Executor) -> Tensor:
        """The same, each identity on a thread of its own: on a CPU, smaller batches waste less than threads in them."""
        losses, gradients = zip(*threads.map(self._one_identity, IDENTITIES), strict=True)
        for parameter, parts in zip(self.network.parameters(), zip(*gradients, strict=True), strict=True):
            signer, donor = parts
            parameter.grad = donor if signer is None else signer if donor is None else signer.add_(donor)
        return torch.stack(losses)

    def _one_identity(self, identity: int) -> tuple[Tensor, tuple[Tensor | None, ...]]:
        """Return the loss of one identity and the gradient of every parameter, nothing for the other identity's."""
        inputs, targets = self._views(identity)
        with self._autocast():
            drawn = self.network.decode(self.network.encode(inputs), identity)
        loss = self._loss(drawn, targets)
        return loss.detach(), torch.autograd.grad(loss, list(self.network.parameters()), allow_unused=True)

    def _views(self, identity: int) -> tuple[Tensor, Tensor]:
        """Return what goes in and what shall come out for this iteration's batch of one identity."""
        seed = stream_seed(self.settings.seed, self.done + 1, identity)
        faces = self.faces[identity]
        crops = faces.take(np.random.default_rng(seed).integers(len(faces), size=self.settings.batch))
        generator = torch.Generator().manual_seed(seed)
        return training_views(self.tensor(crops), self.settings.size, self.settings.augment, generator)

    def _loss(self, drawn: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        """Return the loss of what was drawn against `N x 5 x S x S`: RGB, mask, weight in shares of the largest."""
        largest = max(1.0, self.settings.eyes_weight, self.settings.mouth_weight)
        truth, mask, weights = targets.tensor_split([3, 4], dim=1)
        return face_loss(drawn, truth, mask, weights * largest)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def tensor(self, crops: Crops) -> Tensor:
        """Return crops `N x S x S x C uint8` as `N x C x S x S` in 0..1 on the device."""
        return torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).float() / 255

    def save(self, path: Path) -> None:
        """Keep all that resuming needs."""
        parts = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "history": self.history,
        }
        with atomic_file(path) as aside:
            torch.save(parts, aside)

    def restore(self, path: Path) -> None:
        """Go on from a saved state, if there is one."""
        if path.is_file():
            parts = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(parts["network"])
            self.optimiser.load_state_dict(parts["optimiser"])
            self.history = parts["history"]


def learning_rate(settings: Settings, done: int) -> float:
    """Return the learning rate of the iteration after `done`: it falls to nothing, in a line, over the last FALL."""
    return settings.lr * min(1.0, (settings.iterations - done) / (FALL * settings.iterations))


def choose_precision(wanted: str, device: torch.device) -> tuple[str, str]:
    """Settle the parameter `precision`: `auto` takes bf16 where the machine computes it natively. Return it and why."""
    if wanted != "auto":
        return wanted, "asked for"
    if has_native_bf16(device):
        return "bf16", f"native on this {device.type}"
    return "fp32", f"no native bf16 on this {device.type}"
