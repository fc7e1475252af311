"""What the device that computes can do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def choose_device() -> "torch.device":
    """Return the accelerator if there is one, which then repeats its results and keeps fp32's digits; else the CPU."""
    import torch

    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # else fp32 convolutions have bf16's precision but for 3 bits
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_native_bf16(device: "torch.device") -> bool:
    """Say whether the device multiplies bf16 in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
