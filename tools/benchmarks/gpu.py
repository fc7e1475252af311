"""What one accelerator does, all of it in one command: `python -m benchmarks.gpu`.

On a machine with torch where this project is not installed: `PYTHONPATH=src:tools python -m benchmarks.gpu`.

Under ten minutes, without network: clips are noise, networks untrained. What does not fit into memory or time is left
out with its reason. `--device cpu --tiny` runs the same code anywhere.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, TypeVar

import torch
import typer
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import Copy, Gemm, describe_machine
from benchmarks.material import CLASSES, preset, settings_of, training_on
from benchmarks.race import Times
from benchmarks.works.faces import swap_training
from benchmarks.works.recognition import flops_of, waiting_race
from calse.config.params import Params
from calse.data.manifests import write_rows
from calse.recognition.input.transforms import placed
from calse.recognition.network import find_network
from calse.recognition.training.losses import training_loss
from calse.recognition.training.optimiser import Adam
from calse.runtime.device import choose_device

Result = TypeVar("Result")
HERE = Path(__file__).parent
COLUMNS = ["figure", "value", "unit", "target", "reached", "machine"]
CURVE_TOLERANCE = 0.05  # of the first loss: how far the losses may lie apart in the mean


@dataclass
class Table:
    """The figures so far, and when no further part may begin."""

    end: float
    rows: list[dict[str, str]] = field(default_factory=list)

    def add(self, figure: str, value: float | str, unit: str = "", least: float | None = None) -> None:
        """Print a figure and keep it; `least` is what it should reach."""
        text = value if isinstance(value, str) else f"{value:.4g}"
        met = "" if least is None or isinstance(value, str) else ("yes" if value >= least else "no")
        row = {"figure": figure, "value": text, "unit": unit, "target": "" if least is None else f">={least:g}"}
        self.rows.append(row | {"reached": met, "machine": describe_machine()})
        print(f"{figure}: {text} {unit} {'(target ' + row['target'] + ')' if row['target'] else ''}", flush=True)

    def attempt(self, name: str, part: Callable[..., Result], *arguments: object) -> Result | None:
        """Run a part and return its result; what goes wrong in it, or has no time left, becomes a line of the table."""
        if time.monotonic() > self.end:
            self.add(name, "left out: no time left")
            return None
        try:
            return part(self, *arguments)
        except (RuntimeError, NotImplementedError, ImportError, OSError, AssertionError) as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            self.add(name, f"left out: {reason}")
            return None


def seconds_of(function: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the mean seconds of a function after two runs that do not count, the device waited for."""
    for _ in range(2):
        function()
    synchronise(device)
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    synchronise(device)
    return (time.perf_counter() - start) / repeats


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def limits(table: Table, device: torch.device, tiny: bool) -> float:
    """Measure matrix products and copies; return the first in FLOP/s."""
    gemm = Gemm(torch.bfloat16, 128 if tiny else 8192, str(device))
    rate = gemm.flops / seconds_of(gemm, device, 20)
    copy = Copy(2**20 if tiny else 2**32, str(device))
    table.add("bf16 GEMM", rate / 1e12, "TFLOP/s")
    table.add("copy, read + write", 2 * copy.size / seconds_of(copy, device, 10) / 1e9, "GB/s")
    return rate


def train_stage(table: Table, params: Params, device: torch.device, peak: float, tiny: bool) -> float:
    """Measure epochs of the training stage itself, its clips on disk and on the device; return clips a second."""
    settings = settings_of(params)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        training = training_on(Path(folder), params, (2 if tiny else 6) * settings.optim.batch)
        epoch = waiting_race(training).sides["epoch"]
        epoch()  # warms up
        training.clips.may_stay = False
        from_disk, waited = timed_epoch(epoch)
        epoch()  # brings the clips to the device
        seconds, _ = timed_epoch(epoch)
    clips = len(training.job.inputs)
    name = f"train stage in {training.precision.name}, batch {settings.optim.batch}"
    table.add(f"{name}: training", clips / seconds, "clips/s", 250)
    table.add(f"{name}: share of the bf16 GEMM rate", 100 * clips / seconds * flops_of(settings) / peak, "%")
    table.add(f"{name}: clips larger than the device's memory", clips / from_disk, "clips/s")
    table.add(f"{name}: then waits for clips", 100 * waited / from_disk, "%")
    if device.type == "cuda":
        table.add(f"{name}: memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")
    return clips / seconds


def timed_epoch(epoch: Callable[[], Times]) -> tuple[float, float]:
    """Run an epoch; return its seconds, and those in which its steps waited for clips."""
    start = time.perf_counter()
    waited = epoch()["waited"]
    return time.perf_counter() - start, waited


