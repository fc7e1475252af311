"""What a preset takes is told before it starts; the study's own size has the study's own numbers of clips."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.config.params import Params, check_params, read_params
from calse.data.clips import Clip, choose, clip_id
from calse.data.manifests import write_manifest
from calse.data.paths import Layout
from calse.data.splits import read_split, split
from calse.doctor.estimate import bytes_of, check_space, seconds_of, training_clips
from calse.runtime.errors import CalseError
from signers.glosses import glosses

PRESETS = Path(__file__).parents[2] / "presets"
PUBLISHED = {"Baseline": 500, "DF1": 700, "AF1": 700, "AF2": 700, "DF2": 1100, "DF1-AF1": 900, "DF1-AF2": 900}


def preset(name: str) -> Params:
    return read_params(PRESETS / f"{name}.yaml")


def write_manifests(params: Params, layout: Layout) -> None:
    """The manifests that ingest, augment and swap would write, without a video."""
    filmed: list[Clip] = []
    for source in params.filmed:
        takes = range(1, (params.corpus.sources[source].clips_per_gloss or 1) + 1)
        clips = [filmed_clip(source, gloss.name, take) for gloss in glosses(params.corpus.glosses) for take in takes]
        write_manifest(layout.source_manifest(source), clips)
        filmed += clips
    for name, settings in params.sets.items():
        sources = params.sources_of(settings.of) if hasattr(settings, "of") else [settings.signers]
        chosen = choose([clip for clip in filmed if clip.source in sources], settings.clips_per_gloss, settings.seed)
        write_manifest(layout.set_manifest(name), [generated_clip(clip, name) for clip in chosen])
    for donor in params.sources_of("donor"):
        write_manifest(layout.source_manifest(donor), [filmed_clip(donor, "SPEECH", 1)])


def filmed_clip(source: str, gloss: str, take: int) -> Clip:
    name = clip_id(source, gloss, take)
    digest = name.encode().hex()[-64:].zfill(64)
    return Clip(name, gloss, source, source, take, "", "", f"data/clips/{name}.mp4", digest, "", 256, 256, 25, 40, "{}")


def generated_clip(parent: Clip, name: str) -> Clip:
    digest = f"{name}-{parent.clip}".encode().hex()[-64:].zfill(64)
    return replace(parent, clip=f"{name}-{parent.clip}", set=name, parent=parent.clip, sha256=digest)


def test_the_synthetic_study_has_the_published_numbers_of_clips(tmp_path: Path) -> None:
    params, layout = preset("synthetic-100"), Layout(tmp_path)
    write_manifests(params, layout)
    for recipe, clips in PUBLISHED.items():
        split(params, layout, recipe)
        made = read_split(layout.split(recipe))
        for source in params.test_sources:
            assert len(made.train(source)) == clips == training_clips(params, params.recipes[recipe].sets, source)
            assert len(made.test(source)) == 100
    swapped = [params.swap[name].clips_per_gloss for name in params.swap]
    assert [params.corpus.glosses * count for count in swapped if count] == [200] * 3


def test_the_demo_is_estimated_to_take_what_it_was_measured_to_take() -> None:
    seconds = seconds_of(preset("synthetic"))
    assert 10 * 60 < sum(seconds.values()) < 20 * 60  # 14 minutes there
    measured = 297 / (12 * 840)  # a clip, where recipes of 840 clips in all were trained for 12 epochs
    assert seconds["train"] == pytest.approx(measured * 22 * 8 * 70, rel=0.15)  # 8 recipes take the steps of 70 clips
    assert seconds["landmarks"] > 0


def test_one_night_is_enough_for_the_synthetic_study_and_not_for_the_published_one() -> None:
    assert sum(seconds_of(preset("synthetic-100")).values()) < 8 * 3600 < sum(seconds_of(preset("calse-100")).values())


def test_a_preset_larger_than_the_disk_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    tree = YAML(typ="safe", pure=True).load((PRESETS / "synthetic.yaml").read_text(encoding="utf-8"))
    check_space(check_params(copy.deepcopy(tree)), "synthetic", Path())
    shown = capsys.readouterr().out
    assert re.search(r"synthetic takes about 1\d minutes on two cores .*, and 0\.\d GB of disk", shown)
    tree["corpus"]["glosses"] = tree["synthesise"]["synthetic"]["glosses"] = 10**8
    huge = check_params(tree)
    assert bytes_of(huge) > 1e14
    with pytest.raises(
        CalseError, match=r"huge needs about .* GB, and .* GB free; free some, or lower corpus\.glosses$"
    ):
        check_space(huge, "huge", Path())


def test_the_smallest_study_takes_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    check_space(read_params(Path("presets/smallest.yaml")), "smallest", Path())
    assert capsys.readouterr().out.startswith("smallest takes about a minute on two cores")
