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
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.gpu_step import MODES, Step, largest_kernels, loss_curve
from benchmarks.machine import Copy, Gemm, describe_machine
from benchmarks.material import changed, preset, settings_of, training_on
from benchmarks.works.faces import swap_training
from benchmarks.works.recognition import flops_of, waiting_race
from calse.config.params import Params
from calse.data.manifests import write_rows
from calse.recognition.training.precision import has_native_bf16

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

    def attempt(self, name: str, part: Callable[[], None]) -> None:
        """Run a part; what goes wrong in it, or has no time left, becomes a line of the table."""
        if time.monotonic() > self.end:
            self.add(name, "left out: no time left")
            return
        try:
            part()
        except (RuntimeError, NotImplementedError, ImportError, OSError, AssertionError) as error:
            reason = " ".join(str(error).split())[:160] or type(error).__name__
            self.add(name, f"left out: {reason}")


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


class StepFigures:
    """Training steps of I3D on clips kept on the device, in several batch sizes and modes."""

    def __init__(self, table: Table, params: Params, device: torch.device, peak: float) -> None:
        self.table, self.params, self.device, self.peak = table, params, device, peak
        self.precision = "bf16" if has_native_bf16(device) else "fp32"
        self.best_batch, self.best_rate = 1, 0.0

    def measure(self, mode: str, batch: int) -> None:
        """Add clips a second, share of the GEMM rate and memory of one mode and batch size."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        step = Step(changed(settings_of(self.params), batch=batch), self.device, mode, self.precision)
        rate = batch / seconds_of(step, self.device, 3 if self.device.type == "cpu" else 10)
        name = f"I3D {mode} in {self.precision}, batch {batch}"
        self.table.add(f"{name}: training", rate, "clips/s", 250)
        self.table.add(
            f"{name}: share of the bf16 GEMM rate", 100 * rate * flops_of(settings_of(self.params)) / self.peak, "%"
        )
        if self.device.type == "cuda":
            self.table.add(f"{name}: memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")
        if mode == MODES[0] and rate > self.best_rate:
            self.best_batch, self.best_rate = batch, rate

    def kernels(self) -> None:
        """Add the three kernels that take most of a step's time."""
        step = Step(changed(settings_of(self.params), batch=self.best_batch), self.device, MODES[0], self.precision)
        for place, (name, share) in enumerate(largest_kernels(step, self.device), start=1):
            self.table.add(f"largest kernel {place}: {name[:90]}", 100 * share, "%")


def whole_training(table: Table, params: Params, tiny: bool) -> None:
    """Measure an epoch of the training stage itself: clips from disk, checks, and what it waits for clips."""
    with tempfile.TemporaryDirectory() as folder:
        training = training_on(Path(folder), params, (4 if tiny else 12) * settings_of(params).optim.batch)
        race = waiting_race(training)
        for _ in range(2):  # the first epoch warms up
            start = time.perf_counter()
            times = race.sides["epoch"]()
            seconds = time.perf_counter() - start
    table.add("train stage: training", len(training.job.inputs) / seconds, "clips/s")
    table.add("train stage: waits for clips", 100 * times["waited"] / seconds, "%")


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
    exact, fast = loss_curve(torch.device("cpu"), "fp32", tiny), loss_curve(device, "bf16", tiny)
    gap = sum(abs(one - other) for one, other in zip(exact, fast, strict=True)) / len(exact) / exact[0]
    table.add("loss curves, CPU in fp32 and device in bf16: mean gap", 100 * gap, "% of the first loss")
    table.add("loss curves agree", "yes" if gap <= CURVE_TOLERANCE and exact[-1] < exact[0] else "NO")


def main(
    device: Annotated[str, typer.Option(help="cuda or cpu")] = "cuda",
    tiny: Annotated[bool, typer.Option("--tiny", help="tiny sizes: tries the script, measures nothing")] = False,
    minutes: Annotated[float, typer.Option(help="no part begins after so many")] = 8,
    folder: Annotated[Path, typer.Option(help="where gpu.csv goes")] = HERE,
) -> None:
    """Measure training, loader, swap training and correctness on a device; write gpu.csv."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: there is no CUDA device here; `--device cpu --tiny` tries the script without one")
    place, table = torch.device(device), Table(time.monotonic() + 60 * minutes)
    sizes = {"frames": 9, "size": 32, "width": 0.125, "batch": 2} if tiny else {}
    params = preset("calse-100", **sizes, threads=os.cpu_count() or 1)
    table.attempt("loss curves", lambda: correctness(table, place, tiny))
    steps = StepFigures(table, params, place, limits(table, place, tiny))
    for batch in (1, 2) if tiny else (4, 8, 10, 16, 32):
        table.attempt(f"I3D {MODES[0]}, batch {batch}", partial(steps.measure, MODES[0], batch))
    for mode in MODES[1:] if place.type == "cuda" else ():
        table.attempt(f"I3D {mode}", partial(steps.measure, mode, steps.best_batch))
    table.attempt("largest kernels", steps.kernels)
    table.attempt("train stage", lambda: whole_training(table, params, tiny))
    table.attempt("swap training", lambda: swap(table, params, place, tiny))
    write_rows(folder / "gpu.csv", COLUMNS, table.rows)


if __name__ == "__main__":
    typer.run(main)
