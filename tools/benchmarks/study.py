"""How a whole study grows: `dvc repro` of the synthetic corpus with more and more glosses, five clips of each.

Tiny settings, every stage, one epoch. A `python` that stands before the real one in PATH measures the stages' commands
as `growth` does; what is left of the whole is DVC's own.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from benchmarks.growth import COLUMNS, MEASURE, Usage, exponent, row_of
from calse.data.manifests import write_rows
from calse.runtime.errors import CalseError
from torture.survival import git
from torture.toy import environment, make_toy

CLIPS = 5  # of a gloss: one of each of two dictionaries, three of the interpreter
DVC = "dvc itself"


def grow_study(glosses: list[int], path: Path) -> None:
    """Rebuild studies of so many glosses, each so many times as large as the one before; write the table.

    Raises CalseError when a rebuild fails, or for other sizes.
    """
    if len(glosses) != 3 or glosses[0] * glosses[2] != glosses[1] ** 2:
        raise CalseError("give three numbers of glosses, each as many times the one before, as 4 20 100")
    counts = [CLIPS * number for number in glosses]
    found: dict[str, list[Usage]] = defaultdict(list)
    disk = []
    for number in glosses:
        with tempfile.TemporaryDirectory() as folder:
            root = make_toy(Path(folder) / "study", sizes(number))
            for stage, usage in rebuilt(root).items():
                found[stage].append(usage)
                print(f"{stage}, {number} glosses: {usage.seconds:.1f} s, {usage.megabytes:.0f} MB", flush=True)
            disk.append(sum(path.lstat().st_size for path in root.rglob("*") if path.is_file()) / 1e6)
            print(f"disk, {number} glosses: {disk[-1]:.1f} MB", flush=True)
    step = glosses[1] / glosses[0]
    rows = [row_of(stage, counts, usages) for stage, usages in found.items()]
    stored = {
        "stage": "MB of disk",
        "clips": rows[0]["clips"],
        "exponent": f"{exponent(disk[0], disk[1], disk[2], step):.2f}",
    }
    stored["peak_mb"] = "/".join(f"{size:.1f}" for size in disk)
    write_rows(path, COLUMNS, [*rows, dict.fromkeys(COLUMNS, "") | stored])


def sizes(glosses: int) -> dict[str, object]:
    """Return how a toy study of so many glosses differs from the one of the torture."""
    return {
        "synthesise": {"synthetic": {"glosses": glosses}},
        "corpus": {"glosses": glosses},
        "train": {"i3d": {"schedule": {"epochs": 1}}},
    }


def rebuilt(root: Path) -> dict[str, Usage]:
    """Run `dvc repro` in a fresh repository; return what each stage took, all its items together, and DVC itself."""
    git(root)
    log, whole, beside = (root.parent / name for name in ("stages.jsonl", "whole.jsonl", "bin"))
    beside.mkdir()
    (beside / "measure.py").write_text(MEASURE)
    measure = [sys.executable, "-S", str(beside / "measure.py")]
    shim = beside / "python"
    shim.write_text(f'#!/bin/sh\nexec {shlex.join([*measure, str(log), sys.executable])} "$@"\n')
    shim.chmod(0o755)
    variables = environment(CALSE_WORKERS="1")
    variables["PATH"] = f"{beside}:{variables['PATH']}"
    command = [*measure, str(whole), "dvc", "repro"]
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise CalseError(f"dvc repro failed: {done.stderr.strip()[-800:]}")
    usages = stages_of(log.read_text().splitlines())
    _, seconds, kilobytes, _ = json.loads(whole.read_text())
    return usages | {DVC: Usage(seconds - sum(usage.seconds for usage in usages.values()), kilobytes / 1e3)}


def stages_of(lines: list[str]) -> dict[str, Usage]:
    """Return what each stage took, over all its items: CPU seconds added up, memory of the largest."""
    found: dict[str, Usage] = {}
    for line in lines:
        _, seconds, kilobytes, command = json.loads(line)
        stage = command[command.index("calse") + 1]
        before = found.get(stage, Usage(0.0, 0.0))
        found[stage] = Usage(before.seconds + seconds, max(before.megabytes, kilobytes / 1e3))
    return found
