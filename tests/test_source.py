"""What the source itself must not hold, and what its dependencies allow."""

import ast
import pickle
import re
import socket
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from calse.config.params import read_params
from calse.corpus.naming import SUFFIXES
from calse.runtime.errors import CalseError
from torture.licences import licence_table

FILES = sorted([*Path("src").rglob("*.py"), *Path("tools").rglob("*.py")])
FORBIDDEN = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "pickle.load",
    "pickle.loads",
    "marshal.loads",
}

# A driver's own call, on a node of its own cluster, where Ray has unpickled it already.
ALLOWED = {("src/calse/runtime/cluster.py", "pickle.loads")}


def calls():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func), {word.arg: word.value for word in node.keywords}


def test_no_code_runs_from_text_and_no_shell_is_opened():
    for path, node, name, words in calls():
        where = f"{path}:{node.lineno}: {name}"
        assert name not in FORBIDDEN or (path.as_posix(), name) in ALLOWED, where
        assert "shell" not in words, where
        assert not name.endswith(".extractall"), where


def test_torch_loads_weights_only_and_yaml_is_safe():
    loads = [(path, node, words) for path, node, name, words in calls() if name == "torch.load"]
    assert loads
    for path, node, words in loads:
        assert ast.unparse(words["weights_only"]) == "True", f"{path}:{node.lineno}"
    yamls = [(path, node, words) for path, node, name, words in calls() if name.rpartition(".")[2] == "YAML"]
    assert yamls
    for path, node, words in yamls:
        kind = ast.unparse(words["typ"])  # a round trip makes no objects of tags either
        assert kind in ("'safe'", "'rt'"), f"{path}:{node.lineno}"
    assert not [path for path in FILES if "import yaml" in path.read_text(encoding="utf-8")]  # PyYAML runs tags


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_runs_code_is_refused_and_runs_none(tmp_path, zipped):
    import torch

    from calse.recognition.pretrained import read_state

    path, mark = tmp_path / "weights.pt", tmp_path / "escaped"
    if zipped:
        torch.save({"state_dict": {"a": Bomb(str(mark))}}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Bomb(str(mark))}))
    with pytest.raises(CalseError, match=r"weights\.pt"):
        read_state(path)
    assert not mark.exists()


def test_yaml_tags_run_nothing(tmp_path):
    path, mark = tmp_path / "params.yaml", tmp_path / "escaped"
    path.write_text(
        f"corpus: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{mark}']]\n"
    )
    with pytest.raises(CalseError, match=r"params\.yaml"):
        read_params(path)
    assert not mark.exists()


def test_the_ui_listens_on_this_machine_only(study, monkeypatch):
    from calse.tracking import ui

    started = []
    popen = SimpleNamespace(Popen=lambda command: started.append(command) or subprocess.Popen(["true"]))
    monkeypatch.setattr(ui, "subprocess", popen)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    ui.serve(port)
    (command,) = started
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_the_table_of_licences_is_what_the_packages_say():
    if "not installed" in licence_table():
        pytest.skip("the extras are not installed: make extras")
    assert Path("docs/licences.md").read_text(encoding="utf-8") == licence_table(), "python -m torture licences"
    assert "unknown" not in licence_table()


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-extras.txt"])
def test_every_python_gets_the_same_version_of_a_package(lock):
    """Another numpy could compute other bytes, and its types are others to mypy."""
    names = re.findall(r"^([\w.-]+)==", Path(lock).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) > 100
    assert [name for name, times in Counter(names).items() if times > 1] == []


def test_git_keeps_every_file_that_shows_somebody_out_whatever_a_camera_calls_it(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_bytes(Path(".gitignore").read_bytes())
    names = [f"clip{suffix}" for small in (*SUFFIXES, ".pose") for suffix in (small, small.upper())] + ["my.index"]
    asked = subprocess.run(["git", "check-ignore", *names], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert asked.stdout.split() == names


def test_the_citation_is_of_this_version_and_licence():
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = YAML(typ="safe", pure=True).load(Path("CITATION.cff"))
    assert {name: citation[name] for name in ("version", "license")} == {
        name: project[name] for name in ("version", "license")
    }
