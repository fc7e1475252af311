"""Checks of the machine: Python, packages, codecs, disk, accelerator."""

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from calse.config.params import Params
from calse.doctor.finding import SETUP, Finding
from calse.runtime.errors import counted
from calse.runtime.repository import main_repository

GIGABYTE = 10**9
LITTLE, PLENTY = 2 * GIGABYTE, 10 * GIGABYTE  # free disk


def python() -> Finding:
    """Is this Python one that the locked packages are built for?"""
    fits = (3, 11) <= sys.version_info < (3, 14)
    if fits:
        return Finding("ok", f"{platform.python_version()} in {sys.prefix}")
    return Finding("wrong", f"{platform.python_version()}, not 3.11 to 3.13", "make PYTHON=python3.12 setup")


def packages() -> Finding:
    """Are the packages those of the lock?"""
    from packaging.requirements import Requirement

    lines = Path("requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.rstrip("\\ ")) for line in lines if line and not line.startswith((" ", "#"))]
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    wrong = [
        f"{pin.name} {found or 'is missing'}" for pin in pins if (found := _installed(pin.name)) not in pin.specifier
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return Finding("wrong", f"{', '.join(wrong[:3])}{more}: not what requirements.txt locks", SETUP)
    return Finding("ok", f"all {len(pins)} as locked")


def _installed(name: str) -> str:
    """Return the version of a package; nothing when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def decoder() -> Finding:
    """Does a small clip come back after encoding as it was?"""
    import numpy as np

    from calse.video.ours.encode import write_video
    from calse.video.ours.read import read_frames

    clip = np.repeat(np.arange(40, 240, 50, dtype=np.uint8), 32 * 32 * 3).reshape(4, 32, 32, 3)
    with TemporaryDirectory() as folder:
        write_video(Path(folder) / "clip.mp4", clip, 25)
        back = read_frames(Path(folder) / "clip.mp4")
    if back.shape != clip.shape or abs(back.astype(int) - clip).max() > 8:
        return Finding("wrong", "a clip written and read again is not the same", SETUP)
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        if platform.machine() == "aarch64":
            return Finding("ok", "a clip written and read again is the same; by PyAV, for decord is not made for ARM")
        return Finding("warn", "decord does not load; clips are read with PyAV", SETUP)
    return Finding("ok", "a clip written and read again is the same")


def encoder() -> Finding:
    """Are equal frames encoded to equal bytes, wherever they lie in memory?"""
    import numpy as np

    from calse.runtime.files import sha256_of
    from calse.video.ours.encode import write_video

    y, x = np.mgrid[0:144, 0:192]
    frames = np.stack([(x * 3 + y * 2 + t * 5) % 256 for t in range(20)]).astype(np.uint8)[..., None].repeat(3, -1)
    files = set()
    with TemporaryDirectory() as folder:
        for start in range(5):
            buffer = np.empty(frames.size + 4, np.uint8)
            moved = buffer[start : start + frames.size].reshape(frames.shape)
            moved[:] = frames
            write_video(Path(folder) / "clip.mp4", moved, 25)
            files.add(sha256_of(Path(folder) / "clip.mp4"))
    if len(files) > 1:
        what = f"equal frames gave {len(files)} different files of 5: clips made again will not be the same"
        return Finding("wrong", what, SETUP)
    return Finding("ok", "equal frames give equal bytes")


def disk() -> Finding:
    """Is there space for clips, weights and decoded frames?"""
    free = shutil.disk_usage(main_repository()).free
    what = f"{free / GIGABYTE:.1f} GB free"
    if free >= PLENTY:
        return Finding("ok", what)
    return Finding("wrong" if free < LITTLE else "warn", what, "rm -r .scratch/frames")


def accelerator(params: Params) -> Finding:
    """What will trainings run on, in which arithmetic, with how many threads?"""
    import torch

    from calse.recognition.settings import NetworkSettings
    from calse.runtime.device import has_native_bf16
    from calse.runtime.executor import worker_count

    found = torch.cuda.is_available()
    device = torch.device("cuda" if found else "cpu")
    networks = {name: one for name, one in params.train.items() if isinstance(one, NetworkSettings)}
    threads = max((one.threads for one in networks.values()), default=1)
    name = torch.cuda.get_device_name() if found else f"CPU, {counted(worker_count(), 'process')}"
    native, asked = has_native_bf16(device), {one.optim.precision for one in networks.values()}
    checked = "bf16 where its gradients prove right when a training starts, else fp32"
    unable = "fp32: no native bf16" if not native and "bf16" not in asked else checked
    arithmetic = "fp32" if asked <= {"fp32"} else unable
    what = f"{name}; {arithmetic}; {counted(threads, 'thread')} a training"
    if Path("/dev/nvidiactl").exists() and not found:
        return Finding(
            "warn", f"{what}; an NVIDIA device is here but torch {torch.__version__} cannot use it", "nvidia-smi"
        )
    if not found and threads > (os.cpu_count() or 1):
        greedy = next(name for name, one in networks.items() if one.threads == threads)
        mend = f"dvc exp run -S train.{greedy}.threads={os.cpu_count()}"
        return Finding("warn", f"{what}, more than there are cores", mend)
    return Finding("ok", what)
