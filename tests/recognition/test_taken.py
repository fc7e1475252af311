"""Another seed or test source: real reruns of the train stage train what is new and give a fresh study's bytes."""

import csv
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.config.params import check_params
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.inputs import inputs
from calse.recognition.training.jobs import fingerprint
from test_rewording import MESSAGES, reword
from toys import changed, make_repository, toy_tree

ROOT = Path(__file__).parents[2]
BOTH = [("SACU", "1"), ("SACU", "2"), ("STS", "1"), ("STS", "2")]
DVC = ("dvc", "repro", "-s", "train@i3d-Baseline")
TRAIN = ("calse", "train", "i3d", "Baseline")


class Study:
    """A toy repository with a copy of the code, whose split knows SACU alone at first."""

    def __init__(self, root: Path) -> None:
        self.root, self.tree = root, toy_tree(epochs=2)
        for name in ("src", ".dvc/config", "dvc.yaml", ".dvcignore", ".gitignore"):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(ROOT / name, target) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, target)
        layout = make_repository(root, takes=1)
        self.split = layout.split("Baseline")
        with open(self.split, newline="", encoding="utf-8") as file:
            self.rows = list(csv.reader(file))
        subprocess.run(["git", "init", "-q"], cwd=root, check=True)
        self.set(test_sources=["SACU"])
        inputs(check_params(self.tree), layout, "i3d")

    def set(self, test_sources: list[str], **train: object) -> None:
        """Write params.yaml and the split, as the split stage would."""
        self.tree["test_sources"] = test_sources
        changed(self.tree["train"]["i3d"], train)
        YAML(typ="safe", pure=True).dump(self.tree, self.root / "params.yaml")
        with open(self.split, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(
                row[: len(row) - 2 + len(test_sources)] for row in self.rows
            )

    def run(self, *command: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Run the stage; return which runs were trained and which were taken, by test source and seed."""
        done = self.started(*command)
        trained, taken = (
            sorted(re.findall(rf"i3d/Baseline/(\w+)/seed-(\d) {words}", done.stdout + done.stderr))
            for words in ("loss", "trained before")
        )
        return trained, taken

    def status(self, stage: str) -> dict[str, object]:
        """Return what DVC says has changed of a stage."""
        changed: dict[str, object] = json.loads(self.started("dvc", "status", "--json", stage).stdout)
        return changed

    def started(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the study to its good end."""
        environment = os.environ | {"PYTHONPATH": str(self.root / "src"), "CALSE_WORKERS": "2"}
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            environment.pop(name, None)
        done = subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def results(self) -> dict[str, bytes]:
        folders = [Layout(self.root).models("i3d", "Baseline"), Layout(self.root).metrics("train") / "i3d/Baseline"]
        return {str(path): path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.*"))}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study that the tests of this file change, one after the other."""
    return Study(tmp_path_factory.mktemp("study"))


def test_seeds_and_test_sources_train_what_is_new(study: Study):
    assert study.run(*DVC) == (BOTH[:1], [])
    study.set(["SACU", "STS"], seeds=[1, 2])
    assert study.run(*DVC) == (BOTH[1:], BOTH[:1])
    assert len(study.results()) == 12


def test_other_parameters_and_other_code_train_again_and_words_do_not(study: Study):
    grown = study.results()
    study.set(["SACU"], seeds=[1], lr=0.001)
    assert study.run(*TRAIN) == (BOTH[:1], [])
    study.set(["SACU", "STS"], seeds=[1, 2], lr=0.003)
    for name, line in (
        ("report/report", "# shapes no training"),
        ("recognition/training/losses", "# says nothing new"),
    ):
        with open(study.root / f"src/calse/{name}.py", "a") as file:
            file.write(f"{line}\n")
    reword(study.root / "src/calse/recognition/training", MESSAGES)
    assert study.run(*TRAIN) == ([], BOTH)
    with open(study.root / "src/calse/recognition/training/losses.py", "a") as file:
        file.write("SMOOTHED = True\n")
    assert study.run(*TRAIN) == (BOTH, [])
    assert study.results() == grown, "those taken from a smaller study are those of a whole one"


def test_another_recogniser_retrains_nothing_and_its_own_network_does(study: Study):
    study.started("dvc", "commit", "-f", "train@i3d-Baseline")
    folder = study.root / "src/calse/recognition/architectures"
    (folder / "other").mkdir()
    declared = (folder / "s3d/recogniser.py").read_text().replace('"s3d"', '"other"')
    (folder / "other/recogniser.py").write_text(declared)
    with open(folder / "s3d/network.py", "a") as file:
        file.write("CHANGED = True\n")
    study.tree["train"]["other"] = study.tree["train"]["i3d"] | {"model": {"pretrained": None, "dropout": 0.5}}
    study.tree["train"]["other"]["input"] = study.tree["train"]["i3d"]["input"] | {"frames": 13}
    study.set(["SACU", "STS"])
    assert study.status("train@i3d-Baseline") == {}
    assert list(study.status("train@other-Baseline")) == ["train@other-Baseline"]
    with open(folder / "i3d/network.py", "a") as file:
        file.write("CHANGED = True\n")
    assert list(study.status("train@i3d-Baseline")) == ["train@i3d-Baseline"]


def test_a_run_is_known_by_its_clips_their_glosses_and_their_order_and_by_no_other_test_source(study: Study):
    clips = read_split(study.split).train("SACU")
    info = {"recipe": "Baseline", "seed": 1, "split_sha256": "one"}
    known = fingerprint(info, clips)
    assert fingerprint(info | {"split_sha256": "other"}, clips) == known
    other = replace(clips[0], sha256="0" * 64), replace(clips[0], gloss="SUR")
    others = [clips[::-1], clips[1:], *([one, *clips[1:]] for one in other)]
    assert len({known, fingerprint(info | {"seed": 2}, clips), *(fingerprint(info, these) for these in others)}) == 6
