"""Garbage in: every hostile file through import, ingest and predict, by the real commands."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from calse.corpus.naming import SUFFIXES
from calse.corpus.raw import RawVideo, write_index
from calse.data.paths import Layout
from calse.runtime.files import sha256_of
from torture.hostile import encode, write_hostile
from torture.toy import ROOT

SECONDS = 3  # what one clip may take
YAML_SAFE = YAML(typ="safe", pure=True)
COLUMNS = ("files", "taken", "refused", "unnamed", "crashes", "hangs", "escapes", "seconds")
TABLE = [
    ["file", "gloss", "signer", "take"],
    ["one.mp4", "ONE", "Ana", "1"],
    ["two.mp4", "TWO"],
    ["/etc/passwd", "ABSOLUTE", "", ""],
    ["../private.mp4", "UP", "", ""],
    ["../in/good.mkv", "BACK", "", ""],
    ["\0.mp4", "NUL", "", ""],
    ["x" * 5000, "LONG", "", ""],
    ["one.mp4", "SUPERSCRIPT", "", "²"],
    ["one.mp4", "HUGE", "", "9" * 5000],
    ["one.mp4", "NEGATIVE", "", "-1"],
    ["two.mp4", "BELL\a", "", ""],
    ["two.mp4", "SIGNER", "bell\a", ""],
    ["", "NOTHING", "", ""],
    [".", "FOLDER", "", ""],
    ["one.mp4"],
]


@dataclass
class Outcome:
    """What came of one command: how many files it accepted, what it refused and why, and what must not be."""

    command: str
    accepted: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    unnamed: int = 0
    crashes: int = 0
    hangs: int = 0
    escapes: int = 0
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        """Whether nothing happened that must not."""
        return not (self.unnamed or self.crashes or self.hangs or self.escapes)


class Workspace:
    """A folder with hostile videos in `in`, a secret beside them, and a repository that they must not leave."""

    def __init__(self, root: Path, **how_many: Any) -> None:
        self.root, self.offered, self.layout = root, root / "in", Layout(root / "repository")
        self.offered.mkdir()
        encode(root / "private.mp4", "mp4", frames=7)
        self.kinds = write_hostile(self.offered, **how_many)
        self.table = root / "listed/table.csv"
        self.table.parent.mkdir()
        for frames, name in enumerate(("one.mp4", "two.mp4"), start=8):
            encode(self.table.parent / name, "mp4", frames=frames)
        with open(self.table, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(TABLE)
        self.layout.root.mkdir()
        YAML_SAFE.dump(_params(), self.layout.root / "params.yaml")
        (self.layout.root / "dvc.yaml").write_text("stages: {}\n")

    def add_raw(self, source: str) -> int:
        """Put every plain file into the raw data without import's look at it; return how many."""
        folder, videos = self.layout.raw("garbage") / source, []
        folder.mkdir(parents=True)
        for number, path in enumerate(sorted(self.offered.iterdir())):
            plain = path.is_file() and not path.is_symlink() and path.suffix.lower() in SUFFIXES
            if plain and path.stat().st_size < 2**32:
                name = f"{number}{path.suffix.lower()}"
                (folder / name).hardlink_to(path)
                videos.append(RawVideo(name, f"G{number}", "Ana", 1, sha256_of(path)))
        write_index(folder, videos)
        return len(videos)

    def run(self, *command: str, files: int) -> tuple[Outcome, str]:
        """Run a command of calse; note crash, hang and everything changed outside of data, metrics and scratch."""
        before, start = self._outside(), time.monotonic()
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "CALSE_WORKERS": "2"}
        outcome, output = Outcome(" ".join(command)), ""
        try:
            done = subprocess.run(
                [sys.executable, "-m", "calse", *command],
                cwd=self.layout.root,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=60 + SECONDS * files,
            )
            output = done.stdout + done.stderr
            outcome.crashes = int("Traceback" in output or done.returncode not in (0, 1))
        except subprocess.TimeoutExpired:
            outcome.hangs = 1
        outcome.seconds = time.monotonic() - start
        outcome.escapes = len(before.symmetric_difference(self._outside()))
        return outcome, output

    def _outside(self) -> set[tuple[str, int, int]]:
        """Everything that no command may touch: name, size, time of change."""
        ours = [self.layout.root / name for name in ("data", "metrics", ".scratch")]
        found = set()
        for where, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if Path(where, name) not in ours]
            status = [(f"{where}/{name}", os.lstat(f"{where}/{name}")) for name in folders + files]
            found |= {(name, one.st_size, 0 if Path(name).is_dir() else one.st_mtime_ns) for name, one in status}
        return found


def workspace_of_good_videos(root: Path) -> Path:
    """Write a repository with a source RAW of two sound videos, larger than the hostile ones; return its folder."""
    layout = Layout(root)
    folder, videos = layout.raw("garbage") / "RAW", []
    folder.mkdir(parents=True)
    for number in range(2):
        encode(folder / f"{number}.mp4", "mp4", (96, 128), 40 + number)
        videos.append(RawVideo(f"{number}.mp4", f"G{number}", "Ana", 1, sha256_of(folder / f"{number}.mp4")))
    write_index(folder, videos)
    params: dict[str, Any] = _params()
    params["ingest"]["short_side"] = 512
    YAML_SAFE.dump(params, root / "params.yaml")
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


