"""Where the time of a whole `dvc repro` goes: the committed study, rebuilt in a temporary clone, stage by stage.

Python is asked to report its imports (`PYTHONPROFILEIMPORTTIME`): every process of every stage then says how long
each took, and that it began at all. The report itself costs a little, so that imports are rather overstated.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import cores, describe_machine
from benchmarks.material import ROOT
from calse.runtime.errors import CalseError

STAGE = re.compile(r"^Running stage '(.+)':")
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \|")
BEGIN = "import time: self [us]"  # each process's first line
BETWEEN = "dvc itself"


@dataclass
class Spent:
    """Wall seconds of a stage, how many Python processes it had, and their imports' seconds, added up."""

    stage: str
    wall: float = 0.0
    processes: int = 0
    imports: float = 0.0


def time_repro(targets: list[str]) -> None:
    """Rebuild the study, or some stages and what they need; print what each took. Raises CalseError if one fails."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "study"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        spent = budget(stamped(run_repro(clone, targets)))
    print(describe_machine())
    for row in table(spent, start_of_python()):
        processes = f"{row['processes']:>4} processes, imports and starts {row['share_percent']:>5} %"
        print(f"{row['stage']:28} {row['wall_seconds']:>8} s {processes}")


def run_repro(clone: Path, targets: list[str]) -> Iterator[str]:
    """Yield what `dvc repro` prints, line by line, with the reports on imports."""
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1", "PYTHONUNBUFFERED": "1"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GX_ANALYTICS_ENABLED": "false"}
    environment.pop("PYTHONPATH", None)
    command = ["dvc", "repro", *targets]
    last = ""
    with subprocess.Popen(
        command, cwd=clone, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as dvc:
        assert dvc.stdout is not None
        for line in dvc.stdout:
            if "import time:" not in line and line.strip():
                last = line.strip()
            yield line
    if dvc.returncode:
        raise CalseError(f"dvc repro failed in a clone of the last commit: {last}")


def stamped(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Yield each line with the second at which it came, and an empty one at the end."""
    for line in lines:
        yield time.perf_counter(), line
    yield time.perf_counter(), ""


def budget(lines: Iterable[tuple[float, str]]) -> list[Spent]:
    """Return what each stage spent, in the order run; what came before the first is DVC's own."""
    spent = [Spent(BETWEEN)]
    before: float | None = None
    for second, line in lines:
        spent[-1].wall += second - (second if before is None else before)
        before = second
        begun = STAGE.match(line)
        if begun:
            spent.append(Spent(begun[1]))
        spent[-1].processes += line.count(BEGIN)
        spent[-1].imports += sum(int(microseconds) for microseconds in IMPORT.findall(line)) / 1e6
    return spent


def table(spent: list[Spent], start: float) -> list[dict[str, str]]:
    """Return the lines of the table and their sum; `start` is what a bare Python takes, in seconds.

    The share is of what all cores could have done in the stage's wall time: processes import side by side.
    """
    whole = Spent("all", *(sum(getattr(one, name) for one in spent) for name in ("wall", "processes", "imports")))
    return [
        {
            "stage": one.stage,
            "wall_seconds": f"{one.wall:.1f}",
            "processes": str(one.processes),
            "share_percent": f"{100 * (one.imports + one.processes * start) / (one.wall * cores() or 1):.1f}",
        }
        for one in [*spent, whole]
    ]


def start_of_python() -> float:
    """Return the seconds that a Python process takes to begin and end, the best of five."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        times.append(time.perf_counter() - start)
    return min(times)
