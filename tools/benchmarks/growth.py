"""How the stages grow: time and peak memory of the real commands on 1, 4 and 16 times as many clips.

Stages that are quick with a clip begin with four times as many as the others: their own work must outweigh their start.

A stage's time is taken to be `fixed + cost * clips ** exponent`: of three measurements, each four times as many
clips as the one before, the exponent follows without knowing the fixed part, which imports and starts are most of.
One worker, nothing decoded before. A busy machine's cores are up to twice as slow, so the exponent is that of the
instructions in user mode where Linux's `perf` counts them, else of CPU seconds, of short stages the least of three.
"""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from benchmarks.machine import describe_machine
from benchmarks.material import ROOT, filmed, with_landmark_models, write_clip
from benchmarks.picture import draw_growth
from benchmarks.results import add_rows
from benchmarks.rows import prepare_rows
from calse.config.params import Params, as_dict, check_params
from calse.data.clips import Clip
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.faceswap.methods.autoencoder.model.network import SwapNetwork
from calse.faceswap.methods.autoencoder.model.train import save_model
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of, write_json

STEP = 4
RAW = "DONOR-2"  # the source whose clips are raw: no later stage reads what ingest makes of them
SIZES = 3
STAGES = {  # command, and the first of the sizes that it is measured at
    "ingest": (["ingest", RAW], 1),
    "augment": (["augment", "AF1"], 1),
    "landmarks": (["landmarks", "INTERPRETER"], 0),
    "swap": (["swap", "DF-1"], 0),
    "train (4 epochs)": (["train", "i3d", "Baseline"], 1),
    "evaluate": (["evaluate", "i3d", "Baseline"], 1),
    # Of rows alone, 2,048 to 32,768 of them.
    "validate": (["validate"], 4),
    "split": (["split", "AF1"], 4),
    "report": (["report"], 4),
}
OF_ROWS = {"validate", "split", "report"}
COLUMNS = ["stage", "clips", "cpu_seconds", "giga_instructions", "peak_mb", "exponent", "memory_ratio", "machine"]
GLOSSES = 4
RUNS, SHORT = 3, 30.0  # runs of a stage at most; CPU seconds after which there is no further one
# Runs a command and adds what it took to a file: a process of its own, because a child's peak is never under its
# parent's. As a subreaper (36) it also counts trainings, which a server forks that outlives the command for a moment.
MEASURE = """
import ctypes, json, os, resource, subprocess, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(36, 1)
status = subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL).returncode
try:
    while os.wait():
        pass
except ChildProcessError:
    pass
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "a") as file:
    print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, sys.argv[2:]]), file=file)
sys.exit(status)
"""


class Usage(NamedTuple):
    """CPU seconds of a command and all its processes, the peak of the largest of them in MB, 1e9 instructions."""

    seconds: float
    megabytes: float
    instructions: float = math.nan


def grow(names: list[str], base: int, path: Path) -> None:
    """Measure stages, all unless some are named, at three sizes; write the table and its picture beside it.

    Raises CalseError for a stage that is not measured.
    """
    if unknown := set(names) - STAGES.keys():
        raise CalseError(f"there is no stage {min(unknown)!r} here; those are: {', '.join(STAGES)}")
    measured: dict[str, dict[int, Usage]] = {stage: {} for stage in names or STAGES}
    for of_rows in (False, True):
        stages = [stage for stage in measured if (stage in OF_ROWS) == of_rows]
        for power in sorted({STAGES[stage][1] + more for stage in stages for more in range(SIZES)}):
            count = base * STEP**power
            with tempfile.TemporaryDirectory() as folder:
                prepare_rows(Path(folder), count, parameters()[0]) if of_rows else prepare(Path(folder), count)
                for stage in stages:
                    command, first = STAGES[stage]
                    if first <= power < first + SIZES:
                        runs = 1 if counter() else RUNS
                        measured[stage][count] = least_usage_of(command, Path(folder), runs)
                        print(f"{stage}, {count} clips: {measured[stage][count]}", flush=True)
    new = [row_of(stage, list(usages), list(usages.values())) for stage, usages in measured.items()]
    rows = add_rows(path, list(STAGES), new, "stage", COLUMNS)
    draw_growth(rows, path.with_suffix(".png"))
    for row in new:
        print(f"{row['stage']}: exponent {row['exponent']}, memory x {row['memory_ratio']}")


def exponent(small: float, middle: float, large: float, step: float = STEP) -> float:
    """Return k of `fixed + cost * n ** k` from its values at n, step * n and step ** 2 * n; NaN unless they grow."""
    if not small < middle < large:
        return math.nan
    return math.log((large - middle) / (middle - small), step)


def row_of(stage: str, counts: list[int], usages: list[Usage]) -> dict[str, Any]:
    """Return a stage's line of the table."""
    seconds, memory, instructions = zip(*usages, strict=True)
    work = seconds if any(map(math.isnan, instructions)) else instructions
    return {
        "stage": stage,
        "clips": "/".join(map(str, counts)),
        "cpu_seconds": "/".join(f"{value:.2f}" for value in seconds),
        "giga_instructions": "/".join(f"{value:.2f}" for value in instructions),
        "peak_mb": "/".join(f"{value:.0f}" for value in memory),
        "exponent": f"{exponent(work[0], work[1], work[2], counts[1] / counts[0]):.2f}",
        "memory_ratio": f"{memory[2] / memory[0]:.2f}",
        "machine": describe_machine(),
    }


