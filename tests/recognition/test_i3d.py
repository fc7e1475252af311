"""The network is the published one: names, sizes, shapes, paddings."""

import math

import pytest
import torch
from torch.nn import functional as F

from calse.recognition.architectures.i3d.network import I3D, SameMaxPool, Unit, same_padding
from calse.runtime.errors import CalseError

PUBLISHED_SHAPES = {  # C x T x H x W behind each layer, for 64 frames of 224 pixels
    "Conv3d_1a_7x7": (64, 32, 112, 112),
    "MaxPool3d_2a_3x3": (64, 32, 56, 56),
    "Conv3d_2b_1x1": (64, 32, 56, 56),
    "Conv3d_2c_3x3": (192, 32, 56, 56),
    "MaxPool3d_3a_3x3": (192, 32, 28, 28),
    "Mixed_3b": (256, 32, 28, 28),
    "Mixed_3c": (480, 32, 28, 28),
    "MaxPool3d_4a_3x3": (480, 16, 14, 14),
    "Mixed_4b": (512, 16, 14, 14),
    "Mixed_4c": (512, 16, 14, 14),
    "Mixed_4d": (512, 16, 14, 14),
    "Mixed_4e": (528, 16, 14, 14),
    "Mixed_4f": (832, 16, 14, 14),
    "MaxPool3d_5a_2x2": (832, 8, 7, 7),
    "Mixed_5b": (832, 8, 7, 7),
    "Mixed_5c": (1024, 8, 7, 7),
}
PUBLISHED_PARAMETERS = {
    "Conv3d_1a_7x7": 65_984,
    "Conv3d_2b_1x1": 4_224,
    "Conv3d_2c_3x3": 332_160,
    "Mixed_3b": 386_272,
    "Mixed_3c": 837_888,
    "Mixed_4b": 737_760,
    "Mixed_4c": 904_464,
    "Mixed_4d": 1_103_664,
    "Mixed_4e": 1_356_672,
    "Mixed_4f": 1_799_168,
    "Mixed_5b": 1_974_272,
    "Mixed_5c": 2_784_736,
    "logits": 102_500,
}


def published_keys() -> set[str]:
    units = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
    mixed = [name for name in PUBLISHED_SHAPES if name.startswith("Mixed")]
    units += [f"{name}.{branch}" for name in mixed for branch in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")]
    norms = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = {f"{unit}.conv3d.weight" for unit in units} | {f"{unit}.bn.{norm}" for unit in units for norm in norms}
    return keys | {"logits.conv3d.weight", "logits.conv3d.bias"}


def meta_model(**options: float) -> I3D:
    with torch.device("meta"):
        return I3D(100, **options)


def test_parameters_and_keys_are_the_published_ones():
    model = meta_model()
    counts = {name: sum(p.numel() for p in model.get_submodule(name).parameters()) for name in PUBLISHED_PARAMETERS}
    assert counts == PUBLISHED_PARAMETERS
    assert sum(p.numel() for p in model.parameters()) == 12_389_764
    assert set(model.state_dict()) == published_keys()
    assert len(model.state_dict()) == 344
    assert model.state_dict()["logits.conv3d.weight"].shape == (100, 1024, 1, 1, 1)


def test_every_layer_has_the_published_shape():
    model, seen = meta_model(), {}
    for name in PUBLISHED_SHAPES:
        model.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, tuple(out.shape[1:]))
        )
    assert model(torch.empty(2, 3, 64, 224, 224, device="meta")).shape == (2, 100, 7)
    assert seen == PUBLISHED_SHAPES


@pytest.mark.parametrize("frames", [9, 16, 24, 75])
@pytest.mark.parametrize("size", [32, 200])
def test_frames_out_follow_from_frames_in_at_every_size(frames: int, size: int):
    expected = math.ceil(math.ceil(math.ceil(frames / 2) / 2) / 2) - 1
    assert meta_model(width=0.25)(torch.empty(1, 3, frames, size, size, device="meta")).shape == (1, 100, expected)


def test_eight_frames_are_refused():
    with pytest.raises(CalseError, match="at least 9 frames, not 8"):
        meta_model()(torch.empty(1, 3, 8, 224, 224, device="meta"))


