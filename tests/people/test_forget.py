"""People taken out of every version of a study: nothing of them is left in cache, remotes, git's experiments or MLflow.

The study is one of all stages with the files that they would make: DVC itself records and keeps them, and each file
holds the ids of the filmed clips that went into it. So a scan needs to know nothing of how they were removed: it reads
every file that is left.
"""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import boto3
import dvc.cli
import pytest
from ruamel.yaml import YAML

from calse.config.params import Synthesis
from calse.corpus.raw import RawVideo, read_index, write_index
from calse.corpus.synthesise import recordings
from calse.data.clips import Clip, clip_ids
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.people.forget import Plan, forget
from calse.people.view import print_plan
from calse.people.who import Filmed, Who, as_known
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of, write_json
from calse.tracking.content import STATUS
from calse.tracking.place import locked_store
from calse.tracking.runs import Store
from videos import write_clip

ROOT = Path(__file__).parents[2]
yaml = YAML(typ="safe", pure=True)
KEYS = {"AWS_ACCESS_KEY_ID": "toy", "AWS_SECRET_ACCESS_KEY": "toy", "AWS_DEFAULT_REGION": "us-east-1"}
KEYS |= {"AWS_MAX_ATTEMPTS": "1"}  # a server that is not there is not asked for half a minute
GLOSSES = ("NO", "AÑO")
SIGNERS = {
    "SACU": ["Ana", "Eva"],
    "STS": ["Leo", "Ana"],
    "INTERPRETER": ["Mar"],
    "DONOR-1": ["DONOR-1"],
    "DONOR-2": ["Noa"],
}
DVC_YAML = """
stages:
  ingest:
    matrix: {source: "${corpus.sources}"}
    cmd: python -m calse ingest ${item.source}
    deps: ["data/raw/${corpus.name}/${item.source}"]
    outs:
      - data/clips/${item.source}
      - data/manifests/sources/${item.source}.csv: {cache: false}
  landmarks:
    matrix: {source: "${landmarks.sources}"}
    cmd: python -m calse landmarks ${item.source}
    deps: ["data/manifests/sources/${item.source}.csv"]
    outs: ["data/landmarks/${item.source}"]
  augment:
    foreach: ${augment}
    do:
      cmd: python -m calse augment ${key}
      params: ["augment.${key}"]
      deps: [data/manifests/sources]
      outs:
        - data/augmented/${key}
        - data/manifests/sets/${key}.csv: {cache: false}
  swap-train:
    foreach: ${swap}
    do:
      cmd: python -m calse swap-train ${key}
      deps:
        - data/landmarks/${item.donor}
        - data/landmarks/${item.signers}
        - data/manifests/sources/${item.donor}.csv
        - data/manifests/sources/${item.signers}.csv
      outs: ["models/faceswap/${key}"]
  swap:
    foreach: ${swap}
    do:
      cmd: python -m calse swap ${key}
      deps:
        - data/manifests/sources/${item.donor}.csv
        - data/manifests/sources/${item.signers}.csv
        - models/faceswap/${key}
      outs:
        - data/augmented/${key}
        - data/manifests/sets/${key}.csv: {cache: false}
  split:
    matrix: {recipe: "${recipes}"}
    cmd: python -m calse split ${item.recipe}
    deps: [data/manifests]
    outs: ["data/splits/${item.recipe}.csv": {cache: false}]
  train:
    matrix: {recogniser: "${train}", recipe: "${recipes}"}
    cmd: python -m calse train ${item.recogniser} ${item.recipe}
    deps: ["data/splits/${item.recipe}.csv"]
    outs: ["models/${item.recogniser}/${item.recipe}"]
  report:
    cmd: python -m calse report
    deps: [data/manifests, "data/splits"]
    outs: [data/report/index.html]
"""


