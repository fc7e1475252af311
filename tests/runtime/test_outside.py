"""Commands called where there is no study: they write nothing."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def calse(*words: str, here: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(["calse", *words], cwd=here, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "words", [("track", "sync"), ("unlock",), ("import", ".", "--corpus", "a", "--source", "b"), ("report",), ("ui",)]
)
def test_outside_a_repository_a_command_says_so_in_one_line_and_writes_nothing(words: tuple[str, ...], tmp_path: Path):
    done = calse(*words, here=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == f"error: {tmp_path} holds no study: there is no dvc.yaml here or above; cd into your clone"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("import", "--help"), 0, "--add-glosses"),
        (("--help",), 0, "Augmentation and face swapping"),
        (("predict", "none.safetensors", "film.mp4"), 1, "none.json is missing"),
    ],
)
def test_help_and_predict_need_no_repository(words: tuple[str, ...], code: int, says: str, tmp_path: Path):
    done = calse(*words, here=tmp_path)
    assert done.returncode == code
    assert says in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