def padded_as_tensorflow(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    """SAME padding from TensorFlow's rule on output sizes: out = ceil(in / stride), the surplus at the end."""
    amounts = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((math.ceil(size / s) - 1) * s + k - size, 0)
        amounts += [total // 2, total - total // 2]
    return F.pad(x, amounts)


@pytest.mark.parametrize(("kernel", "stride", "size"), [(1, 1, (4, 8, 8)), (7, 2, (9, 16, 16)), (7, 2, (16, 15, 15))])
def test_fast_convolutions_have_the_plain_ones_gradients(kernel: int, stride: int, size: tuple[int, ...]):
    """As a matrix product, or padded by hand, to 1e-5 of the gradients' norms; channels last, as in training."""
    unit = Unit(3, 8, kernel, stride)
    x = torch.randn(2, 3, *size).contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    fast = unit.convolve(x)
    padded = padded_as_tensorflow(x, (kernel,) * 3, (stride,) * 3)
    plain = F.conv3d(padded.contiguous(), unit.conv3d.weight, stride=stride)
    assert fast.is_contiguous(memory_format=torch.channels_last_3d)
    slope = torch.randn_like(plain)
    gradients = [torch.autograd.grad(out, (x, unit.conv3d.weight), slope) for out in (fast, plain)]
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).norm() / theirs.norm() < 1e-5


SIZES = [(16, 64, 64), (9, 63, 65), (2, 7, 7), (4, 8, 9), (5, 13, 14), (1, 3, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 1), (1, 1)])
def test_convolutions_pad_as_tensorflow_does(size: tuple[int, ...], kernel: int, stride: int):
    unit, x = Unit(2, 3, kernel, stride), torch.randn(1, 2, *size)
    expected = F.conv3d(padded_as_tensorflow(x, (kernel,) * 3, (stride,) * 3), unit.conv3d.weight, stride=stride)
    torch.testing.assert_close(unit.convolve(x), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_the_stem_in_bf16_takes_pixels_in_pairs_to_the_same_sums(size: tuple[int, ...]):
    """Output and both gradients, within what bf16 keeps: a pixel's shift would change them by about all they are."""
    unit, x = Unit(3, 8, 7, 2), torch.randn(2, 3, *size).requires_grad_()
    plain = F.conv3d(padded_as_tensorflow(x, (7,) * 3, (2,) * 3), unit.conv3d.weight, stride=2)
    with torch.autocast("cpu", torch.bfloat16):
        paired = unit.convolve(x)
    assert paired.dtype == torch.bfloat16
    slope = torch.randn_like(plain)
    found = paired.float(), *torch.autograd.grad(paired, (x, unit.conv3d.weight), slope.bfloat16())
    expected = plain, *torch.autograd.grad(plain, (x, unit.conv3d.weight), slope)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).norm() / theirs.norm() < 0.02


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((3,) * 3, (1,) * 3)]
)
def test_pools_pad_as_tensorflow_does(size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]):
    x = torch.rand(1, 2, *size)
    expected = F.max_pool3d(padded_as_tensorflow(x, kernel, stride), kernel, stride)
    torch.testing.assert_close(SameMaxPool(kernel, stride)(x), expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2)), ((3,) * 3, (1,) * 3)]
)
def test_pools_on_a_gpu_have_the_same_maxima_and_gradient(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]
):
    pool, x = SameMaxPool(kernel, stride), torch.randn(2, 3, *size).relu_().requires_grad_()
    front = [same_padding(*axis)[0] for axis in zip(size, kernel, stride, strict=True)]
    pooled, expected = pool._pool_space_then_time(x, front), pool(x)
    assert torch.equal(pooled, expected)
    slope = torch.randn_like(expected)
    torch.testing.assert_close(*(torch.autograd.grad(out, x, slope)[0] for out in (pooled, expected)))


@pytest.mark.parametrize("size", SIZES)
def test_the_stem_on_a_gpu_takes_blocks_of_eight_voxels_to_the_same_sums(size: tuple[int, ...]):
    unit, x = Unit(3, 8, 7, 2), torch.randn(2, 3, *size)
    expected = F.conv3d(padded_as_tensorflow(x, (7,) * 3, (2,) * 3), unit.conv3d.weight, stride=2)
    blocks = unit._convolve_blocks(x, (2, 2, 2))
    torch.testing.assert_close(blocks, expected, atol=1e-4, rtol=1e-4)
    slope = torch.randn_like(expected)
    ours, theirs = (torch.autograd.grad(out, unit.conv3d.weight, slope)[0] for out in (blocks, expected))
    assert (ours - theirs).norm() / theirs.norm() < 1e-5


def test_global_pooling_is_the_published_average_over_2x7x7():
    model = I3D(5, width=0.125).eval()
    kept = []
    model.Mixed_5c.register_forward_hook(lambda _, __, out: kept.append(out))
    with torch.inference_mode():
        features = model.features(torch.randn(1, 3, 16, 224, 224))
    assert kept[0].shape == (1, 128, 2, 7, 7)
    torch.testing.assert_close(features, F.avg_pool3d(kept[0], (2, 7, 7), stride=1)[..., 0, 0])


def test_options_reach_the_layers():
    model = meta_model(width=0.25, dropout=0.3, bn_momentum=0.1)
    assert model.dropout.p == 0.3
    assert {m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d)} == {0.1}
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d)} == {1e-3}
    assert model.Conv3d_1a_7x7.conv3d.weight.shape == (16, 3, 7, 7, 7)


def test_clips_taken_as_pictures_are_normalised_as_clips():
    unit, x = Unit(3, 8, 1).train(), torch.randn(2, 8, 4, 5, 6)
    assert torch.equal(unit.bn(x.flatten(2, 3)), unit.bn(x).flatten(2, 3))