class Study:
    """A study in a folder of its own, made by hand and recorded by DVC."""

    def __init__(self, root):
        self.root, self.layout, self.disk = root, Layout(root), root.parent / "disk"
        self.origins: dict[str, str] = {}  # of every clip: which filmed ones went into it
        outside = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_", "GIT_"))}
        who = {
            f"GIT_{role}_{what}": "toy@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        self.environment = outside | who | KEYS | {"PYTHONPATH": str(ROOT / "src")}

    def tries(self, *command):
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, *command):
        code, output = self.tries(*command)
        assert code == 0, output
        return output

    def dvc(self, *arguments):
        """Run a command of DVC's in this process: starting one takes a second."""
        here = Path.cwd()
        os.chdir(self.root)
        try:
            assert dvc.cli.main([*arguments, "-q"]) == 0
        finally:
            os.chdir(here)

    def commit(self, message):
        self.dvc("commit", "-f")
        self.run("git", "add", "-A")
        self.run("git", "commit", "-qm", message)

    def params(self, version, signers):
        tree = yaml.load(ROOT / "presets/synthetic.yaml")
        kinds = {"INTERPRETER": "interpreter", "DONOR-1": "donor", "DONOR-2": "donor"}
        sources = {name: {"kind": kinds.get(name, "public"), "clips_per_gloss": None} for name in signers}
        tree |= {"synthesise": {}, "corpus": {"name": "mine", "glosses": 2, "sources": sources}, "omit": []}
        tree["landmarks"]["sources"] = list(signers)
        tree["augment"] = {"AF1": tree["augment"]["AF2"] | {"rotation": version}}
        del tree["swap"]["DF-3"], tree["train"]["landmarks"]
        tree |= {"recipes": {"Baseline": [], "All": ["AF1", "DF-1", "DF-2"]}, "test_sources": ["SACU", "STS"]}
        yaml.dump(tree, self.root / "params.yaml")

    def make(self, version, signers):
        """Write every file of one version; each holds the ids of the filmed clips that went into it."""
        self.params(version, signers)
        filmed = {source: self.film(source, people) for source, people in signers.items()}
        public = filmed["SACU"] + filmed["STS"]
        models = {
            "DF-1": ("DONOR-1", filmed["DONOR-1"] + filmed["INTERPRETER"]),
            "DF-2": ("DONOR-2", filmed["DONOR-2"]),
        }
        sets = {"AF1": [self.generated("AF1", clip, f"{version} {clip.clip}") for clip in public]}
        for name, (donor, clips) in models.items():
            ids = " ".join(clip.clip for clip in clips)
            self.write(f"models/faceswap/{name}/weights.safetensors", ids)
            info = {"donor": donor, "data": {clip.source: "" for clip in clips}}
            write_json(self.layout.swap_model(name) / "model.json", info)
            sets[name] = [self.generated(name, clip, f"{clip.clip} {ids}") for clip in filmed["INTERPRETER"]]
        for name, clips in sets.items():
            write_manifest(self.layout.set_manifest(name), clips)
            self.write(f"data/augmented/{name}/contact-sheet.png", " ".join(self.origins[clip.clip] for clip in clips))
        self.split("Baseline", public + filmed["INTERPRETER"])
        self.split("All", public + filmed["INTERPRETER"] + [clip for clips in sets.values() for clip in clips])
        self.write("data/report/index.html", " ".join(self.origins.values()))

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        return file

    def film(self, source, people):
        """Raw videos, clips and landmarks of a source, and its manifest; nobody's face is found in AÑO."""
        takes = [(gloss, signer, 1) for gloss in GLOSSES for signer in people]
        clips, videos = [], []
        raw = self.layout.raw("mine")
        for name, (gloss, signer, take) in zip(clip_ids(source, takes), takes, strict=True):
            video = self.write(f"data/raw/mine/{source}/{name}.mov", f"raw {name}")
            videos.append(RawVideo(video.name, gloss, signer, take, sha256_of(video)))
            path = f"data/clips/{source}/{name}.mp4"
            self.write(f"data/landmarks/{source}/{name}.npz", name if gloss == "NO" else "no face")
            made = json.dumps({"raw": video.name, "raw_sha256": videos[-1].sha256})
            sha256 = sha256_of(self.write(path, f"clip {name}"))
            clips.append(Clip(name, gloss, source, signer, take, "", "", path, sha256, name, 9, 9, 25.0, 9, made))
            self.origins[name] = name
        write_index(raw / source, videos)
        write_rows(raw / "glossary.csv", ["gloss"], [{"gloss": gloss} for gloss in GLOSSES])
        write_manifest(self.layout.source_manifest(source), clips)
        return clips

    def generated(self, set_name, clip, text):
        file = self.write(f"data/augmented/{set_name}/{set_name}-{clip.clip}.mp4", text)
        self.origins[file.stem] = text
        return clip.child(file, set_name, {})

    def split(self, recipe, clips):
        tests = ("SACU", "STS")
        roles = {
            test: {c.clip: "train" if c.source != test else "" if c.parent else "test" for c in clips} for test in tests
        }
        rows = [asdict(clip) | {test: roles[test][clip.clip] for test in tests} for clip in clips]
        write_rows(self.layout.split(recipe), list(rows[0]), rows)
        for test in tests:
            trained = [self.origins[clip.clip] for clip in clips if roles[test][clip.clip] == "train"]
            self.write(f"models/i3d/{recipe}/{test}/seed-1.safetensors", "weights of " + " ".join(trained))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three commits and an experiment, pushed to a folder; at first Eva was not there yet."""
    study = Study(tmp_path_factory.mktemp("made") / "study")
    study.root.mkdir()
    for name in (".dvcignore", ".gitignore", ".dvc/config"):
        study.write(name, (ROOT / name).read_text())
    study.write("dvc.yaml", DVC_YAML)
    study.run("git", "init", "-q")
    study.dvc("remote", "add", "-d", "disk", str(study.disk))
    for version, signers in ((5, SIGNERS | {"SACU": ["Ana", "Zoe"]}), (6, SIGNERS), (7, SIGNERS)):
        shutil.rmtree(study.root / "data", ignore_errors=True)
        study.make(version, signers)
        study.dvc("add", *(f"data/raw/mine/{source}" for source in signers))
        study.commit(f"version {version}")
    study.make(8, SIGNERS)
    study.dvc("commit", "-f")
    study.run("dvc", "exp", "save", "-q", "-n", "tried")
    study.dvc("push", "--all-commits")
    study.run("git", "checkout", "-q", "-f", "HEAD")
    study.dvc("checkout")
    return study


@pytest.fixture
def study(made, tmp_path):
    """A copy of that study, with its cache and remote."""
    shutil.copytree(made.root.parent, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("tmp"))
    study = Study(tmp_path / "copy/study")
    study.dvc("remote", "modify", "disk", "url", str(study.disk))
    study.run("git", "commit", "-qam", "remote")
    return study


def holding(folder, *words):
    """Every file below a folder that holds one of these words, or has it in its name; git's own are read by git."""
    found = set()
    for file in folder.rglob("*"):
        if file.is_file() and ".git" not in file.relative_to(folder).parts:
            text = file.read_bytes().decode("utf-8", "replace") + file.name
            found |= {file.relative_to(folder).as_posix()} if any(word in text for word in words) else set()
    return found


