"""Which arithmetic a training uses, chosen by asking the machine and checking its answers."""

import copy
import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor, nn

from calse.runtime.device import has_native_bf16
from calse.runtime.errors import CalseError
from calse.runtime.files import write_json
from calse.runtime.locks import locked

TOLERANCE = 0.05  # bf16 keeps 8 bits: right gradients differ by under 1 %, wrong ones by 100 % or more


class Unit(Protocol):
    """A layer that prepares the input of its convolution `conv3d`, as I3D's do by padding."""

    conv3d: nn.Conv3d

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution's output."""


def is_unit(layer: nn.Module) -> TypeGuard[Unit]:
    """Say whether a layer is one; Python's own check of a protocol does not see a module's parts."""
    return hasattr(layer, "convolve") and hasattr(layer, "conv3d")


class Precision(NamedTuple):
    """`bf16` or `fp32`, and why."""

    name: str
    reason: str


def choose_precision(
    wanted: str, model: nn.Module, frames: int, size: int, device: torch.device, known: Path | None = None
) -> Precision:
    """Settle `optim.precision` for clips of `frames` frames of `size` pixels.

    `auto` takes bf16 where the machine computes it natively and the weight gradients of every convolution
    agree with fp32. The answer is kept in the folder `known`, if any, for others of the same code: asking takes two
    seconds. Raises CalseError when bf16 is asked for and they do not.
    """
    if wanted == "fp32":
        return Precision("fp32", "asked for")
    if wanted == "auto" and not has_native_bf16(device):
        return Precision("fp32", f"no native bf16 on this {device.type}")
    wrong = _known_wrong(model, frames, size, device, known) if known else wrong_in_bf16(model, frames, size, device)
    if wrong is None:
        return Precision("bf16", "weight gradients agree with fp32" + ("" if wanted == "auto" else ", asked for"))
    if wanted == "bf16":
        raise CalseError(f"optim.precision: bf16 gradients of {wrong} are wrong on this machine; set auto or fp32")
    return Precision("fp32", f"bf16 gradients of {wrong} are wrong on this machine")


def wrong_in_bf16(model: nn.Module, frames: int, size: int, device: torch.device) -> str | None:
    """Return the first convolution whose bf16 weight gradient differs from fp32, at the shapes it meets; else None."""
    generator = torch.Generator().manual_seed(0)
    for name, layer, shape in convolution_inputs(model, frames, size):
        x = torch.randn(shape, generator=generator).to(device).contiguous(memory_format=torch.channels_last_3d)
        exact = weight_gradient(layer, x, bf16=False)
        error = (weight_gradient(layer, x, bf16=True) - exact).norm() / exact.norm()
        if not error < TOLERANCE:  # also true of NaN
            return name
    return None


def _known_wrong(model: nn.Module, frames: int, size: int, device: torch.device, known: Path) -> str | None:
    """Return what `wrong_in_bf16` does: as it was for equal layers and equal clips on this kind of processor.

    The convolutions' inputs, which torch works out in a second of imports, follow from these.
    """
    on_cuda = device.type == "cuda"
    processor = torch.cuda.get_device_name(device) if on_cuda else torch.cpu.get_capabilities()
    asked = (torch.__version__, processor, str(model), frames, size)
    digest = hashlib.sha256(repr(asked).encode()).hexdigest()
    file = known / f"{digest[:32]}.json"
    with locked(file.with_suffix(".lock")):  # trainings that start together ask once
        with suppress(OSError, ValueError, KeyError):
            found: str | None = json.loads(file.read_text(encoding="utf-8"))["wrong"]
            return found
        wrong = wrong_in_bf16(model, frames, size, device)
        write_json(file, {"wrong": wrong})
        return wrong


def weight_gradient(layer: nn.Module, x: Tensor, bf16: bool) -> Tensor:
    """Return the gradient of a layer's weights for a fixed, uneven gradient of its convolution's output."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
        out: Tensor = layer.convolve(x) if is_unit(layer) else layer(x)
    slope = torch.linspace(0, out.numel(), out.numel(), device=x.device).sin().view(out.shape)
    return torch.autograd.grad(out, weight_of(layer), slope.to(out.dtype))[0].float()


def convolution_inputs(model: nn.Module, frames: int, size: int) -> Iterator[tuple[str, nn.Module, tuple[int, ...]]]:
    """Yield name, layer and input shape of each convolution of the network, equal ones once, computing nothing."""
    shapes: dict[str, tuple[int, ...]] = {}
    layers = convolutions(model)
    twin = copy.deepcopy(model).to("meta")
    for name in layers:
        layer = twin.get_submodule(name)
        layer.register_forward_pre_hook(lambda _, given, name=name: shapes.__setitem__(name, tuple(given[0].shape)))
    twin(torch.empty(1, 3, frames, size, size, device="meta"))
    tried = set()
    for name, layer in layers.items():
        key = (shapes[name], weight_of(layer).shape)
        if key not in tried:
            tried.add(key)
            yield name, layer, shapes[name]


def convolutions(model: nn.Module) -> dict[str, nn.Module]:
    """Return a network's convolutions by name; units stand for theirs."""
    parts = dict(model.named_modules())
    units = [name for name, part in parts.items() if is_unit(part)]
    layers = [name for name, part in parts.items() if isinstance(part, nn.Conv3d)]
    return {name: parts[name] for name in units or layers}


def weight_of(layer: nn.Module) -> Tensor:
    """Return a convolution's weights."""
    convolution = layer.conv3d if is_unit(layer) else layer
    weight: Tensor = convolution.weight  # type: ignore[assignment]
    return weight
