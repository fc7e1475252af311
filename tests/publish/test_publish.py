"""`calse publish` on a tiny study of DVC's: what goes out, what stays, what others can do with it."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from calse.config.params import check_params
from calse.data.clips import COLUMNS, Clip, provenance
from calse.data.consent import COLUMNS as CONSENT
from calse.data.manifests import write_manifest, write_rows
from calse.data.paths import Layout
from calse.publish.publish import publish
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of, write_json, write_text
from calse.video.marks.mark import Marker, unmarked
from calse.video.marks.signing_key import signing_key
from calse.video.marks.verify import verify_files
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from toys import moving_square, toy_tree

for name in ("c2pa", "mlcroissant", "rocrate"):
    pytest.importorskip(name, reason='needs the extra "publish"')
ROOT = Path(__file__).parents[2]
PEOPLE = {"SACU": ("Ana", "Benito"), "INTERPRETER": ("Carla",), "DONOR-1": ("Dario",)}
KINDS = {"SACU": "public", "INTERPRETER": "interpreter", "DONOR-1": "donor"}
SOURCES, SETS = "data/manifests/sources", "data/manifests/sets"
yaml = YAML(typ="safe", pure=True)


def stage(items, deps, outs):
    return {"foreach": items, "do": {"cmd": "true", "deps": deps, "outs": [{out: {"cache": False}} for out in outs]}}


STAGES = {
    "ingest": stage(list(PEOPLE), [], ["data/clips/${item}", f"{SOURCES}/${{item}}.csv"]),
    "augment": stage(["AF1"], [SOURCES], ["data/augmented/AF1", f"{SETS}/AF1.csv"]),
    "landmarks": stage(["SACU"], [f"{SOURCES}/SACU.csv"], ["data/landmarks/SACU"]),
    "swap-train": stage(["DF-1"], [f"{SOURCES}/DONOR-1.csv"], ["models/faceswap/DF-1"]),
    "swap": stage(
        ["DF-1"],
        [SOURCES, "models/faceswap/DF-1"],
        ["data/augmented/DF-1", f"{SETS}/DF-1.csv", "metrics/swap/DF-1.json"],
    ),
    "split": stage(["Both"], ["data/manifests"], ["data/splits/Both.csv"]),
    "train": stage(["i3d-Both"], ["data/splits/Both.csv"], ["models/i3d/Both"]),
    "evaluate": stage(["i3d-Both"], ["data/splits/Both.csv"], ["metrics/evaluate/i3d/Both/metrics.json"]),
}


def tree_of(corpus="mine", **sources):
    """The parameters of the study, with what its sources say of themselves."""
    tree = toy_tree() | {"recipes": {"Both": ["AF1", "DF-1"]}, "test_sources": ["SACU"], "omit": []}
    tree["corpus"] = {"name": corpus, "glosses": 1} | {
        "sources": {
            name: {"kind": kind, "clips_per_gloss": None, "licence": "CC BY 4.0"} | sources.get(name, {})
            for name, kind in KINDS.items()
        }
    }
    tree["landmarks"]["sources"] = ["SACU", "INTERPRETER", "DONOR-1"]
    tree["augment"], tree["swap"] = {"AF1": tree["augment"]["AF1"]}, {"DF-1": tree["swap"]["DF-1"]}
    return tree


def write_clip(folder, name, source, signer, parent=None, made=None):
    file = Path(folder) / f"{name}.mp4"
    write_video(file, moving_square((1, 0), list(name.encode())), 25, provenance(parent.clip, made) if parent else None)
    if parent:
        return parent.child(file, Path(folder).name, made)
    content = hashlib.sha256(name.encode()).hexdigest()
    return Clip(name, "NO", source, signer, 1, "", "", str(file), sha256_of(file), content, 48, 48, 25, 12, "{}")


def write_outputs():
    """What the stages would have made: a clip a signer, an affine copy and a swapped clip, a training."""
    filmed = [
        write_clip(f"data/clips/{source}", f"{source}-NO_{signer}-1", source, signer)
        for source, signers in PEOPLE.items()
        for signer in signers
    ]
    for source in PEOPLE:
        write_manifest(Path(f"{SOURCES}/{source}.csv"), [clip for clip in filmed if clip.source == source])
    affine, swap = (
        {"by": "affine", "seed": 2**64 - 1},
        {"by": "swap", "method": "mesh", "donor": "DONOR-1", "model": "7" * 64},
    )
    sets = {
        name: [
            write_clip(f"data/augmented/{name}", f"{name}-{parent.clip}-1", "", "", parent, made) for parent in parents
        ]
        for name, made, parents in (("AF1", affine, filmed[:2]), ("DF-1", swap, filmed[2:3]))
    }
    for name, clips in sets.items():
        write_manifest(Path(f"{SETS}/{name}.csv"), clips)
    rows = [asdict(clip) | {"SACU": "test" if clip in filmed[:2] else "train"} for clip in (*filmed[:3], *sets["DF-1"])]
    write_rows(Path("data/splits/Both.csv"), [*COLUMNS, "SACU"], rows)
    for clip in filmed[:2]:
        write_text(Path(f"data/landmarks/SACU/{clip.clip}.npz"), "points")
    write_json(Path("models/faceswap/DF-1/model.json"), {"method": "mesh", "donor": "DONOR-1", "data": {"DONOR-1": ""}})
    trained = {"recogniser": "i3d", "recipe": "Both", "test_source": "SACU", "seed": 1, "classes": ["NO"]}
    write_json(Path("models/i3d/Both/SACU/seed-1.json"), trained)
    write_text(Path("models/i3d/Both/SACU/seed-1.safetensors"), "weights")
    write_json(Path("metrics/swap/DF-1.json"), {"kept": 0.9})
    write_json(Path("metrics/evaluate/i3d/Both/metrics.json"), {"filmed": {"SACU": {"top1": 0.5}}})


def git(*words):
    who = ("-c", "user.name=toy", "-c", "user.email=toy@example.org")
    subprocess.run(["git", *who, *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A study that DVC has recorded and git has committed."""
    root = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_outputs()
        for name in ("LICENSE", "CITATION.cff"):
            shutil.copy(ROOT / name, name)
        yaml.dump({"stages": STAGES}, Path("dvc.yaml"))
        yaml.dump(tree_of(), Path("params.yaml"))
        git("init", "-q")
        for command in (("init", "-q"), ("commit", "-q", "-f")):
            subprocess.run(["dvc", *command], check=True)
        git("add", "-A")
        git("commit", "-qm", "study")
    return root


