"""From any file back to the raw videos."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.data.clips import compact_json
from calse.data.manifests import read_manifest, write_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.tracking.lineage import lineage
from calse.tracking.lineage_view import print_lineage, to_json
from studies import md5, stage
from toys import make_repository

GRAPH = """
stages:
  ingest:
    matrix: {source: "${sources}"}
    cmd: ingest
    params: [ingest]
    deps: ["data/raw/toy/${item.source}"]
    outs: ["data/clips/${item.source}", "data/manifests/sources/${item.source}.csv"]
  augment:
    matrix: {set: "${sets}"}
    cmd: augment
    params: ["augment.${item.set}"]
    deps: [data/manifests/sources]
    outs: ["data/augmented/${item.set}", "data/manifests/sets/${item.set}.csv"]
  split:
    matrix: {recipe: "${recipes}"}
    cmd: split
    deps: [data/manifests]
    outs: ["data/splits/${item.recipe}.csv"]
  train:
    matrix: {recipe: "${recipes}"}
    cmd: train
    params: [train]
    deps: ["data/splits/${item.recipe}.csv"]
    outs: ["models/i3d/${item.recipe}"]
"""
PARAMS = {
    "sources": ["SACU", "STS", "INTERPRETER"],
    "sets": ["AF1", "AF9"],
    "recipes": ["Baseline"],
    "ingest": {"fps": 25},
    "augment": {"AF1": {}, "AF9": {}},
    "train": {},
}
CHECKPOINT = "models/i3d/Baseline/SACU/seed-1.safetensors"
MADE = "data/augmented/AF1/one.mp4"


@pytest.fixture
def layout(tmp_path, monkeypatch):
    """A split of filmed clips and one affine copy, with the dvc.lock of the stages that made it."""
    monkeypatch.chdir(tmp_path)
    make_repository(tmp_path, takes=1)
    layout = Layout()
    clips = [replace(clip, path=clip.path) for clip in read_manifest(layout.split("Baseline"))]
    for source in PARAMS["sources"]:
        filmed = [clip for clip in clips if clip.source == source]
        raw = {clip.clip: compact_json({"raw": f"{clip.clip}.avi", "raw_sha256": "a" * 64}) for clip in filmed}
        write_manifest(layout.source_manifest(source), [replace(clip, made=raw[clip.clip]) for clip in filmed])
    parent = next(clip for clip in clips if clip.source == "INTERPRETER")
    for path in (MADE, CHECKPOINT, "data/augmented/AF9/none.mp4"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text("...")
    Path(CHECKPOINT).with_suffix(".json").write_text(json.dumps({"test_source": "SACU", "seed": 1}))
    copy = replace(parent, clip="AF1-one", set="AF1", parent=parent.clip, path=MADE, made='{"by":"affine"}')
    write_manifest(layout.set_manifest("AF1"), [copy])
    write_manifest(layout.set_manifest("AF9"), [])
    write_graph()
    return layout


def write_graph():
    manifests, sets = "data/manifests/sources", "data/manifests/sets"
    stages = {
        f"ingest@{source}": stage(
            {"ingest": {"fps": 25}}, [], [f"data/clips/{source}", f"data/manifests/sources/{source}.csv"]
        )
        for source in PARAMS["sources"]
    }
    for name in PARAMS["sets"]:
        outs = [f"data/augmented/{name}", f"{sets}/{name}.csv"]
        stages[f"augment@{name}"] = stage({f"augment.{name}": {"rotation": 12}}, [manifests], outs)
    split = "data/splits/Baseline.csv"
    stages["split@Baseline"] = stage({}, ["data/manifests"], [split])
    stages["train@Baseline"] = stage({"train": {"epochs": 2}}, [split], ["models/i3d/Baseline"])
    stages["ingest@SACU"]["deps"] = [{"path": "data/raw/toy/SACU", "md5": "b" * 32 + ".dir"}]
    yaml = YAML(typ="safe", pure=True)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\n    no_scm = true\n")
    Path("dvc.yaml").write_text(GRAPH)
    for path, tree in (("dvc.lock", {"schema": "2.0", "stages": stages}), ("params.yaml", PARAMS)):
        with open(path, "w") as file:
            yaml.dump(tree, file)


def nodes(node):
    yield node
    for dep in node.made_from:
        yield from nodes(dep)


def test_a_checkpoint_leads_back_to_its_clips_and_their_raw_files(layout):
    found = lineage(layout, CHECKPOINT)
    assert found["file"]["sha256"] == sha256_of(Path(CHECKPOINT))
    assert found["file"]["checkpoint"]["test_source"] == "SACU"
    by_path = {node.path: node for node in nodes(found["node"])}
    assert by_path["models/i3d/Baseline"].params == {"train.epochs": 2}
    split = by_path["data/splits/Baseline.csv"]
    assert split.md5 == md5(Path("data/splits/Baseline.csv"))
    assert {clip["source"] for clip in split.clips} == {"STS", "INTERPRETER"}, "the test clips did not train"
    assert "data/manifests/sets/AF9.csv" not in by_path
    assert "data/manifests/sources/SACU.csv" not in by_path
    sources = by_path["data/manifests/sources/STS.csv"].clips
    assert {clip["made"]["raw_sha256"] for clip in sources} == {"a" * 64}


def test_raw_data_is_known_by_the_hash_that_its_reader_recorded(layout):
    by_path = {node.path: node for node in nodes(lineage(layout, "data/clips/SACU")["node"])}
    assert by_path["data/raw/toy/SACU"].md5 == "b" * 32 + ".dir"


def test_a_generated_clip_leads_to_its_parent_and_the_parents_raw_file(layout, capsys):
    print_lineage(lineage(layout, MADE))
    told = " ".join(capsys.readouterr().out.replace("│", "").split())
    assert "clip AF1-one from INTERPRETER-ANO-5079-1 by=affine" in told
    assert "clip INTERPRETER-ANO-5079-1 from INTERPRETER-ANO-5079-1.avi, sha256 aaaaaaaaaaaa" in told


def test_a_file_that_is_no_longer_the_recorded_one_is_named(layout):
    Path("data/splits/Baseline.csv").write_text(Path("data/splits/Baseline.csv").read_text() + "\n")
    by_path = {node.path: node for node in nodes(lineage(layout, CHECKPOINT)["node"])}
    assert by_path["data/splits/Baseline.csv"].note == "changed since DVC recorded it"


def test_json_holds_everything_and_a_strange_path_is_refused(layout):
    found = json.loads(to_json(lineage(layout, "data/augmented/AF1")))
    assert found["node"]["stage"] == "augment@AF1"
    assert found["node"]["clips"][0]["parent"] == "INTERPRETER-ANO-5079-1"
    with pytest.raises(CalseError, match="no stage of dvc.yaml has made it"):
        lineage(layout, "somewhere/else")


def test_what_dvc_cannot_read_is_named_in_one_line(layout):
    Path("params.yaml").write_text("{sources: [SACU], sets: [], recipies: []}")
    with pytest.raises(CalseError, match=r"^failed to parse 'stages.split.matrix' in 'dvc.yaml': .*recipes.*$"):
        lineage(layout, CHECKPOINT)
    Path("params.yaml").write_text("{sources: [SACU], sets: [], recipes: []}")
    Path("dvc.lock").write_text("stages: {ingest: [")
    with pytest.raises(CalseError, match=r"^unable to read: 'dvc.lock'.*$"):
        lineage(layout, CHECKPOINT)


def test_a_damaged_checkpoint_is_named(layout):
    Path(CHECKPOINT).with_suffix(".json").write_text('{"test_source": ')
    with pytest.raises(CalseError, match=r"seed-1\.json is damaged.*dvc checkout"):
        lineage(layout, CHECKPOINT)
