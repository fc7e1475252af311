"""What the device that computes can do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def has_native_bf16(device: "torch.device") -> bool:
    """Say whether the device multiplies bf16 in hardware."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities()
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
