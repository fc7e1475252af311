"""A preset for anybody's videos is filled in with what lies in the raw data, and with what was said of it."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.config.params import read_params
from calse.corpus.preset import preset_text
from calse.corpus.raw import RawVideo, write_index
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

ROOT = Path(__file__).parents[2]
PRESET = ROOT / "presets/landmarks-only.yaml"


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A folder with the raw videos' indices of the corpus that the embedded preset declares."""
    monkeypatch.chdir(tmp_path)
    layout = Layout()
    for source in read_params(ROOT / "presets/synthetic.yaml").corpus.sources:
        (layout.raw("synthetic") / source).mkdir(parents=True)
        write_index(layout.raw("synthetic") / source, [RawVideo("a.mp4", "CASA", "ANA", 1, "0" * 64)])
    write_rows(layout.glossary("synthetic"), ["gloss"], [{"gloss": "CASA"}, {"gloss": "SOL"}])
    return layout


def test_the_embedded_corpus_keeps_what_is_said_of_it_and_its_donors_are_left_out(raw):
    shutil.copy(ROOT / "presets/synthetic.yaml", "params.yaml")
    declared = read_params().corpus.sources
    Path("filled.yaml").write_text(preset_text(PRESET, raw, "synthetic"))
    params = read_params(Path("filled.yaml"))
    filmed = {name: one for name, one in declared.items() if one.kind != "donor"}
    assert params.corpus.sources == filmed
    assert list(params.landmarks.sources) == sorted(filmed)
    assert list(params.test_sources) == ["DILSE", "SACU", "STS"]
    assert list(params.synthesise) == ["synthetic"]
    assert "*" not in Path("filled.yaml").read_text()


@pytest.mark.parametrize("standing", [None, "corpus: [", "corpus: {name: synthetic, sources: [A]}", "- 1"])
def test_of_a_corpus_of_which_nothing_is_said_every_source_is_a_public_one(raw, standing):
    if standing is not None:
        Path("params.yaml").write_text(standing)
    tree = YAML(typ="safe").load(preset_text(PRESET, raw, "synthetic"))
    assert set(map(str, tree["corpus"]["sources"].values())) == {"{'kind': 'public', 'clips_per_gloss': None}"}
    assert len(tree["corpus"]["sources"]) == 7


def test_without_an_import_the_corpora_that_are_there_are_named(raw):
    with pytest.raises(CalseError, match=r"name it with --corpus; in data/raw are: synthetic$"):
        preset_text(PRESET, raw, None)