@pytest.fixture
def study(template, tmp_path, monkeypatch, surroundings):
    shutil.copytree(template, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path


def published(tree=None, mark=unmarked, out="../out", **options):
    publish(check_params(tree or tree_of()), Layout(), Path(out), mark, **options)
    return Path(out)


def rows_of(file):
    with open(file, encoding="utf-8", newline="") as stream:
        return {row["clip"]: row for row in csv.DictReader(stream)}


def test_every_generated_clip_is_marked_and_tables_and_checksums_are_those_of_the_published_files(study):
    out = published(mark=Marker(signing_key(None)).mark)
    for line in (out / "checksums.sha256").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    listed = {line.split("  ")[1] for line in (out / "checksums.sha256").read_text().splitlines()}
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert listed == there - {"checksums.sha256"}
    sources, sets = (
        {name: row for file in (out / folder).glob("*.csv") for name, row in rows_of(file).items()}
        for folder in (SOURCES, SETS)
    )
    assert (len(sources), len(sets)) == (4, 3)
    for row in (sources | sets).values():
        assert row["sha256"] == hashlib.sha256((out / row["path"]).read_bytes()).hexdigest()
        assert row["study_sha256"] == hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest()
        assert row["licence"] == "CC-BY-4.0"
        assert np.array_equal(read_frames(out / row["path"]), read_frames(Path(row["path"])))
    assert all(row["sha256"] == row["study_sha256"] for row in sources.values())
    for row, found in zip(sets.values(), verify_files([out / row["path"] for row in sets.values()], []), strict=True):
        assert not found.fault
        assert f"parentOf: {row['parent']}, sha256 {sources[row['parent']]['sha256']}" in found.says
    assert rows_of(out / "data/splits/Both.csv").keys() == {*sources, *sets} - {"DONOR-1-NO_Dario-1"} - {
        name for name in sets if name.startswith("AF1")
    }


def test_croissant_reads_the_tables_and_knows_what_they_were_made_of(study):
    import mlcroissant

    out = published()
    dataset = mlcroissant.Dataset(jsonld=out / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    [record] = dataset.records("DF-1")
    assert record["DF-1/clip"] == b"DF-1-INTERPRETER-NO_Carla-1-1"
    assert (out / record["DF-1/path"].decode()).is_file()
    tree = json.loads((out / "croissant.json").read_text())
    made_from = {one["@id"]: one.get("prov:wasDerivedFrom") for one in tree["recordSet"]}
    assert made_from["DF-1"] == [{"@id": "DONOR-1"}, {"@id": "INTERPRETER"}]
    assert made_from["SACU"] is None
    assert any(name.startswith("rai:") for name in tree)
    assert tree["license"] == "https://spdx.org/licenses/CC-BY-4.0"


def test_the_crate_has_a_run_a_stage_with_what_it_read_and_made(study):
    from rocrate.rocrate import ROCrate

    out = published()
    crate = ROCrate(out)
    runs = {run["name"]: run for run in crate.get_by_type("CreateAction")}
    lock = yaml.load(Path("dvc.lock"))["stages"]
    assert runs.keys() >= {f"dvc repro {name}" for name in lock}
    swap = runs["dvc repro swap@DF-1"]
    assert {entity.id for entity in swap["result"]} == {
        "#data/augmented/DF-1",
        f"{SETS}/DF-1.csv",
        "metrics/swap/DF-1.json",
    } - {"#data/augmented/DF-1"} | {"data/augmented/DF-1/"}
    recorded = {out["path"]: out["md5"] for out in lock["swap@DF-1"]["outs"]}
    assert {entity["name"]: entity["identifier"] for entity in swap["result"]} == {
        path: f"md5:{digest}" for path, digest in recorded.items()
    }
    assert not [entity.id for entity in crate.data_entities if not (out / entity.id).exists()]
    assert crate.mainEntity.id == "dvc.yaml"


def test_the_same_commit_gives_the_same_bytes_on_another_day(study):
    first, second = published(out="../first"), published(out="../second")
    names = {path.relative_to(first) for path in first.rglob("*") if path.is_file()}
    assert names == {path.relative_to(second) for path in second.rglob("*") if path.is_file()}
    assert [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []
    day = subprocess.run(["git", "log", "-1", "--format=%cs"], capture_output=True, text=True).stdout.strip()
    assert f"date-released: '{day}'" in (first / "CITATION.cff").read_text()
    assert str(Path.cwd()) not in "".join(
        path.read_text(errors="ignore") for path in first.rglob("*.*") if path.is_file()
    )


def everything_said(folder):
    return b"\n".join(str(path).encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_of_a_signer_who_does_not_share_goes_out(study):
    shares = {"train": "", "swap": "", "show": "", "until": "", "licence": "", "consent": ""}
    rows = [
        dict.fromkeys(CONSENT, "") | shares | {"source": "SACU", "signer": who, "share": may}
        for who, may in (("Ana", "no"), ("", ""))
    ]
    write_rows(Layout().consent("mine"), CONSENT, rows)
    whole = rows_of(Path(f"{SOURCES}/SACU.csv"))["SACU-NO_Ana-1"]
    out = published()
    said = everything_said(out)
    for word in ("Ana", whole["sha256"], whole["content"]):
        assert not re.search(rb"\b" + word.encode() + rb"\b", said), word
    assert rows_of(out / f"{SOURCES}/SACU.csv").keys() == {"SACU-NO_Benito-1"}
    assert (out / "data/landmarks/SACU/SACU-NO_Benito-1.npz").is_file()
    assert rows_of(out / f"{SETS}/AF1.csv").keys() == {"AF1-SACU-NO_Benito-1-1"}
    assert not (out / "metrics/evaluate").exists()  # figures on her clip too
    assert (out / "models/i3d/Both/SACU/seed-1.safetensors").is_file()  # which was not trained on her
    assert "data/manifests/sources/SACU.csv`: 1 of 2 clips" in (out / "README.md").read_text()


def test_a_donor_who_does_not_share_takes_the_swapped_clips_and_what_learned_from_them_along(study):
    out = published(tree_of(**{"DONOR-1": {"share": False, "consent": "by letter from Dario"}}))
    said = everything_said(out)
    assert b"Dario" not in said
    assert b"DF-1-INTERPRETER" not in said
    assert not (out / "models").exists()
    assert not (out / "data/augmented/DF-1").exists()
    assert (out / "data/augmented/AF1").is_dir()


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ({"SACU": {"until": "2020-01-31"}}, "source SACU: consent ended on 2020-01-31"),
        ({"INTERPRETER": {"licence": ""}}, r"corpus\.sources\.INTERPRETER\.licence is empty"),
        ({name: {"share": False} for name in KINDS}, "no clip that may be published"),
    ],
)
def test_what_may_not_be_published_is_refused_by_name_and_leaves_nothing(study, sources, why):
    with pytest.raises(CalseError, match=why):
        published(tree_of(**sources))
    assert os.listdir(study) == ["study"]


def test_a_folder_that_is_there_or_a_clip_that_has_changed_is_refused(study):
    (study / "out").mkdir()
    with pytest.raises(CalseError, match=r"\.\./out exists"):
        published()
    (study / "out").rmdir()
    shutil.move("models/i3d/Both", study / "aside")
    with pytest.raises(CalseError, match="models/i3d/Both is not here; `dvc pull`"):
        published()
    shutil.move(study / "aside", "models/i3d/Both")
    with open("data/clips/SACU/SACU-NO_Ana-1.mp4", "ab") as file:
        file.write(b"more")
    with pytest.raises(CalseError, match="data/clips/SACU is not what dvc.lock lists"):
        published()
    assert os.listdir(study) == ["study"]


def test_a_failure_half_way_leaves_no_half_of_a_folder(study):
    def full(plain, target, origin):
        raise CalseError("the disk is full")

    with pytest.raises(CalseError, match="disk is full"):
        published(mark=full)
    assert os.listdir(study) == ["study"]


def test_clips_of_drawn_signers_are_marked_too_and_the_label_is_in_the_picture(study):
    out = published(tree_of("synthetic", SACU={"licence": ""}), Marker(signing_key(None)).mark, label=True)
    clip = "data/clips/SACU/SACU-NO_Ana-1.mp4"
    [found] = verify_files([out / clip], [])
    assert "c2pa.created (algorithmicMedia) synthetic signer, drawn by code" in found.says
    changed = np.abs(read_frames(out / clip).astype(int) - read_frames(Path(clip))).max(axis=(0, 3)) > 60
    assert changed[-12:].any()
    assert not changed[:-24].any()
    assert rows_of(out / f"{SOURCES}/SACU.csv")["SACU-NO_Ana-1"]["licence"] == "Apache-2.0"


def test_the_citation_is_valid_as_are_those_of_the_repository(study):
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not uv or subprocess.run([uv, "tool", "run", "-q", "cffconvert", "--version"], capture_output=True).returncode:
        pytest.skip("cffconvert is a tool of uv's, which is not to be had here")
    for file in (published() / "CITATION.cff", ROOT / "CITATION.cff"):
        command = [uv, "tool", "run", "-q", "cffconvert", "--validate", "-i", str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