def _params() -> dict[str, Any]:
    """Return the smallest study's parameters, with a corpus of one gloss and three sources."""
    tree: dict[str, Any] = YAML_SAFE.load(ROOT / "presets/synthetic.yaml")
    sources = {name: {"kind": "public", "clips_per_gloss": 1} for name in ("OFFERED", "LISTED", "RAW")}
    ingest = {"short_side": 32, "fps": 25, "on_bad_clip": "drop", "seconds_per_clip": SECONDS}
    landmarks = tree["landmarks"] | {"sources": []}
    without: dict[str, Any] = {"synthesise": {}, "augment": {}, "omit": [], "swap": {}}
    corpus = {"name": "garbage", "glosses": 1, "sources": sources}
    chosen = {
        "corpus": corpus,
        "ingest": ingest,
        "landmarks": landmarks,
        "test_sources": ["RAW"],
        "recipes": {"Baseline": []},
        "train": {"i3d": tree["train"]["i3d"]},
    }
    return tree | without | chosen


def import_all(workspace: Workspace, what: Path, source: str, files: int) -> Outcome:
    """Import a folder or a table; every file must be in the report."""
    outcome, output = workspace.run(
        "import", str(what), "--corpus", "garbage", "--source", source, "--add-glosses", files=files
    )
    report = workspace.layout.raw("garbage") / source / "import-report.csv"
    if report.is_file():
        with open(report, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        refused = ((row["file"], row["refused because it"]) for row in rows)
        outcome.refused = [(name, reason) for name, reason in refused if reason]
        outcome.accepted = len(rows) - len(outcome.refused)
    outcome.unnamed = files - outcome.accepted - len(outcome.refused)
    outcome.command = f"import {source}"
    return _noted(outcome, output)


def ingest_all(workspace: Workspace, source: str, files: int) -> Outcome:
    """Ingest a source; every clip must be in the manifest or among those dropped by name."""
    outcome, output = workspace.run("ingest", source, files=files)
    metrics = workspace.layout.metrics("ingest") / f"{source}.json"
    if metrics.is_file():
        summary = json.loads(metrics.read_text(encoding="utf-8"))
        outcome.accepted = summary["clips"]
        outcome.refused = [(entry["clip"], entry["reason"]) for entry in summary["dropped"]]
    outcome.unnamed = files - outcome.accepted - len(outcome.refused)
    return _noted(outcome, output)


def predict_all(workspace: Workspace) -> Outcome:
    """Ask an untrained network about every file; every one must get an answer."""
    checkpoint, videos = write_checkpoint(workspace.root / "untrained.safetensors"), sorted(workspace.offered.iterdir())
    command = ["predict", "--json", "--seconds", str(SECONDS), "--", str(checkpoint), *map(str, videos)]
    outcome, output = workspace.run(*command, files=len(videos))
    outcome.command = "predict"
    if outcome.sound:
        answers = json.loads(output[output.index("[\n") : output.rindex("\n]") + 2])
        outcome.refused = [(answer["video"], answer["refused"]) for answer in answers if answer.get("refused")]
        outcome.accepted = len(answers) - len(outcome.refused)
    outcome.unnamed = len(videos) - outcome.accepted - len(outcome.refused)
    return _noted(outcome, output)


def write_checkpoint(path: Path) -> Path:
    """Write the smallest network of two glosses, with nothing learnt."""
    from calse.config.params import as_dict, read_params
    from calse.recognition.checkpoint import save_checkpoint
    from calse.recognition.network import find_network

    i3d: Any = read_params(ROOT / "presets/synthetic.yaml").train["i3d"]
    model, shown = replace(i3d.model, width=0.05), replace(i3d.input, size=32, frames=9)
    settings = as_dict(replace(i3d, model=model, input=shown))
    clip = {"fps": 25, "short_side": 32}
    info = {"recogniser": "i3d", "params": settings, "classes": ["A", "B"], "clip": clip}
    save_checkpoint(path, find_network("i3d").built(model, 2), info | {"fingerprint": "none", "split_sha256": "none"})
    return path


def _noted(outcome: Outcome, output: str) -> Outcome:
    """Show what a command said when something happened that must not."""
    if not outcome.sound:
        print("\n".join(output.splitlines()[-40:]), file=sys.stderr)
    return outcome


def garbage(**how_many: Any) -> list[Outcome]:
    """Send everything through every command and return what became of it."""
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Workspace(Path(temporary), **how_many)
        offered = sum(path.is_symlink() or not path.is_dir() for path in workspace.offered.iterdir())
        outcomes = [
            import_all(workspace, workspace.offered, "OFFERED", offered),
            import_all(workspace, workspace.table, "LISTED", len(TABLE) - 1),
        ]
        outcomes += [
            ingest_all(workspace, source, outcomes[n].accepted) for n, source in enumerate(("OFFERED", "LISTED"))
        ]
        return [*outcomes, ingest_all(workspace, "RAW", workspace.add_raw("RAW")), predict_all(workspace)]


def print_table(outcomes: list[Outcome]) -> None:
    """Print a row a command, and the commonest reasons."""
    print(f"{'command':<16}" + "".join(f"{name:>9}" for name in COLUMNS))
    for one in outcomes:
        refused = len(one.refused)
        numbers = [one.accepted + refused + one.unnamed, one.accepted, refused]
        numbers += [one.unnamed, one.crashes, one.hangs, one.escapes, round(one.seconds)]
        print(f"{one.command:<16}" + "".join(f"{number:>9}" for number in numbers))
    reasons = Counter(reason[:60] for one in outcomes for _, reason in one.refused)
    print("\nthe commonest reasons:")
    for reason, count in reasons.most_common(12):
        print(f"{count:>7}  {reason}")