def alone(folder, words):
    """For each word the files below a folder that hold it and nothing else."""
    texts = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {word: {file for file, text in texts.items() if text == word.encode()} for word in words}


def forgotten(study, *signers, **others):
    """Forget, in this process."""
    here = Path.cwd()
    os.chdir(study.root)
    try:
        return forget(Who(signers, **others), Layout(), False, lambda *_: True)
    finally:
        os.chdir(here)


def sources(study):
    return set(yaml.load(study.root / "params.yaml")["corpus"]["sources"])


def md5s(study):
    """The md5 of every file in cache and remote."""
    files = [path for folder in (study.root / ".dvc/cache", study.disk) for path in folder.rglob("*") if path.is_file()]
    return {hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def test_nothing_of_a_forgotten_signer_is_left_and_all_of_the_others_is(study):
    everywhere = study.root.parent
    assert len(holding(everywhere, "_Ana-1")) > 60
    others = ("raw SACU-NO_Eva-1", "raw SACU-NO_Zoe-1", "clip STS-NO_Leo-1", "no face", "5 STS-NO_Leo-1")
    before = [alone(folder, others) for folder in (study.root / ".dvc/cache", study.disk)]
    assert all(files for place in before for files in place.values())
    output = study.run("calse", "forget", "ana", "--yes")
    assert holding(everywhere, "_Ana-1", ",Ana,") == set()
    assert [alone(folder, others) for folder in (study.root / ".dvc/cache", study.disk)] == before
    assert study.run("git", "for-each-ref", "refs/exps") == ""
    assert "the cache: " in output
    assert "remote disk: " in output
    assert "tables with names in 3 commits of git" in output
    assert "printf 'Ana==>forgotten\\n' > names.txt && git filter-repo" in output
    assert "train@i3d-Baseline" in output


def test_the_certificate_lists_what_is_gone_and_names_nobody(study):
    before = md5s(study)
    done = forgotten(study, "Ana")
    text = (study.root / done.certificate).read_text()
    certificate = json.loads(text)
    objects = {digest.removesuffix(".dir") for digest in certificate["objects"]}
    assert len(objects & before) > 30
    assert not objects & md5s(study)
    assert "Ana" not in text
    assert certificate["forgotten"] == [hashlib.sha256(b"signer ana").hexdigest()]
    assert certificate["calls"][0]["left"] == {}
    again = forgotten(study, "Ana")
    assert set(again.removed.values()) == {0}
    assert json.loads(text)["objects"] == certificate["objects"]


def test_the_study_goes_on_without_them(study):
    """What DVC recorded of others stands, what mixed people is made again, nothing asks for those who are gone."""
    forgotten(study, "Ana", "Noa")
    stages = set(yaml.load(study.root / "dvc.lock")["stages"])
    left = {"ingest@INTERPRETER", "ingest@DONOR-1", "landmarks@INTERPRETER", "landmarks@DONOR-1", "swap-train@DF-1"}
    assert stages == left | {"swap@DF-1"}
    params = yaml.load(study.root / "params.yaml")
    assert set(params["corpus"]["sources"]) == {"SACU", "STS", "INTERPRETER", "DONOR-1"}
    assert params["recipes"] == {"Baseline": [], "All": ["AF1", "DF-1"]}
    assert set(params["swap"]) == {"DF-1"}
    raw = study.layout.raw("mine")
    assert [video.signer for video in read_index(raw / "SACU")] == ["Eva", "Eva"]
    assert not (raw / "DONOR-2.dvc").exists()
    status = json.loads(study.run("dvc", "status", "--json"))
    assert "data/raw/mine/SACU.dvc" not in status
    assert set(status) >= {"ingest@SACU", "ingest@STS", "train@i3d-All", "report"}
    assert not {"ingest@INTERPRETER", "swap-train@DF-1"} & set(status)


def test_a_source_or_a_clip_can_be_forgotten_alone(study):
    forgotten(study, clips=("INTERPRETER-NO-1",))
    assert not holding(study.root.parent, "INTERPRETER-NO-1")
    assert holding(study.disk, "raw INTERPRETER-AÑO".replace("Ñ", "N"))
    forgotten(study, sources=("DONOR-1",))
    assert not holding(study.root.parent, "DONOR-1-NO-1")
    assert sources(study) == {"SACU", "STS", "INTERPRETER", "DONOR-2"}


@pytest.mark.parametrize(
    ("signers", "others", "says"),
    [
        (["Anna"], {}, "no version of the study has a signer 'Anna'; those are: Ana, DONOR-1, Eva, Leo, Mar, Noa, Zoe"),
        ([], {"sources": ("SAC",)}, "no version of the study has a source 'SAC'; those are: DONOR-1, DONOR-2, INTER"),
        ([], {"clips": ("SACU-X-1",)}, "no version of the study has a filmed clip 'SACU-X-1'"),
        (["Ana", "Eva", "Leo"], {}, "no study is left: params.yaml: test_sources"),
    ],
)
def test_a_name_that_is_not_known_removes_nothing(study, signers, others, says):
    before = md5s(study)
    with pytest.raises(CalseError, match=re.escape(says)) as caught:
        forgotten(study, *signers, **others)
    assert "\n" not in str(caught.value)
    assert md5s(study) == before
    assert study.run("git", "status", "--short") == ""


def test_who_may_have_another_name_too_is_asked_for():
    filmed = [Filmed("A", "José Paz", "A-1", "x"), Filmed("A", "Jose Paz", "A-2", "y"), Filmed("B", "Bo", "B-1", "y")]
    with pytest.raises(CalseError, match=r"'José Paz' may be 'Jose Paz' too; name all: calse forget 'José Paz' 'Jose "):
        as_known(Who(("José Paz",)), filmed, exactly=False)
    with pytest.raises(CalseError, match=r"'Jose Paz' may be 'Bo' too; clip A-2 is listed under both; name all"):
        as_known(Who(("José Paz", "Jose Paz")), filmed, exactly=False)
    assert as_known(Who(("jose  PAZ",)), filmed, exactly=True).signers == ("Jose Paz",)


@pytest.mark.parametrize("step", ["_removed", "_clear", "_certify"])
def test_after_a_kill_the_same_command_goes_on(study, monkeypatch, step):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"calse.people.forget.{step}", killed)
        with pytest.raises(KeyboardInterrupt):
            forgotten(study, "Ana")
    for folder in (study.root / ".dvc/cache", study.disk):  # the worst case: what says where to look is gone
        for listing in folder.rglob("*.dir"):
            listing.unlink()
    assert forgotten(study, "Ana").left == {}
    assert holding(study.root.parent, "_Ana-1", ",Ana,") == set()
    assert not list((study.root / ".dvc/tmp").glob("calse-forget*"))


