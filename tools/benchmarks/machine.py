"""The machine: what it is, and what it can do at most."""

import os
from functools import cache
from pathlib import Path

import torch

FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "sve")


def describe_machine() -> str:
    """Return processor, cores, the flags that decide its arithmetic, and torch's version; no name, no path."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    lines = {name.strip(): value.strip() for name, value in lines.items()}
    known = lines.get("flags", lines.get("Features", "")).split()
    flags = " ".join(flag for flag in FLAGS if flag in known) or "flags unknown"
    device = f"; {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{lines.get('model name', 'CPU')}, {cores()} cores, {flags}{device}; torch {torch.__version__}"


@cache
def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


class Gemm:
    """A square matrix product: the arithmetic a machine does at best."""

    def __init__(self, dtype: torch.dtype, side: int = 2048, device: str = "cpu") -> None:
        self.flops = 2 * side**3
        self._left, self._right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def __call__(self) -> None:
        """Multiply once."""
        torch.mm(self._left, self._right)


class Copy:
    """A copy of so many bytes in memory, each read once and written once."""

    def __init__(self, size: int, device: str = "cpu") -> None:
        self.size = size
        self._source = torch.ones(size, dtype=torch.uint8, device=device)
        self._target = torch.empty_like(self._source)

    def __call__(self) -> None:
        """Copy once."""
        self._target.copy_(self._source)
