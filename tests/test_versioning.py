"""Own videos from import to another person's clone: what DVC keeps, sends, brings back and must not send."""

import os
import re
import shutil
import subprocess
import urllib.request
from itertools import count
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from videos import write_clip

ROOT = Path(__file__).parents[1]
COPIED = ("src", "presets", ".dvc/config", ".dvcignore", ".gitattributes", ".gitignore")
KINDS = {"SACU": "public", "INTERPRETER": "interpreter", "DONOR-1": "donor"}
yaml = YAML(typ="safe", pure=True)


class Clone:
    """A repository and the commands that a person types in it, or in a folder of it."""

    def __init__(self, root):
        self.root = root
        outside = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "GIT_"))}
        who = {
            f"GIT_{role}_{what}": "toy@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        keys = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
        self.environment = outside | who | keys | {"PYTHONPATH": str(ROOT / "src"), "CALSE_WORKERS": "1"}

    def tries(self, *command, here="."):
        done = subprocess.run(
            command, cwd=self.root / here, env=self.environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, *command, here="."):
        code, output = self.tries(*command, here=here)
        assert code == 0, output
        return output

    def commit(self):
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", "study")

    def clone(self, root, *options):
        self.run("git", "clone", "-q", *options, ".", str(root))
        return Clone(root)

    def change(self, change):
        tree = yaml.load(self.root / "params.yaml")
        change(tree)
        yaml.dump(tree, self.root / "params.yaml")

    def files(self, *folders):
        found = [path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file()]
        found = [path for path in found if path.name[0] != "." and path.suffix != ".pyc"]
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def cached(self):
        return {path.read_bytes() for path in (self.root / ".dvc/cache/files").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A person's videos: `<films>/<year>/<source>/<gloss>.mp4`."""
    folder, seeds = tmp_path_factory.mktemp("films"), count()
    for year in ("2025", "2026"):
        for source in KINDS:
            for gloss in ("NO", "AÑO"):
                write_clip(folder / year / source / f"{gloss}.mp4", next(seeds), frames=9, height=32, width=32)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory, films):
    """A repository with the real first stage, and three sources of own videos imported, added and committed."""
    study = Clone(tmp_path_factory.mktemp("made") / "study")
    for name in COPIED:
        target = study.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    stages = yaml.load(ROOT / "dvc.yaml")["stages"]
    yaml.dump({"stages": {"ingest": stages["ingest"]}}, study.root / "dvc.yaml")
    tree = yaml.load(ROOT / "presets/synthetic.yaml")
    sources = {name: {"kind": kind, "clips_per_gloss": None} for name, kind in KINDS.items()}
    tree |= {"synthesise": {}, "corpus": {"name": "mine", "glosses": 2, "sources": sources}}
    tree |= {"swap": {}, "omit": [], "augment": {}, "recipes": {"Baseline": []}, "test_sources": ["SACU"]}
    tree["landmarks"]["sources"] = []
    del tree["train"]["landmarks"]
    tree["ingest"]["short_side"] = 32
    yaml.dump(tree, study.root / "params.yaml")
    study.run("git", "init", "-q")
    study.commit()
    for source in KINDS:
        study.run("calse", "import", str(films / "2025" / source), "--corpus", "mine", "--source", source)
    study.run("dvc", "add", *(f"data/raw/mine/{source}" for source in KINDS))
    study.run("dvc", "repro")
    study.commit()
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy of that repository, with its cache."""
    shutil.copytree(made.root, tmp_path / "study", symlinks=True, ignore=shutil.ignore_patterns("tmp"))
    return Clone(tmp_path / "study")


def filmed(study):
    return {name: data for name, data in study.files("data/raw").items() if name.endswith(".mp4")}


def test_another_persons_clone_has_the_same_videos_and_nothing_to_do(study, films, s3, tmp_path):
    """Through a folder and through S3, into folders of any name; git has none of them."""
    originals = {path.read_bytes() for path in (films / "2025").rglob("*.mp4")}
    assert set(filmed(study).values()) == originals
    assert not [name for name in study.run("git", "ls-files", "data").splitlines() if name.endswith(".mp4")]
    remotes = {"disk": str(tmp_path / "disk"), "cloud": "s3://calse/study"}
    for name, address in remotes.items():
        study.run("dvc", "remote", "add", name, address)
    study.run("dvc", "remote", "modify", "cloud", "endpointurl", s3)
    study.commit()
    for name in remotes:
        assert "files pushed" in study.run("dvc", "push", "-r", name)
        assert "in sync" in study.run("dvc", "status", "-r", name, "-c")
        clone = study.clone(tmp_path / f"qué? 100%41 #{name}'s;$x")
        clone.run("dvc", "pull", "-r", name)
        assert clone.files("data", "metrics") == study.files("data", "metrics")
        assert "are up to date" in clone.run("dvc", "repro")
        assert clone.run("git", "status", "--short") == ""
    clone.run("dvc", "repro", "-f", "-s", "ingest@SACU")
    assert clone.files("data", "metrics") == study.files("data", "metrics")


def test_own_videos_outlive_a_cleaned_cache_and_removed_data(study):
    """As does a published checkpoint that was added where models lie."""
    published = study.root / "models/pretrained/i3d.pt"
    published.parent.mkdir(parents=True)
    published.write_text("weights")
    study.run("dvc", "add", "models/pretrained/i3d.pt")
    before, cache = study.files("data"), study.cached()
    assert {*filmed(study).values(), b"weights"} <= cache
    study.run("dvc", "gc", "-w", "-f")
    assert study.cached() == cache
    shutil.rmtree(study.root / "data/raw/mine/SACU")
    shutil.rmtree(study.root / "data/clips")
    study.run("dvc", "checkout")
    assert study.files("data") == before


def test_experiments_in_copies_of_the_workspace_find_own_videos(study):
    study.run("dvc", "exp", "run", "--temp", "-n", "apart", "-S", "ingest.short_side=16")
    assert "apart" in study.run("dvc", "exp", "list", "--name-only").split()
    assert study.run("git", "status", "--short") == ""


@pytest.mark.parametrize("links", ["hardlink", "symlink"])
def test_a_source_imported_anew_is_another_version_and_the_first_can_come_back(study, films, links):
    """Whatever links DVC lays: the cache's files are never written into."""
    study.run("dvc", "config", "--local", "cache.type", links)
    study.run("dvc", "checkout", "--relink")
    first, cache = filmed(study), study.cached()
    anew = ("calse", "import", str(films / "2026/SACU"), "--corpus", "mine", "--source", "SACU", "--replace")
    study.run(*anew)
    assert study.cached() == cache
    study.run("dvc", "add", "data/raw/mine/SACU")
    second = filmed(study)
    assert {path.read_bytes() for path in (films / "2026/SACU").iterdir()} <= set(second.values())
    assert study.cached() > cache
    study.run("git", "checkout", "data/raw/mine/SACU.dvc")
    study.run("dvc", "checkout", "data/raw/mine/SACU.dvc")
    assert filmed(study) == first
    study.run(*anew)
    assert filmed(study) == second


def test_a_clone_without_the_withheld_videos_learns_how_to_do_without(study, s3, tmp_path):
    study.change(lambda tree: tree["corpus"]["sources"]["SACU"].update(share=False))
    study.run("calse", "withhold")
    study.run("dvc", "repro")
    study.run("dvc", "remote", "add", "-d", "disk", str(tmp_path / "disk"))
    study.run("dvc", "remote", "add", "cloud", "s3://calse/withheld")
    study.run("dvc", "remote", "modify", "cloud", "endpointurl", s3)
    study.commit()
    for remote in ("disk", "cloud"):
        study.run("dvc", "push", "-r", remote)
        study.run("dvc", "push", "-r", remote, "--run-cache")
    with urllib.request.urlopen(f"{s3}/calse?prefix=withheld/") as listing:
        sent = {*re.findall(r"<Key>withheld/(.*?)</Key>", listing.read().decode())}
    kept = {path.relative_to(tmp_path / "disk").as_posix() for path in (tmp_path / "disk").rglob("*") if path.is_file()}
    assert sent == kept
    pushed = {path.read_bytes() for path in (tmp_path / "disk").rglob("*") if path.is_file()}
    withheld = {name for name, data in filmed(study).items() if data not in pushed}
    assert withheld == {name for name in filmed(study) if "SACU" in name}
    assert not set(study.files("data/clips").values()) & pushed
    clone = study.clone(tmp_path / "clone")
    assert clone.tries("dvc", "pull")[0] != 0
    clone.run("dvc", "pull", "--allow-missing")
    assert set(filmed(clone)) == set(filmed(study)) - withheld
    _, told = clone.tries("calse", "doctor")
    lines = {line[6:].partition(":")[0]: line for line in told.splitlines()}
    assert "no raw videos of SACU: not to be shared" in lines["data"]
    assert "->  dvc pull --allow-missing, then: dvc repro --allow-missing" in lines["data"]
    assert lines["stages"].endswith("->  dvc repro --allow-missing")
    clone.run("dvc", "repro", "--allow-missing")
    assert clone.run("git", "status", "--short") == ""
    assert clone.files("metrics") == study.files("metrics")


def test_line_ends_are_the_same_where_git_is_configured_to_turn_them(study, tmp_path):
    """As on Windows: a stage whose code came with other line ends would run again."""
    study.run("dvc", "remote", "add", "-d", "disk", str(tmp_path / "disk"))
    (study.root / "notes.txt").write_bytes(b"one\r\ntwo\n")
    study.commit()
    study.run("dvc", "push")
    clone = study.clone(tmp_path / "clone", "-c", "core.autocrlf=true", "-c", "core.eol=crlf")
    clone.run("dvc", "pull")
    folders = ("src", "presets", "data", "metrics")
    assert clone.files(*folders) == study.files(*folders)
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "notes.txt"):
        assert (clone.root / name).read_bytes() == (study.root / name).read_bytes()
    assert "are up to date" in clone.run("dvc", "repro")
    assert clone.run("git", "status", "--short") == ""


def test_commands_find_the_repository_from_any_of_its_folders(study, films, tmp_path):
    """Paths that the user gives are meant from where they stand."""
    deep = "data/raw/mine/SACU"
    shutil.copytree(films / "2026/SACU", study.root / "data/videos")
    study.run("calse", "track", "sync", here=deep)
    study.run("calse", "import", "../../../videos", "--corpus", "mine", "--source", "STS", here=deep)
    assert "ingest@SACU" in study.run("calse", "lineage", "../../clips/SACU", here="data/raw/mine")
    assert "ingest@SACU" in study.run("calse", "lineage", str(study.root / "data/clips/SACU"), here="src")
    assert {path.parent for path in study.root.rglob("mlruns")} == {study.root}
    assert {path.parent for path in study.root.rglob(".scratch")} <= {study.root}
    assert (study.root / "data/raw/mine/STS/clips.csv").is_file()
