"""One training step of I3D on clips that stay on the device, in several modes; its kernels; its losses."""

import numpy as np
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.material import CLASSES, preset, settings_of
from calse.recognition.input.transforms import placed
from calse.recognition.network import find_network
from calse.recognition.settings import NetworkSettings
from calse.recognition.training.losses import training_loss
from calse.recognition.training.optimiser import Adam

MODES = ("eager", "graph", "compile")
KEPT = 64  # clips on the device
WARM_UP = 3


class Step:
    """A whole step: crop, flip and scale uint8 clips on the device, forward, loss, backward, Adam."""

    def __init__(self, settings: NetworkSettings, device: torch.device, mode: str, precision: str) -> None:
        self.input, self.optim = settings.input, settings.optim
        self.device, self.bf16 = device, precision == "bf16"
        shown, batch = self.input, self.optim.batch
        torch.manual_seed(0)
        self.network = placed(find_network("i3d").built(settings.model, CLASSES), device).train()
        self.forward = torch.compile(self.network) if mode == "compile" else self.network
        self.optimiser = Adam(self.network.parameters(), self.optim)
        self.draw = np.random.default_rng(0)
        side = round(shown.size * 256 / 224)
        noise = self.draw.integers(0, 256, (min(KEPT, 4 * batch), shown.frames, side, side, 3), np.uint8)
        self.kept, self.labels = torch.from_numpy(noise).to(device), torch.arange(batch, device=device)
        self.clips = self.view()
        self.graph = self.captured() if mode == "graph" else None

    def __call__(self) -> Tensor | None:
        """Train on one batch; return the loss, or nothing when the step is replayed."""
        if self.graph is None:
            self.clips = self.view()
            return self.update()
        self.clips.copy_(self.view())
        self.graph.replay()
        return None

    def view(self) -> Tensor:
        """Return N x 3 x T x S x S in [-1, 1], channels last: one crop and perhaps a flip for each clip."""
        size, room = self.input.size, self.kept.shape[2] - self.input.size + 1
        views = []
        for clip, top, left in self.draw.integers(0, [len(self.kept), room, room], (self.optim.batch, 3)).tolist():
            view = self.kept[clip, :, top : top + size, left : left + size]
            views.append(view.flip(2) if self.draw.random() < self.input.flip else view)
        return torch.stack(views).float().div_(127.5).sub_(1).permute(0, 4, 1, 2, 3)

    def update(self) -> Tensor:
        """Move the weights by one batch."""
        self.optimiser.clear()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16, cache_enabled=False):
            logits = self.forward(self.clips)
        loss = training_loss(logits, self.labels, self.optim.loss, self.input.frames, self.optim.label_smoothing)
        torch.autograd.backward(loss)
        self.optimiser.step(self.optim.lr)
        return loss.detach()

    def captured(self) -> torch.cuda.CUDAGraph:
        """Record a step to be replayed, after some on another stream, as CUDA graphs ask for."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.update()
        torch.cuda.current_stream().wait_stream(stream)
        self.optimiser.clear()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.update()
        return graph


def largest_kernels(step: Step, device: torch.device, count: int = 3) -> list[tuple[str, float]]:
    """Return names and shares of the kernels that take most of a step's time on the device."""
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    for _ in range(WARM_UP):
        step()
    with profile(activities=[activity]) as seen:
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    spent = {event.key: float(getattr(event, own)) for event in seen.key_averages()}
    largest = sorted(spent, key=lambda name: -spent[name])[:count]
    return [(name, spent[name] / sum(spent.values())) for name in largest]


def loss_curve(device: torch.device, precision: str, tiny: bool) -> list[float]:
    """Return the losses of a small network that learns one batch by heart; every draw is the same everywhere."""
    frames, size, batch, steps = (9, 32, 2, 3) if tiny else (16, 64, 8, 20)
    learning = {"dropout": 0.0, "label_smoothing": 0.0, "lr": 1e-3}
    params = preset("synthetic", frames=frames, size=size, batch=batch, **learning)
    step = Step(settings_of(params), device, MODES[0], precision)
    return [float(step.update()) for _ in range(steps)]
