"""docs/extend.md executed as written: its blocks go into a copy of the repository, and a real study is run there."""

import csv
import filecmp
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML
from safetensors.numpy import load_file

from calse.video.ours.read import read_frames
from videos import write_clip

yaml = YAML(typ="safe", pure=True)
PAGE = Path("docs/extend.md")
BLOCK = re.compile(
    r"^#+ [^`\n]*(`(?P<path>[\w./-]+)`)?[^`\n]*\n+```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
# What makes the study of the page's corpus small.
SMALL = {
    "ingest": {"short_side": 64},
    "validate": {"min_side": 32},
    "evaluate": {"topk": [1, 2]},
}
VIDEOS = ("school/HOLA", "school/NO", "studio/HOLA_1", "studio/HOLA_2", "studio/NO_1", "studio/NO_2")


def blocks(*languages):
    """The path, language and text of every block of the page in one of these languages, in its order."""
    found = [match.group("path", "language", "text") for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    return [block for block in found if block[1] in languages]


def changed(tree, changes):
    """A tree of parameters with some changed."""
    for key, value in changes.items():
        if value is None and key in tree:
            tree.pop(key)
        elif isinstance(value, dict):
            changed(tree.setdefault(key, {}), value)
        else:
            tree[key] = value
    return tree


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of the page's own corpus with everything else that the page adds, rebuilt by one `dvc repro`."""
    home = tmp_path_factory.mktemp("home")
    for seed, name in enumerate(VIDEOS):
        write_clip(home / f"videos/{name}.mp4", seed, height=64, width=80)
    root = home / "study"
    for name in ("src", "models/encoder", ".dvc/config", "dvc.yaml", ".dvcignore", ".gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(name, root / name) if Path(name).is_dir() else shutil.copy(name, root / name)
    for folder in (
        "metrics/reidentify",
        "metrics/swap",
        "metrics/omit",
        "data/landmarks",
        "data/manifests/omitted",
        "data/manifests/sets",
        "data/consent",
    ):
        (root / folder).mkdir(parents=True)
        (root / folder / ".gitkeep").touch()
    (root / "presets").mkdir()
    for path, _, text in blocks("python", "csv"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        with (root / path).open("a", encoding="utf-8") as file:
            file.write(text)
    presets = [block for block in blocks("yaml") if block[0] != "params.yaml"]
    for path, _, text in presets:  # whole sections take the place of the copied ones
        preset = yaml.load(Path("presets/synthetic.yaml")) | yaml.load(text)
        del preset["train"]["landmarks"]
        yaml.dump(changed(preset, SMALL), root / path)
    ((_, _, commands),) = blocks("sh")
    before, repro = commands.split("dvc repro")
    environment = os.environ | {"CALSE_WORKERS": "1", "HOME": str(home), "PYTHONPATH": str(root / "src")}
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
        environment.pop(name, None)

    def run(script):
        done = subprocess.run(["sh", "-ec", script], cwd=root, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    shutil.copy(root / presets[0][0], root / "params.yaml")
    run(f"git init -q\n{before}")
    params = yaml.load(root / "params.yaml")
    for path, _, text in blocks("yaml"):
        if path == "params.yaml" and "swap" not in yaml.load(text):  # this corpus has no faces
            params = changed(params, yaml.load(text))
    del params["train"]["i3d"]
    yaml.dump(params, root / "params.yaml")
    run(f"dvc repro{repro}")
    return root


def test_the_page_says_how_many_lines_an_addition_takes():
    parts = ("architectures/tiny/", "augment/time_warp.py", "methods/tint/")
    counts = [sum(text.count("\n") for path, _, text in blocks("python") if part in path) for part in parts]
    assert re.findall(r"new files?, (\d+) lines", PAGE.read_text(encoding="utf-8")) == list(map(str, counts))


def test_nothing_but_what_the_page_names_was_changed(study):
    files = [path for path in (study / "src").rglob("*.*") if "__pycache__" not in path.parts]
    theirs = {path.relative_to(study).as_posix() for path in files}
    differing = {name for name in theirs if not (Path(name).is_file() and filecmp.cmp(name, study / name, False))}
    assert differing == {path for path, _, _ in blocks("python", "csv")}


def test_the_recogniser_is_trained_and_evaluated(study):
    info = json.loads((study / "models/tiny/Baseline/SCHOOL/seed-1.json").read_text(encoding="utf-8"))
    assert info["recogniser"] == "tiny"
    weights = load_file(study / "models/tiny/Baseline/SCHOOL/seed-1.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items() if "weight" in name} == {
        "0.weight": (8, 3, 3, 3, 3),
        "5.weight": (2, 8),
    }


def test_the_measure_is_shown_by_name_wherever_results_are(study):
    with open(study / "metrics/evaluate/tiny/Baseline/predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    truth, predicted = [row["gloss"] for row in rows], [row["gloss_1"] for row in rows]
    right = sum(a == b for a, b in zip(truth, predicted, strict=True))
    assert len(rows) == 2, "both glosses of the one test source"
    # Of two glosses one or none is right: the same answer twice has F1 2/3 for it and 0 for the other.
    expected = {2: 1, 1: 1 / 3, 0: 0}[right]
    scores = json.loads((study / "metrics/evaluate/tiny/Baseline/metrics.json").read_text(encoding="utf-8"))
    assert scores["filmed"]["SCHOOL"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    with open(study / "metrics/report/measures.csv", encoding="utf-8", newline="") as file:
        cells = {(row["test_source"], row["measure"]): float(row["value"]) for row in csv.DictReader(file)}
    assert cells["SCHOOL", "macro_f1"] == cells["mean", "macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert "macro f1" in (study / "metrics/report/table.md").read_text(encoding="utf-8")
    assert "<th>macro_f1</th>" in (study / "data/report/index.html").read_text(encoding="utf-8")
    client = MlflowClient(f"sqlite:///{study}/mlruns/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("home-signs").experiment_id])
    measured = {
        name: value
        for run in runs
        for name, value in run.data.metrics.items()
        if "macro_f1" in name and "Warped" not in f"{run.info.run_name} {name}"
    }
    names = ("test.macro_f1", "tiny-Baseline.SCHOOL.macro_f1", "tiny-Baseline.mean.macro_f1")
    assert measured == pytest.approx(dict.fromkeys(names, expected), abs=1e-6)


def test_the_time_warp_made_its_set_and_trained(study):
    with open(study / "data/manifests/sets/TW.csv", encoding="utf-8", newline="") as file:
        made = list(csv.DictReader(file))
    with open(study / "data/manifests/sources/STUDIO.csv", encoding="utf-8", newline="") as file:
        parents = {row["clip"]: row for row in csv.DictReader(file)}
    assert len(made) == 2, "one clip of each gloss"
    for clip in made:
        assert json.loads(clip["made"])["by"] == "time_warp"
        before, after = (read_frames(study / row["path"]).astype(int) for row in (parents[clip["parent"]], clip))
        assert before.shape == after.shape
        shown = [int(np.abs(before - picture).mean(axis=(1, 2, 3)).argmin()) for picture in after]
        assert shown != list(range(len(before))), "other frames than before, each of them one of the parent's"
        assert np.abs(before[shown] - after).mean() < 4
    with open(study / "data/splits/Warped.csv", encoding="utf-8", newline="") as file:
        roles = {row["clip"]: row["SCHOOL"] for row in csv.DictReader(file)}
    assert {roles[clip["clip"]] for clip in made} == {"train"}
    assert (study / "models/tiny/Warped/SCHOOL/seed-1.safetensors").is_file()


def test_the_corpus_is_compared_with_its_published_figures_and_their_number_of_clips(study):
    with open(study / "metrics/report/table.csv", encoding="utf-8", newline="") as file:
        rows = {(row["recipe"], row["test_source"], row["k"]): row for row in csv.DictReader(file)}
    assert float(rows["Warped", "SCHOOL", "1"]["accuracy_published"]) == 0.75
    with open(study / "metrics/report/published.csv", encoding="utf-8", newline="") as file:
        change = next(row for row in csv.DictReader(file) if row["test_source"] == "SCHOOL")
    # 20 clips of 40 changed sides, at best all of them one way: 2 / 2^20.
    assert (change["clips"], float(change["p_least"])) == ("40", pytest.approx(2**-19, abs=1e-6))


# In a process of its own, for its code is the study's: a set of donors and signers whose faces are drawn ellipses.
SWAPPED = """
import sys
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from calse.config.params import check_params
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.faceswap.convert import swap_frames
from calse.faceswap.registry import find_method
from calse.landmarks.record import write_landmarks
from faces import drawn_track, write_clip

tree, changes = (YAML(typ="safe", pure=True).load(Path(path)) for path in sys.argv[1:])
for name, section in changes.items():
    tree[name] |= section
params, layout, track = check_params(tree), Layout(), drawn_track(3)
donor = write_clip(layout, Path("clip.mp4"), np.full((3, 64, 64, 3), (200, 90, 60), np.uint8), "DONOR-1")
write_manifest(layout.source_manifest("DONOR-1"), [donor])
write_landmarks(layout.landmarks("DONOR-1") / "clip.npz", track)
method = find_method("tint")
method.train(params, layout, "TINTED")
model = method.load(layout, layout.swap_model("TINTED"))
grey = np.full((3, 64, 64, 3), 128, np.uint8)
swapped, report = swap_frames(grey, track, model, params.swap["TINTED"])
assert report.swapped == 3
assert np.abs(swapped[:, 32, 32].astype(int) - (200, 90, 60)).max() <= 4, swapped[0, 32, 32]
assert (swapped[:, :10] == 128).all()
"""


def test_the_face_swap_method_paints_faces_in_the_donors_colour_and_nothing_else(study, tmp_path):
    ((_, _, text),) = [block for block in blocks("yaml") if "swap" in yaml.load(block[2]) and block[0] == "params.yaml"]
    (tmp_path / "changes.yaml").write_text(text)
    environment = os.environ | {"PYTHONPATH": f"{study / 'src'}{os.pathsep}{Path('tests').resolve()}"}
    command = ["python", "-c", SWAPPED, Path("presets/synthetic.yaml").resolve(), "changes.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
