"""Clips that stay in an accelerator's memory: from the second epoch on no frame moves."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from calse.recognition.input.frames_cache import open_frames
from calse.recognition.input.views import Frames

LEFT_FREE = 0.1  # of the memory, for whatever else the training asks for


class Resident:
    """Opens decoded clips T x H x W x 3 uint8: memory maps, or copies on the device once they may stay there.

    They may from the moment that `may_stay` is set, when a first epoch has shown what the network itself needs, and
    until LEFT_FREE is left. `memory` returns free and total bytes; without it nothing stays.
    """

    def __init__(self, device: torch.device, memory: Callable[[], tuple[int, int]] | None = None) -> None:
        self.device, self.may_stay = device, False
        self._memory = memory or (torch.cuda.mem_get_info if device.type == "cuda" else None)
        self._kept: dict[Path, Tensor] = {}

    def open(self, path: Path) -> Frames:
        """Return a clip, where it is fastest to read. Raises OSError or ValueError when it is not there in full."""
        if path in self._kept:
            return self._kept[path]
        frames = open_frames(path)  # anew for each view: maps that stay open add up to the corpus
        if self._fits(frames.nbytes):
            self._kept[path] = torch.tensor(frames, device=self.device)
        return self._kept.get(path, frames)

    def _fits(self, size: int) -> bool:
        """Say whether so many bytes may stay on the device."""
        if not (self.may_stay and self._memory):
            return False
        free, total = self._memory()
        return free - size > LEFT_FREE * total
