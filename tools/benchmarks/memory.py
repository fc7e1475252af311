"""Peak memory of a training step, measured in a process of its own: `python -m benchmarks.memory WHAT FRAMES SIZE`."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.material import ROOT

BATCH = 2


def peak_of_step(what: str, frames: int, size: int) -> float:
    """Return the bytes that a clip of a batch of two adds to a process.

    `what` is `ours`, `published`, `micro` (one clip at a time) or `recompute` (layers computed twice).
    """
    command = [sys.executable, "-m", "benchmarks.memory", what, str(frames), str(size)]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_rss() -> int:
    """Return the most bytes that this process ever held. The kernel's own figure: rusage also counts the parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(what: str, frames: int, size: int) -> None:
    """Take one step and print its peak over what the imports took, a clip."""
    import torch

    from benchmarks.material import preset, settings_of, training_on
    from benchmarks.peers.i3d import plain_step

    saving = {"micro_batch": 1 if what == "micro" else None, "recompute": what == "recompute"}
    params, before = preset("calse-100", frames=frames, size=size, batch=BATCH, **saving), peak_rss()
    if what == "published":
        plain_step(settings_of(params))(torch.randn(BATCH, 3, frames, size, size), torch.tensor([0, 1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            training_on(Path(folder), params, BATCH).run_epoch(1)
    print((peak_rss() - before) / BATCH)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
