"""bf16 is used only where it computes right."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from calse.recognition.architectures.i3d.network import I3D, Unit
from calse.recognition.training import precision
from calse.recognition.training.precision import choose_precision, convolution_inputs, wrong_in_bf16
from calse.runtime.errors import CalseError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("frames", "size"), [(9, 32), (16, 64)])
def test_bf16_weight_gradients_agree_with_fp32_at_the_shapes_of_training(frames: int, size: int):
    assert wrong_in_bf16(I3D(14, width=0.25), frames, size, CPU) is None


def test_bf16_gradients_of_two_frames_agree_at_full_width():
    """The shapes of Mixed_5b and 5c for 16 frames, where padding inside the convolution goes wrong on some CPUs."""
    torch.manual_seed(0)
    for inputs, outputs in ((160, 320), (32, 128), (192, 384), (48, 128)):
        unit, x = Unit(inputs, outputs, 3), torch.randn(2, inputs, 2, 4, 4)
        slope = torch.randn(2, outputs, 2, 4, 4)
        (exact,) = torch.autograd.grad(F.conv3d(F.pad(x, (1,) * 6), unit.conv3d.weight), unit.conv3d.weight, slope)
        with torch.autocast("cpu", torch.bfloat16):
            out = unit.convolve(x.contiguous(memory_format=torch.channels_last_3d))
        (rounded,) = torch.autograd.grad(out, unit.conv3d.weight, slope.bfloat16())
        assert torch.isfinite(rounded).all()
        assert (rounded - exact).norm() / exact.norm() < 0.02


def test_few_frames_are_never_padded_inside_the_convolution(monkeypatch: pytest.MonkeyPatch):
    paddings = {}

    def recorded(x: torch.Tensor, weight: torch.Tensor, bias: object, stride: object, padding: tuple) -> torch.Tensor:
        paddings.setdefault(x.shape[2] - (weight.shape[2] - 1), set()).add(padding[0])
        return original(x, weight, bias, stride, padding)

    original = F.conv3d
    monkeypatch.setattr("calse.recognition.architectures.i3d.network.F.conv3d", recorded)
    I3D(3, width=0.0625)(torch.randn(1, 3, 16, 32, 32))
    assert paddings[2] == {0}


def test_every_kind_of_convolution_is_checked_once_at_its_own_shape():
    found = list(convolution_inputs(I3D(14, width=0.25), 16, 64))
    shapes = {name: shape for name, _, shape in found}
    assert shapes["Conv3d_1a_7x7"] == (1, 3, 16, 64, 64)
    assert shapes["Mixed_5c.b1b"] == (1, 48, 2, 2, 2)
    assert shapes["logits"] == (1, 256, 1, 1, 1)
    keys = [(shape, tuple(unit.conv3d.weight.shape)) for _, unit, shape in found]
    assert len(set(keys)) == len(keys)


def test_wrong_gradients_switch_auto_to_fp32_and_stop_bf16(monkeypatch: pytest.MonkeyPatch):
    right = precision.weight_gradient

    def wrong_at_two_frames(unit: Unit, x: torch.Tensor, bf16: bool) -> torch.Tensor:
        gradient = right(unit, x, bf16=False)  # emulated bf16 is slow, and not what is asked here
        return gradient * float("nan") if bf16 and x.shape[2] == 2 and unit.conv3d.kernel_size[0] == 3 else gradient

    monkeypatch.setattr(precision, "weight_gradient", wrong_at_two_frames)
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: True)
    model = I3D(3, width=0.0625)
    assert choose_precision("auto", model, 16, 32, CPU) == (
        "fp32",
        "bf16 gradients of Mixed_5b.b1b are wrong on this machine",
    )
    assert choose_precision("auto", model, 24, 32, CPU).name == "bf16"
    with pytest.raises(CalseError, match=r"optim\.precision: bf16 gradients of Mixed_5b\.b1b are wrong"):
        choose_precision("bf16", model, 16, 32, CPU)
    assert choose_precision("fp32", model, 16, 32, CPU).name == "fp32"


def test_what_a_network_was_found_to_do_is_asked_once_for_each_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    asked = []

    def wrong(model: I3D, frames: int, size: int, device: torch.device) -> str:
        asked.append(frames)
        return "Mixed_5b.b1b"

    monkeypatch.setattr(precision, "wrong_in_bf16", wrong)
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: True)
    found = [choose_precision("auto", I3D(3, width=0.0625), frames, 32, CPU, tmp_path) for frames in (16, 16, 24)]
    assert asked == [16, 24]
    assert {one.reason for one in found} == {"bf16 gradients of Mixed_5b.b1b are wrong on this machine"}


def test_auto_needs_native_bf16(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(precision, "has_native_bf16", lambda _: False)
    assert choose_precision("auto", I3D(3, width=0.0625), 16, 32, CPU) == ("fp32", "no native bf16 on this cpu")
