"""The synthetic corpus, and `dvc repro` when there is nothing to do."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.material import ROOT, preset
from benchmarks.race import Figure, Race, Setting
from calse.corpus.synthesise import record, recordings
from calse.runtime.errors import CalseError
from calse.video.untrusted.decode import probe

DVC = Path(sys.executable).with_name("dvc")


def synthesise(setting: Setting) -> Race:
    """CPU time of one synthetic recording: pose, paint, label, encode."""
    settings = preset().synthesise["synthetic"]
    work = next(recordings(replace(settings, short_side=64 if setting.tiny else settings.short_side), setting.folder))
    (work.folder / "truth").mkdir(parents=True)
    record(work)
    frames = probe(work.folder / f"{work.clip}.mp4").frames
    return Race(
        sides={"ours": lambda: record(work)},
        figures=[
            Figure(
                "synthetic corpus: CPU of a frame, labelled and encoded",
                "ms",
                lambda times: 1000 * times["ours"] / frames,
                12,
                True,
            )
        ],
        clock=time.process_time,
    )


def repro_again(setting: Setting) -> Race:
    """`dvc repro` in a finished study, this repository. Raises CalseError when it is not finished."""
    if not nothing_to_do(ROOT):
        raise CalseError("a stage is out of date here; `dvc repro` first")
    return Race(
        sides={"ours": lambda: run_dvc(ROOT, "repro")},
        figures=[Figure("`dvc repro` with nothing to do", "s", lambda times: times["ours"], 2, True)],
    )


def nothing_to_do(root: Path) -> bool:
    """Say whether all stages of a repository are up to date."""
    return run_dvc(root, "status", "--quiet", check=False) == 0


def run_dvc(root: Path, *arguments: str, check: bool = True) -> int:
    """Run DVC and return its exit code."""
    return subprocess.run([DVC, *arguments], cwd=root, capture_output=True, check=check).returncode
