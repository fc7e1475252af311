"""Kinds of augmentation set that somebody else wrote, each a file beside the project's own."""

import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from calse import augment
from calse.augment.registry import kinds
from calse.augment.stage import Copy, make_copy
from calse.config.params import check_params
from calse.data.clips import Clip
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames

OPTIONS = """
from pydantic.dataclasses import dataclass
from calse.augment.registry import AugmentationSet
from calse.config.sections import STRICT, Share

@dataclass(frozen=True, config=STRICT)
class Options(AugmentationSet):
    light: Share

"""
MAKE = """
def make(frames, options, rng):
    from calse.video.ours.planes import rgb_of

    for number, picture in enumerate(frames):
        if number % 2:
            yield (rgb_of(picture)[:32] * options.light).astype("uint8")

def facts(parent, options, rng):
    return {"drawn": int(rng.integers(1000)), "of": parent.frames}
"""
COMMON = {"of": "interpreter", "clips_per_gloss": None, "copies": 1, "seed": 3}


@pytest.fixture
def kind_file(tmp_path, monkeypatch):
    """Put a kind's code where kinds are looked for."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    monkeypatch.setattr(augment, "__path__", [*augment.__path__, str(tmp_path)])
    return write


def params_with(**sets):
    tree = YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml").read_text())
    tree["augment"] |= sets
    return check_params(tree)


def test_a_file_is_a_kind_that_works_on_rgb_and_may_change_length_and_size(kind_file, tmp_path):
    kind_file("dimmed_half", OPTIONS + MAKE)
    assert kinds() == ["affine", "dimmed_half"]
    params = params_with(Dim={"kind": "dimmed_half", "light": 0.5} | COMMON)
    frames = np.full((6, 48, 64, 3), 200, np.uint8)
    write_video(tmp_path / "clip.mp4", frames, 25)
    parent = Clip(
        "clip", "NO", "I", "a", 1, "", "", "clip.mp4", sha256_of(tmp_path / "clip.mp4"), "x", 64, 48, 25, 6, "{}"
    )
    folder = tmp_path / "made"
    folder.mkdir()
    copy = Copy(parent, "Dim", params.augment["Dim"], 1, folder, Layout(tmp_path))
    made = make_copy(copy)
    assert (made.width, made.height, made.frames) == (64, 32, 3)
    pictures = read_frames(folder / "Dim-clip-1.mp4")
    assert pictures.shape == (3, 32, 64, 3)
    assert np.abs(pictures.astype(int) - 100).max() <= 3
    assert (made.parent, made.set, made.path) == ("clip", "Dim", "data/augmented/Dim/Dim-clip-1.mp4")
    details = made.details
    assert (details["by"], details["of"]) == ("dimmed_half", 6)
    assert details["drawn"] == int(np.random.default_rng(details["seed"]).integers(1000))
    assert make_copy(replace(copy, number=2)).details["drawn"] != details["drawn"]


def test_the_parameters_of_another_kind_are_held_against_its_own(kind_file):
    kind_file("shaded", OPTIONS + MAKE)
    with pytest.raises(CalseError, match=r"augment\.S\.light: input should be less than or equal to 1, not 2"):
        params_with(S={"kind": "shaded", "light": 2} | COMMON)
    with pytest.raises(CalseError, match=r"augment\.S\.rotation: no such parameter"):
        params_with(S={"kind": "shaded", "light": 1, "rotation": 3} | COMMON)
    with pytest.raises(CalseError, match=r"augment\.S\.kind: there is no kind 'shade'; those are: affine, shaded"):
        params_with(S={"kind": "shade", "light": 1} | COMMON)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("without_make", OPTIONS, "`make` is missing"),
        ("half_written", "def make(", "'\\(' was never closed"),
        ("of_no_value", "raise ValueError", "ValueError"),
    ],
)
def test_a_file_that_is_no_kind_is_named(name, text, reason, kind_file):
    kind_file(name, text)
    with pytest.raises(CalseError, match=rf"^.*{name}\.py: {reason}"):
        params_with(S={"kind": name, "light": 1} | COMMON)
