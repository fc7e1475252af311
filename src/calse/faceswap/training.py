"""The training loop of a swap model. Its random numbers depend on the seed and the iteration alone."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from calse.errors import CalseError
from calse.faceswap.augmentation import training_views
from calse.faceswap.loss import face_loss
from calse.faceswap.network import SwapNetwork
from calse.faceswap.training_faces import Crops, FaceSet
from calse.files import written_aside
from calse.params import SwapTrain

FALL = 0.4  # share of the iterations: a short training would end in the noise of its last steps


class SwapTraining:
    """The network, its optimiser, and the losses of signer and donor in each iteration so far."""

    def __init__(self, settings: SwapTrain, signer: FaceSet, donor: FaceSet) -> None:
        self.settings, self.sides = settings, (signer, donor)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision, self.reason = choose_precision(settings.precision, self.device)
        torch.backends.cudnn.deterministic = True
        torch.manual_seed(stream_seed(settings.seed, 0))
        network = SwapNetwork(settings.size, settings.channels, settings.code)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.lr, betas=(0.9, 0.999), eps=1e-7, fused=True
        )
        self.history: list[tuple[float, float]] = []

    @property
    def done(self) -> int:
        """How many iterations are done."""
        return len(self.history)

    def step(self) -> tuple[float, float]:
        """Train on one batch of each side; return their losses. Raises CalseError when one is not finite."""
        seed = stream_seed(self.settings.seed, self.done + 1)
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        crops = [side.take(rng.integers(len(side), size=self.settings.batch)) for side in self.sides]
        inputs, targets = training_views(
            self.tensor(np.concatenate(crops)), self.settings.size, self.settings.augment, generator
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            drawn = self.network(*inputs.chunk(2))
        losses = self._losses(drawn, targets)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.settings, self.done)
        self.optimiser.zero_grad()
        torch.autograd.backward(losses.sum())
        signer, donor = losses.tolist()
        if not np.isfinite([signer, donor]).all():
            hint = "lower swap-train.lr" if self.precision == "fp32" else "set swap-train.precision to fp32"
            raise CalseError(f"the loss is not finite in iteration {self.done + 1}; {hint}")
        self.optimiser.step()
        self.history.append((signer, donor))
        return signer, donor

    def _losses(self, drawn: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        """Return the loss of each side."""
        largest = max(1.0, self.settings.eyes_weight, self.settings.mouth_weight)
        faces, masks, weights = targets.tensor_split([3, 4], dim=1)
        parts = [part.chunk(2) for part in (*drawn, faces, masks, weights * largest)]
        return torch.stack([face_loss((f, m), *truth) for f, m, *truth in zip(*parts, strict=True)])

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
        with written_aside(path) as aside:
            torch.save(parts, aside)

    def restore(self, path: Path) -> None:
        """Go on from a saved state, if there is one."""
        if path.is_file():
            parts = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(parts["network"])
            self.optimiser.load_state_dict(parts["optimiser"])
            self.history = parts["history"]


def learning_rate(settings: SwapTrain, done: int) -> float:
    """Return the learning rate of the iteration after `done`: it falls to nothing, in a line, over the last FALL."""
    return settings.lr * min(1.0, (settings.iterations - done) / (FALL * settings.iterations))


def choose_precision(wanted: str, device: torch.device) -> tuple[str, str]:
    """Settle `swap-train.precision`: `auto` takes bf16 where the machine computes it natively. Return it and why."""
    if wanted != "auto":
        return wanted, "asked for"
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        abilities = torch.cpu.get_capabilities()
        native = any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return ("bf16", f"native on this {device.type}") if native else ("fp32", f"no native bf16 on this {device.type}")


def stream_seed(seed: int, iteration: int) -> int:
    """Return the seed of one iteration's random numbers; iteration 0 is the network's start."""
    return int(np.random.SeedSequence([seed % 2**64, iteration]).generate_state(1, np.uint32)[0])
