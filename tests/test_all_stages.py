"""The whole way in a toy repository: the real graph, real videos, a real store; only small."""

import csv
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import av
import psutil
import pytest
from mlflow import MlflowClient
from ruamel.yaml import YAML

from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from faces import fetched_models
from torture.toy import KEPT, shrink
from torture.toy import SMALL as TOY

yaml = YAML(typ="safe", pure=True)
PRIVATE = {"kind": "public", "clips_per_gloss": 1, "licence": "CC BY-NC 4.0", "consent": "in writing", "share": False}
SMALL = TOY | {
    "corpus": {"glosses": 2, "sources": {"SACU": PRIVATE, "DILSE": None, "DONOR-2": None, "DONOR-3": None}},
    "ingest": {"short_side": 64, "fps": 6.25},  # a quarter of the frames to find faces in
    "swap": {"DF-2": {"donor": "DONOR-1"}, "DF-3": None},
    "recipes": {"DF1": None, "AF1": None, "AF2": None, "DF2": None, "DF1-AF1": None, "Permuted": None},
}
del SMALL["pretrain"]  # the shipped encoder is kept, as in a clone
# What pictures, videos, arrays and archives of them begin with, and how that looks as base64.
RARE = (b"\x89PNG\r", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xdb", b"WEBPVP8", b"ftypisom", b"\x93NUMPY", b"\x1aE\xdf\xa3")
PICTURES = (
    *RARE,
    b"\xff\xd8\xff",
    b"ftyp",
    b"GIF8",
    b"RIFF",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"%PDF",
    b"PK\3\4",
    b"\x1f\x8b",
)
PICTURES += (b"\x80\x04\x95", b"\x80\x05\x95", b'{"__metadata__')
TEXTS = (
    b"base64,",
    b"data:image",
    b"data:video",
    b"iVBORw0KGgo",
    b"/9j/4",
    b"R0lGOD",
    b"UklGR",
    b"GZ0eX",
    b"k05VTVBZ",
    b"UEsDB",
)
LONG = re.compile(rb"[A-Za-z0-9+/=_-]{2000}|(?:[\d.]+[\s,\[\]]+){1000}")  # text that is no text, numbers in masses
OWN = {"metrics/report/table.png", "metrics/report/curves.png"}
RECIPES = ("Baseline", "DF1-AF2")
CALSE = ("env", "PYTHONPATH=src", "python", "-m", "calse")
# In the toy's src, which is on the path of every stage and of its workers: notes what Python opens or lists.
NOTE_OPENED = """
import os, sys

if "OPENED" in os.environ and "DVC_STAGE" in os.environ:
    root = os.getcwd() + os.sep
    log = os.open(os.environ["OPENED"] + os.sep + os.environ["DVC_STAGE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(event, arguments):
        if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = os.path.abspath(os.fsdecode(arguments[0]))
            if path.startswith(root):
                os.write(log, os.fsencode(path[len(root):] + "\\n"))

    sys.addaudithook(note)
"""


class Repository:
    def __init__(self, root, opened):
        self.root, self.opened = root, opened
        self.environment = os.environ | {"CALSE_WORKERS": "1"}
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            self.environment.pop(name, None)

    def run(self, *command):
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def repro(self, *command):
        code, output = self.run(*(command or ("dvc", "repro")))
        assert code == 0, output
        return re.findall(r"Running stage '(.+?)'", output)

    def wait_for_experiments(self, names, seconds=240):
        for _ in range(seconds):
            refs = self.run("git", "for-each-ref", "--format=%(refname)", "refs/exps")[1].split()
            if names <= {ref.rsplit("/", 1)[1] for ref in refs}:
                return
            time.sleep(1)
        raise AssertionError(self.run("dvc", "queue", "status")[1])

    def end_queue(self):
        """Workers end by themselves unless they have read a message that another was writing."""
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == str(self.root) and "queue" in " ".join(process.info["cmdline"] or ()):
                process.kill()

    def change(self, changes):
        path = self.root / "params.yaml"
        tree = yaml.load(path)
        shrink(tree, changes)
        with path.open("w") as file:
            yaml.dump(tree, file)


@pytest.fixture(scope="module")
def repository(tmp_path_factory, migrated):
    root = tmp_path_factory.mktemp("repository")
    single = ("params.yaml", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", *KEPT)
    for name in ("src", "presets", "models/encoder", *single):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(name).is_dir():
            shutil.copytree(name, target)  # with its __pycache__: numba's kernels need not be compiled again
        else:
            shutil.copy(name, target)
    toy = Repository(root, tmp_path_factory.mktemp("opened"))
    toy.change(SMALL)
    (root / "src/sitecustomize.py").write_text(NOTE_OPENED)
    toy.run("git", "init", "-q")
    shutil.copytree(migrated, root / "mlruns")
    shutil.copytree(fetched_models(), Layout(root).landmark_models())
    toy.run(*CALSE, "withhold")
    yield toy
    toy.end_queue()


def test_one_command_rebuilds_the_study_and_a_second_finds_nothing_to_do(repository):
    repository.environment["OPENED"] = str(repository.opened)
    stages = repository.repro(*CALSE, "repro", "--jobs", "2")
    del repository.environment["OPENED"]
    assert len(stages) == len(set(stages))
    with open(repository.root / "metrics/report/table.csv") as file:
        cells = {(row["recipe"], row["test_source"], row["k"]) for row in csv.DictReader(file)}
    columns = {"SACU", "mean", "mean, face blurred"}
    assert cells == {(recipe, column, k) for recipe in RECIPES for column in columns for k in ("1", "2")}
    again = repository.repro()
    assert again == []


def undeclared(repository, stage, entry):
    """The files and folders of the study that a stage opened without being one of its dependencies or outputs.

    A clip is also declared by its row in a manifest or split, which holds the hash that every stage checks; a folder
    that an output lies in is listed to remove what a kill has left. Python code is test_structure's. Not seen is what
    C libraries open by themselves: videos, which were hashed in Python before, and models.
    """
    outs = [Path(part["path"]) for part in entry["outs"]]
    declared = outs + [Path(part["path"]) for part in entry.get("deps", [])]
    tables = [repository.root / path for path in declared if path.suffix == ".csv"]
    tables += [file for path in declared for file in (repository.root / path).rglob("*.csv")]
    clips = {Path(row["path"]) for file in tables for row in csv.DictReader(file.open()) if "path" in row}
    allowed = {
        Path("params.yaml"),
        Path("data/consent/synthetic.csv"),
        *declared,
        *clips,
        *(parent for out in outs for parent in out.parents),
    }
    opened = list(dict.fromkeys((repository.opened / stage).read_text().splitlines()))
    if stage == "report":  # what follows the store's first file is MLflow's copy of the study, made after the report
        opened = opened[: next(number for number, path in enumerate(opened) if path.startswith("mlruns"))]
    kept = {"data", "models", "metrics", "presets", "params.yaml", "src"}
    opened = [path for path in opened if path.partition("/")[0] in kept]
    named = {Path(re.sub(r"\.([^/.]+)\.[^/]*-\d+\.part", r"\1", path)) for path in opened}
    code = {
        path for path in named if path.parts[0] == "src" and (path.suffix in ("", ".py") or "__pycache__" in path.parts)
    }
    return sorted(str(path) for path in named - allowed - code if not set(declared) & set(path.parents))


def test_a_stage_opens_what_it_declares_and_nothing_else_of_the_study(repository):
    stages = yaml.load(repository.root / "dvc.lock")["stages"]
    assert {path.name for path in repository.opened.iterdir()} == set(stages)
    assert "data/raw/synthetic/SACU/clips.csv" in (repository.opened / "ingest@SACU").read_text()
    assert {stage: found for stage, entry in stages.items() if (found := undeclared(repository, stage, entry))} == {}


def runs_of(repository):
    client = MlflowClient(f"sqlite:///{repository.root}/mlruns/mlflow.db")
    return client.search_runs([client.get_experiment_by_name("synthetic").experiment_id])


def test_every_stage_is_a_finished_run_in_the_one_store(repository):
    runs = runs_of(repository)
    assert {run.info.status for run in runs} == {"FINISHED"}
    trainings = [run for run in runs if run.data.tags["calse.stage"] == "train"]
    ingested = {f"ingest@{source}" for source in ("SACU", "STS", "INTERPRETER", "DONOR-1")}
    found = {f"landmarks@{source}" for source in ("SACU", "STS", "INTERPRETER", "DONOR-1")}
    made = {"augment@AF2", "omit@SACU", "swap-train@DF-1", "swap-train@DF-2", "swap@DF-1", "swap@DF-2"}
    made |= {"reidentify@DF-1", "reidentify@DF-2"}
    others = {run.info.run_name for run in runs} - {run.info.run_name for run in trainings}
    assert others == ingested | found | made | {"workspace"}
    assert sorted(run.info.run_name for run in trainings) == sorted(
        f"{recogniser}-{recipe}-SACU-1" for recogniser in ("i3d", "landmarks") for recipe in RECIPES
    )
    for run in trainings:
        assert {"loss", "test.top1", "test.omitted.top2"} <= set(run.data.metrics)
        assert run.inputs.dataset_inputs[0].dataset.digest in (repository.root / "dvc.lock").read_text()
    code, output = repository.run(*CALSE, "track", "verify")
    assert code == 0, output


def test_no_output_tells_where_or_when_it_was_made(repository):
    for folder in ("data/manifests", "data/splits", "metrics", "models"):
        for path in (repository.root / folder).rglob("*"):
            if path.is_file() and path.suffix in (".csv", ".json", ".md", ".html"):
                assert str(repository.root) not in path.read_text()


def test_a_parameter_of_a_set_reruns_the_trainings_that_use_it_and_no_other(repository):
    repository.change({"augment": {"AF2": {"rotation": 5}}})
    stages = repository.repro("dvc", "repro", *(f"evaluate@i3d-{recipe}" for recipe in RECIPES))
    assert {name for name in stages if not name.startswith("split")} == {
        "augment@AF2",
        "train@i3d-DF1-AF2",
        "evaluate@i3d-DF1-AF2",
    }


def test_no_frame_of_a_video_is_left_for_git(repository):
    """Not even when DVC has taken its own .gitignore entries back, as it does when a stage fails."""
    for folder in ("data", "models"):
        for file in (repository.root / folder).rglob(".gitignore"):
            file.unlink()
    untracked = repository.run("git", "ls-files", "--others", "--exclude-standard")[1].splitlines()
    assert len(untracked) > 50
    made = [name for name in untracked if not name.startswith(("src/", "models/encoder/"))]  # those are shipped
    assert not [name for name in made if name.endswith((".mp4", ".npz", ".safetensors", ".npy", ".tflite"))]
    pictures = {name for name in untracked if name.endswith(".png")}
    assert sorted(pictures) == ["metrics/report/curves.png", "metrics/report/table.png"]


def test_queued_experiments_land_in_the_store_with_their_own_name_code_and_parameters(repository):
    """Two at once: a recipe from the command line, and code that is changed back before its training starts."""
    repository.run("git", "add", "-A")
    repository.run("git", "-c", "user.name=toy", "-c", "user.email=toy@example.org", "commit", "-qm", "study")
    queue, recipe = ("dvc", "exp", "run", "--queue"), "+recipes.Both={sets: [AF2, DF-1], equal_steps: true}"
    repository.run(*queue, "-n", "both", "-S", recipe, "-S", "train.i3d.optim.lr=0.01", "train@i3d-Both")
    fit = repository.root / "src/calse/recognition/training/fit.py"
    code = fit.read_text()
    strange, changes = re.subn(r'"loss": round\([^)]*\)', '"loss": 42.0', code)
    assert changes == 1
    fit.write_text(strange)
    repository.run(*queue, "-n", "strange", "train@i3d-Baseline")
    fit.write_text(code)
    # Its output is nobody's: a worker that reads what another is writing outlives its work, a fault of DVC's queue.
    subprocess.run(
        ("dvc", "queue", "start", "-j", "2"),
        cwd=repository.root,
        env=repository.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    repository.wait_for_experiments({"both", "strange"})
    code, output = repository.run(*CALSE, "track", "sync")
    assert code == 0, output
    runs = {(run.data.tags["dvc.experiment"], run.info.run_name): run.data for run in runs_of(repository)}
    assert runs["both", "i3d-Both-SACU-1"].params["train.optim.lr"] == "0.01"
    assert runs["both", "both"].params["recipes.Both.sets"] == '["AF2", "DF-1"]'
    assert runs["strange", "i3d-Baseline-SACU-1"].metrics["loss"] == 42
    assert runs["workspace", "i3d-Baseline-SACU-1"].metrics["loss"] < 42
    assert "Both" not in (repository.root / "params.yaml").read_text()


def test_every_generated_clip_says_in_its_container_what_it_is(repository):
    manifests = [
        *repository.root.glob("data/manifests/sets/*.csv"),
        *repository.root.glob("data/manifests/omitted/*.csv"),
    ]
    clips = [clip for path in manifests for clip in read_manifest(path)]
    assert {clip.details["by"] for clip in clips} == {"affine", "swap", "omit"}
    for clip in clips:
        with av.open(str(repository.root / clip.path)) as container:
            told = json.loads(container.metadata["comment"])
        assert told == clip.details | {"parent": clip.parent}
        assert clip.details["by"] != "swap" or {"donor", "method", "model", "seed"} < set(told)


def test_an_imported_source_that_is_not_to_be_shared_stays_here(repository, tmp_path):
    """Its videos, and all that is made of anybody's, weights too; what nobody went into is pushed to a real remote."""
    repository.change({"corpus": {"name": "mine"}})
    listed = ("data/raw/synthetic/SACU/clips.csv", "--corpus", "mine", "--source", "SACU")
    code, output = repository.run(*CALSE, "import", *listed)
    assert code == 0, output
    assert "licence: CC BY-NC 4.0; consent: in writing; not to be shared" in output
    assert "kept out of dvc push: data/raw/mine/SACU.dvc" in output
    for command in (("dvc", "add", "data/raw/mine/SACU"), ("dvc", "repro", "-q", "ingest@SACU")):
        code, output = repository.run(*command)
        assert code == 0, output
    repository.run(*CALSE, "track", "sync")
    repository.run("dvc", "remote", "add", "-d", "disk", str(tmp_path))
    code, output = repository.run("dvc", "push")
    assert code == 0, output
    pushed = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    people = [path for folder in ("data", "models/faceswap") for path in (repository.root / folder).rglob("*.*")]
    people = [path for path in people if path.suffix in (".mp4", ".npz", ".png", ".safetensors")]
    assert {path.suffix for path in people} == {".mp4", ".npz", ".png", ".safetensors"}
    assert not [path for path in people if path.read_bytes() in pushed]
    weights = list((repository.root / "models/i3d").rglob("*.safetensors"))
    assert weights
    assert not [path for path in weights if path.read_bytes() in pushed]
    published = list((repository.root / "models/published").rglob("*.tflite"))
    assert published
    assert all(path.read_bytes() in pushed for path in published)
    page = (repository.root / "data/report/index.html").read_text(encoding="utf-8")
    assert "licence: CC BY-NC 4.0" in page
    assert "data:image" in page, "of STS"
    assert "Frames of SACU" not in page
    assert 'alt="AF2: AF2-SACU' not in page
    repository.change({"corpus": {"name": "synthetic"}})


def kept_by_git(repository):
    """Every file in every commit, stash and experiment, and those that the next commit would take."""
    for line in repository.run("git", "rev-list", "--objects", "--all")[1].splitlines():
        digest, _, name = line.partition(" ")
        if name and repository.run("git", "cat-file", "-t", digest)[1] == "blob\n":
            yield name, subprocess.check_output(["git", "cat-file", "blob", digest], cwd=repository.root)
    for name in repository.run("git", "ls-files", "--others", "--exclude-standard", "-z")[1].split("\0"):
        if name:
            yield name, (repository.root / name).read_bytes()


def test_nothing_that_git_mlflow_or_a_log_keeps_shows_a_frame(repository):
    """Whatever its name and format: as a file of its own, inside a database, as text or as numbers."""
    kept = [(name, data) for name, data in kept_by_git(repository) if not name.startswith(("src/", "presets/"))]
    others = [path for path in (repository.root / "mlruns").rglob("*") if path.is_file()]
    others += [path for path in (repository.root / ".dvc/tmp").rglob("*") if path.suffix in (".log", ".out")]
    kept += [(path.relative_to(repository.root).as_posix(), path.read_bytes()) for path in others]
    names = {name for name, _ in kept}
    assert {"mlruns/mlflow.db", "dvc.lock", "data/raw/mine/SACU.dvc", "metrics/report/table.csv"} <= names
    assert len(names) > 50
    for name, data in kept:
        marks = [mark for mark in RARE if mark in data] if name.endswith(".db") else []
        marks += [mark for mark in PICTURES if data.startswith(mark) or mark in data[4:12]]
        assert not marks or name in OWN, (name, marks)
        assert not [text for text in TEXTS if text in data], name
        assert not LONG.search(data), name


def test_a_failing_gate_stops_before_anything_trains_and_says_which_gloss(repository):
    repository.change({"corpus": {"sources": {"STS": {"kind": "public", "clips_per_gloss": 2}}}})
    code, output = repository.run("dvc", "repro")
    assert code != 0
    line = next(line for line in output.splitlines() if line.startswith("error:"))
    assert "STS" in line
    assert "gloss" in line
    assert "train@" not in output
    assert (repository.root / "metrics/validate/index.html").is_file()


def test_a_wrong_parameter_stops_the_stage_with_one_line(repository):
    repository.change({"ingest": {"fps": "fast"}})
    code, output = repository.run("dvc", "repro", "ingest@STS")
    assert code != 0
    assert "error: params.yaml: ingest.fps" in output
    assert "Traceback" not in output