def least_usage_of(command: list[str], root: Path, runs: int) -> Usage:
    """Run a stage's command a few times from the start and return the run that took least."""
    usages: list[Usage] = []
    while len(usages) < runs and sum(usage.seconds for usage in usages) < SHORT:
        shutil.rmtree(root / ".scratch", ignore_errors=True)  # else a training would go on where the last one ended
        usages.append(usage_of(command, root))
    return min(usages)


def usage_of(command: list[str], root: Path) -> Usage:
    """Run a stage's command in a repository, with one worker."""
    python = [sys.executable, "-S", "-c", MEASURE, "/dev/stdout", *counter(), sys.executable, "-m", "calse", *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "CALSE_WORKERS": "1"}
    environment |= {"DVC_ROOT": str(root), "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db"}
    done = subprocess.run(python, cwd=root, env=environment, capture_output=True, text=True)
    status, seconds, kilobytes, _ = json.loads(done.stdout or "[1, 0, 0, []]")
    if status:
        raise RuntimeError(f"calse {' '.join(command)}: {done.stderr.strip()[-400:]}")
    counted = re.search(r"^(\d+),,instructions", done.stderr, re.MULTILINE)
    instructions = int(counted[1]) / 1e9 if counted else math.nan
    return Usage(seconds, kilobytes / (1e6 if sys.platform == "darwin" else 1e3), instructions)


@cache
def counter() -> list[str]:
    """Return the command that counts another's instructions, of all its processes; empty where there is none."""
    command = ["perf", "stat", "-x", ",", "-e", "instructions:u"]
    if not shutil.which("perf"):
        return []
    tried = subprocess.run([*command, "true"], capture_output=True, text=True)
    return command if re.match(r"\d", tried.stderr) else []


def prepare(root: Path, count: int) -> None:
    """Write a repository with so many raw videos, clips of SACU and of the interpreter; a swap model nobody trained."""
    tree, params = parameters()
    write_json(root / "params.yaml", tree)  # JSON is YAML
    (root / "dvc.yaml").write_text("stages: {}\n")
    layout, frames = with_landmark_models(root), filmed(24, 128)
    clips = {source: clips_of(layout, source, count, frames) for source in ("SACU", "INTERPRETER")}
    clips["DONOR-1"] = clips_of(layout, "DONOR-1", 1, frames)
    for source, made in clips.items():
        write_manifest(layout.source_manifest(source), made)
    write_raw(layout, clips["SACU"])
    usage_of(["landmarks", "DONOR-1"], root)
    size = params.swap_train["autoencoder"]
    network = SwapNetwork(size.size, size.channels, size.code)
    save_model(layout.swap_model("DF-1"), network, {"donor": "DONOR-1", "params": as_dict(size)})
    usage_of(["split", "Baseline"], root)


def parameters() -> tuple[dict[str, Any], Params]:
    """Return parameters with one source of each kind, one set of each kind and one recipe; as written and as read."""
    tree = YAML(typ="safe", pure=True).load((ROOT / "presets/synthetic.yaml").read_text(encoding="utf-8"))
    kept = ("SACU", "INTERPRETER", "DONOR-1", RAW)
    tree["corpus"]["sources"] = {name: tree["corpus"]["sources"][name] for name in kept}
    tree["landmarks"]["sources"] = kept
    tree["augment"] = {"AF1": tree["augment"]["AF1"] | {"clips_per_gloss": None}}
    tree["swap"] = {"DF-1": tree["swap"]["DF-1"] | {"clips_per_gloss": None}}
    tree |= {"omit": [], "test_sources": ["SACU"], "recipes": {"Baseline": []}}
    i3d = tree["train"]["i3d"]
    i3d["schedule"]["epochs"], i3d["threads"], i3d["optim"]["precision"] = 4, 1, "fp32"
    return tree, check_params(tree)


def clips_of(layout: Layout, source: str, count: int, frames: Any) -> list[Clip]:
    """Write so many clips that show the same and differ in their bytes, the glosses in turn."""
    return [write_clip(layout, f"{source}-G{n % GLOSSES}-{n}", frames, source, f"G{n % GLOSSES}") for n in range(count)]


def write_raw(layout: Layout, clips: list[Clip]) -> None:
    """Write the raw videos, links to these clips, and their index."""
    folder = layout.raw("synthetic") / RAW
    folder.mkdir(parents=True)
    rows = []
    for number, clip in enumerate(clips):
        (folder / Path(clip.path).name).symlink_to((layout.root / clip.path).resolve())
        sha256 = sha256_of(layout.root / clip.path)
        rows.append(
            {"file": Path(clip.path).name, "gloss": clip.gloss, "signer": "A", "take": number + 1, "sha256": sha256}
        )
    write_rows(folder / "clips.csv", list(rows[0]), rows)
