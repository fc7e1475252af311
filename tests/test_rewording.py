"""Rewording what a person reads retrains nothing: asked of real DVC, in a copy of the whole graph."""

import ast
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

COPIED = ("src", ".dvc/config", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore")
# What only carries, checks or shows, with the tables of clips and videos: no stage depends on it.
FREE = ("cli", "config", "data/manifests.py", "data/paths.py", "doctor", "runtime", "tracking", "recognition/launch")
FREE += tuple(f"corpus/{name}.py" for name in ("importing", "import_report", "naming", "repeats", "takes"))
# What is made once a corpus: messages about it may rerun its own stage, never what takes hours.
QUICK = ("augment", "corpus", "data", "evaluation", "report", "video/untrusted")
SLOW = {"landmarks", "swap-train", "swap", "train"}


class Reworded(ast.NodeTransformer):
    """Changes the texts of errors, helps and progress displays."""

    def __init__(self, names):
        self.names, self.changed = names, 0

    def visit_Call(self, node):
        if ast.unparse(node.func).rpartition(".")[2] in self.names:
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value:
                    part.value += "in other words "
                    self.changed += 1
        return self.generic_visit(node)


MESSAGES = ("CalseError", "StarvedError", "print")


def reword(path, names=(*MESSAGES, "Refused", "Option", "Argument", "TextColumn")):
    """Reword the messages of a file, or of all files of a folder; return how many."""
    changed = 0
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        tree, rewording = ast.parse(file.read_text(encoding="utf-8")), Reworded(names)
        rewording.visit(tree)
        if rewording.changed:
            file.write_text(ast.unparse(tree), encoding="utf-8")
        changed += rewording.changed
    return changed


def dvc(root, *command):
    return subprocess.run(["dvc", *command], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The project's own stages and code, with a stub in the place of every output: DVC takes the study as done."""
    root = tmp_path_factory.mktemp("finished")
    for name in COPIED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(name, root / name) if Path(name).is_dir() else shutil.copy(name, root / name)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    with Repo(str(root)) as repo:
        index = repo.index
    paths = {Path(part.fs_path) for part in [*index.outs, *index.deps]}
    for path in sorted(paths, key=lambda path: -len(path.parts)):  # a folder is there once its files are
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.name)
    dvc(root, "commit", "-f")
    return root


@pytest.fixture
def stale(finished, tmp_path):
    """A function that returns the stages which DVC would rerun after messages of these places were reworded."""
    root = shutil.copytree(finished, tmp_path / "study", symlinks=True)

    def of(places):
        assert sum(reword(root / "src/calse" / place) for place in places) >= len(places)
        return {stage.partition("@")[0] for stage in json.loads(dvc(root, "status", "--json"))}

    return of


def test_what_only_carries_checks_or_shows_reruns_nothing(stale):
    assert stale(FREE) == set()


def test_messages_about_a_corpus_and_its_numbers_train_nothing_again(stale):
    assert not stale(QUICK) & SLOW


def test_what_shapes_a_training_does_train_again(stale):
    assert "train" in stale(["recognition/training"])


def test_what_the_landmark_recogniser_alone_needs_trains_no_other_again(stale):
    assert not stale(["landmarks/generated.py", "landmarks/record.py"]) & {"train", "evaluate"}