def largest_kernels(table: Table, params: Params, device: torch.device) -> None:
    """Add the three kernels that take most of a training step's time on the device."""
    on_cuda = device.type == "cuda"
    with tempfile.TemporaryDirectory() as folder:
        training = training_on(Path(folder), params, settings_of(params).optim.batch)
        for epoch in (1, 2):  # the second brings the clips to the device
            training.run_epoch(epoch)
        with profile(activities=[ProfilerActivity.CUDA if on_cuda else ProfilerActivity.CPU]) as profiled:
            training.run_epoch(3)
    own = "self_device_time_total" if on_cuda else "self_cpu_time_total"
    spent = {event.key: float(getattr(event, own)) for event in profiled.key_averages()}
    for place, name in enumerate(sorted(spent, key=lambda name: -spent[name])[:3], start=1):
        table.add(f"largest kernel {place}: {name[:90]}", 100 * spent[name] / sum(spent.values()), "%")


def swap(table: Table, params: Params, device: torch.device, tiny: bool) -> None:
    """Measure swap training at the study's setting, and what a donor takes."""
    settings = params.swap_train["autoencoder"]
    if tiny:
        settings = replace(settings, size=32, channels=4, code=16, batch=2)
    with tempfile.TemporaryDirectory() as folder:
        training = swap_training(Path(folder), settings)
        rate = 1 / seconds_of(training.step, device, 3 if tiny else 100)
    name = f"swap training, {settings.size} px, batch {settings.batch}"
    table.add(f"{name}: {training.precision}", rate, "iterations/s", settings.iterations / 1200)
    table.add(f"{name}: {settings.iterations} iterations", settings.iterations / rate / 3600, "hours")


def correctness(table: Table, device: torch.device, tiny: bool) -> None:
    """Compare the losses of a small training: fp32 on the CPU, bf16 on the device."""
    exact = loss_curve(torch.device("cpu"), "fp32", tiny)
    fast, again = (loss_curve(device, "bf16", tiny) for _ in range(2))
    gap = sum(abs(one - other) for one, other in zip(exact, fast, strict=True)) / len(exact) / exact[0]
    table.add("loss curves, CPU in fp32 and device in bf16: mean gap", 100 * gap, "% of the first loss")
    table.add("loss curves agree", "yes" if gap <= CURVE_TOLERANCE and exact[-1] < exact[0] else "NO")
    table.add("the same losses again on the device", "yes" if again == fast else "NO")


def loss_curve(device: torch.device, precision: str, tiny: bool) -> list[float]:
    """Return the losses of a small I3D that learns one batch by heart; every draw is the same everywhere."""
    frames, size, batch, steps = (9, 32, 2, 3) if tiny else (16, 64, 8, 20)
    model, optim = settings_of(preset("synthetic", dropout=0.0)).model, settings_of(preset("synthetic", lr=1e-3)).optim
    torch.manual_seed(0)
    network = placed(find_network("i3d").built(model, CLASSES), device).train()
    optimiser = Adam(network.parameters(), optim)
    clips, labels = (torch.rand(batch, 3, frames, size, size) * 2 - 1).to(device), torch.arange(batch, device=device)
    losses = []
    for _ in range(steps):
        optimiser.clear()
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits = network(clips)
        loss = training_loss(logits, labels, optim.loss, frames)
        torch.autograd.backward(loss)
        optimiser.step(optim.lr)
        losses.append(float(loss.detach()))
    return losses


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu")] = "cuda",
    tiny: Annotated[bool, typer.Option("--tiny", help="tiny sizes: tries the script, measures nothing")] = False,
    minutes: Annotated[float, typer.Option(help="no part begins after so many")] = 8,
    folder: Annotated[Path, typer.Option(help="where gpu.csv goes")] = HERE,
) -> None:
    """Measure training, loader, swap training and correctness on a device; write gpu.csv."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: there is no CUDA device here; `--device cpu --tiny` tries the script without one")
    choose_device()  # for its settings
    place, table = torch.device(device), Table(time.monotonic() + 60 * minutes)
    sizes = {"frames": 9, "size": 32, "width": 0.125} if tiny else {}
    batches = (1, 2) if tiny else (4, 8, 10, 16, 32)
    by_batch = {n: preset("calse-100", **sizes, batch=n, threads=os.cpu_count() or 1) for n in batches}
    table.attempt("loss curves", correctness, place, tiny)
    peak = limits(table, place, tiny)
    rates = {n: table.attempt(f"train stage, batch {n}", train_stage, by_batch[n], place, peak, tiny) for n in batches}
    fastest = max(batches, key=lambda n: rates[n] or 0.0)
    table.attempt("largest kernels", largest_kernels, by_batch[fastest], place)
    table.attempt("swap training", swap, by_batch[fastest], place, tiny)
    write_rows(folder / "gpu.csv", COLUMNS, table.rows)


if __name__ == "__main__":
    typer.run(main)