def test_a_remote_out_of_reach_is_named_and_emptied_later(study, s3, monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    study.dvc("remote", "add", "cloud", "s3://calse/study")
    study.dvc("remote", "modify", "cloud", "endpointurl", s3)
    study.dvc("push", "-r", "cloud")
    study.dvc("remote", "modify", "--local", "cloud", "endpointurl", "http://127.0.0.1:9")
    code, output = study.tries("calse", "forget", "Ana", "--yes")
    assert code == 1
    assert "error: something is left (remote cloud: remote cloud is out of reach: " in output
    assert "call the same command again" in output
    assert {file for file in holding(study.root.parent, "_Ana-1") if "tmp/calse-forget" not in file} == set()
    study.dvc("remote", "modify", "--local", "cloud", "endpointurl", s3)
    done = forgotten(study, "Ana")
    assert done.left == {}
    assert done.removed["remote cloud"] > 30
    bucket = boto3.resource("s3", endpoint_url=s3).Bucket("calse")
    left = [one.get()["Body"].read().decode("utf-8", "replace") for one in bucket.objects.all()]
    assert len(left) > 20
    assert not [text for text in left if "_Ana-1" in text]


def test_nobody_comes_back_by_an_import(study):
    films = study.root.parent / "films"
    for seed, name in enumerate(("NO_ANA_1", "NO_Ivo_1")):
        write_clip(films / f"{name}.mp4", seed, frames=9, height=32, width=32)
    shutil.copyfile(films / "NO_Ivo_1.mp4", study.layout.raw("mine") / "SACU/SACU-NO_Eva-1.mov")
    index = read_index(study.layout.raw("mine") / "SACU")
    index = [
        replace(v, sha256=sha256_of(films / "NO_Ivo_1.mp4")) if v.file == "SACU-NO_Eva-1.mov" else v for v in index
    ]
    write_index(study.layout.raw("mine") / "SACU", index)
    study.dvc("add", "data/raw/mine/SACU")
    forgotten(study, "Ana", clips=("SACU-NO_Eva-1",))
    write_clip(films / "NO_Eva_2.mp4", 3, frames=9, height=32, width=32)
    command = (
        "calse",
        "import",
        str(films),
        "--corpus",
        "mine",
        "--source",
        "NEW",
        "--pattern",
        "{gloss}_{signer}_{take}.mp4",
    )
    output = study.run(*command)
    assert "refused NO_ANA_1.mp4: shows somebody who was forgotten" in output
    assert "refused NO_Ivo_1.mp4: shows somebody who was forgotten" in output
    assert "took 1 video of 1 gloss" in output


def test_a_synthetic_signer_is_not_made_again():
    settings = Synthesis(glosses=2, short_side=64, donor_clips=1, seed=1)
    every = list(recordings(settings, Path()))
    some = list(recordings(replace(settings, without=("SIGNER-2", "DONOR-3", "SACU-NO-1")), Path()))
    gone = {one.clip for one in every} - {one.clip for one in some}
    assert gone == {"STS-NO-1", "STS-HOLA-1", "DONOR-3-SPEECH-1", "SACU-NO-1"}
    assert [one for one in every if one.clip not in gone] == some


def test_runs_that_read_them_are_gone_from_the_store_for_good(study, migrated, surroundings, monkeypatch):
    monkeypatch.chdir(study.root)
    shutil.copytree(migrated, "mlruns")
    digests = {
        out["path"]: out["md5"] for stage in yaml.load(Path("dvc.lock"))["stages"].values() for out in stage["outs"]
    }
    with locked_store():
        store = Store("toy")
        parent = store.start("workspace", "pipeline", "workspace", {})
        ids = {}
        for name, path in (("i3d-All-SACU-1", "data/splits/All.csv"), ("swap-train@DF-1", "data/landmarks/DONOR-1")):
            ids[name] = store.start(name, "train", "workspace", {})
            store.log(ids[name], {("data", path, 0): digests[path], ("metric", "top1", 0): 0.5, STATUS: "FINISHED"})
        store.client.set_tag(ids["i3d-All-SACU-1"], "mlflow.parentRunId", parent)
    forgotten(study, "Ana")
    with closing(sqlite3.connect("mlruns/mlflow.db")) as database:
        assert database.execute("SELECT run_uuid FROM runs").fetchall() == [(ids["swap-train@DF-1"],)]
        assert database.execute("SELECT DISTINCT run_uuid FROM metrics").fetchall() == [(ids["swap-train@DF-1"],)]
        assert (parent,) not in database.execute("SELECT run_uuid FROM tags").fetchall()


def test_what_dvc_has_no_record_of_goes_too(study):
    """Videos that were imported and never added, and what a stage that failed has left."""
    videos = [RawVideo("SACU-NO_Ivo-1.mov", "NO", "Ivo", 1, "f" * 64)]
    videos.append(replace(videos[0], file="SACU-NO_Eva-1.mov", signer="Eva"))
    for video in videos:
        study.write(f"data/raw/other/SACU/{video.file}", "raw other")
    write_index(study.root / "data/raw/other/SACU", videos)
    study.write("data/augmented/AF9/AF9-STS-NO_Ana-1-2.mp4", "half a set")
    study.write("data/augmented/AF9/AF9-STS-NO_Leo-1-2.mp4", "half a set")
    forgotten(study, "Ana", sources=("SACU",))
    assert not (study.root / "data/raw/other/SACU").exists()
    assert [file.name for file in (study.root / "data/augmented/AF9").iterdir()] == ["AF9-STS-NO_Leo-1-2.mp4"]


def test_the_plan_says_which_stages_make_models(capsys):
    print_plan(Plan([], stages=["split@Baseline", "swap-train@DF-2", "train@landmarks-Baseline"]), {})
    assert "again: 3; of these make models: swap-train@DF-2, train@landmarks-Baseline\n" in capsys.readouterr().out
