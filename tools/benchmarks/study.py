"""How a whole study grows: `dvc repro` of the synthetic corpus with more and more glosses, five clips of each.

Tiny settings, every stage, one epoch, one worker. A `python` that stands before the real one in PATH measures the
stages' commands as `growth` does; what is left of the whole is DVC's own. A stage's time is again taken to be
`fixed + cost * glosses ** exponent`, and a thousand glosses take an hour: a measurement that was stopped goes on.
"""

import json
import shlex
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.growth import COLUMNS, MEASURE, Usage, exponent, row_of
from calse.data.manifests import write_rows
from calse.runtime.errors import CalseError
from torture.survival import git
from torture.toy import environment, make_toy

CLIPS = 5  # of a gloss: one of each of two dictionaries, three of the interpreter
DVC = "dvc itself"
OURS = [name for name in COLUMNS if name != "giga_instructions"]


def grow_study(glosses: list[int], path: Path, kept: Path) -> None:
    """Rebuild studies of so many glosses, each so many times as large as the one before; write the table.

    They stay in the folder `kept`, where another call goes on. Raises CalseError when a rebuild fails, or for other
    sizes.
    """
    if len(glosses) != 3 or glosses[0] * glosses[2] != glosses[1] ** 2:
        raise CalseError("give three numbers of glosses, each as many times the one before, as 10 100 1000")
    found: dict[str, list[Usage]] = defaultdict(list)
    disk = []
    for number in glosses:
        root = kept.resolve() / str(number) / "study"
        if not (root / ".git").exists():
            shutil.rmtree(root, ignore_errors=True)
            git(make_toy(root, sizes(number)))
        for stage, usage in rebuilt(root).items():
            found[stage].append(usage)
            print(f"{stage}, {number} glosses: {usage.seconds:.1f} s, {usage.megabytes:.0f} MB", flush=True)
        disk.append(sum(path.lstat().st_size for path in root.rglob("*") if path.is_file()) / 1e6)
        print(f"disk, {number} glosses: {disk[-1]:.1f} MB", flush=True)
    counts = [CLIPS * number for number in glosses]
    rows = [{name: row_of(stage, counts, usages)[name] for name in OURS} for stage, usages in found.items()]
    stored = {
        "stage": "MB of disk",
        "clips": rows[0]["clips"],
        "exponent": f"{exponent(disk[0], disk[1], disk[2], glosses[1] / glosses[0]):.2f}",
        "peak_mb": "/".join(f"{size:.1f}" for size in disk),
    }
    write_rows(path, OURS, [*rows, dict.fromkeys(OURS, "") | stored])


def sizes(glosses: int) -> dict[str, object]:
    """Return how a toy study of so many glosses differs from the one of the torture: few frames, two recipes."""
    return {
        "synthesise": {"synthetic": {"glosses": glosses, "without": ["DILSE", "DONOR-2", "DONOR-3"]}},
        "corpus": {"glosses": glosses},
        "ingest": {"fps": 6},
        "swap": {"DF-1": {"clips_per_gloss": 1}},
        "recipes": {"DF1": None},
        "train": {"i3d": {"optim": {"batch": 14}, "schedule": {"epochs": 1}}},
        "evaluate": {"topk": [1, 5, 10]},
    }


def rebuilt(root: Path) -> dict[str, Usage]:
    """Run `dvc repro`, or what of it is left to do; return what each stage took, all its items, and DVC itself."""
    log, whole, beside = (root.parent / name for name in ("stages.jsonl", "whole.jsonl", "bin"))
    beside.mkdir(exist_ok=True)
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
    runs = [
        Usage(seconds, kilobytes / 1e3) for _, seconds, kilobytes, _ in map(json.loads, whole.read_text().splitlines())
    ]
    own = sum(run.seconds for run in runs) - sum(usage.seconds for usage in usages.values())
    return usages | {DVC: Usage(max(own, 0.0), max(run.megabytes for run in runs))}


def stages_of(lines: list[str]) -> dict[str, Usage]:
    """Return what each stage took, over all its items: CPU seconds added up, memory of the largest."""
    found: dict[str, Usage] = {}
    for line in lines:
        _, seconds, kilobytes, command = json.loads(line)
        stage = command[command.index("calse") + 1]
        before = found.get(stage, Usage(0.0, 0.0))
        found[stage] = Usage(before.seconds + seconds, max(before.megabytes, kilobytes / 1e3))
    return found
