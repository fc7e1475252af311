"""The encoder of signing: its shipped file is what its code makes, equal every time, and it tells signs apart."""

import json
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calse.config.params import Params, Pretrain, as_dict, read_params
from calse.data.paths import Layout
from calse.recognition.architectures.landmarks.encoder import Encoder, load_encoder
from calse.recognition.architectures.landmarks.encoder_input import NUMBERS, Variation, frame_numbers, varied
from calse.recognition.architectures.landmarks.pretrain import (
    TEMPERATURE,
    contrastive_loss,
    pretrain,
    random_signings,
    right,
)
from calse.recognition.architectures.landmarks.signing import Signing
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.fingerprint import code_of_stage, meaning_of

ROOT = Path(__file__).parents[2]
PRESET = read_params(ROOT / "presets/synthetic.yaml")
SHIPPED = Layout(ROOT).encoder()


@pytest.fixture(scope="module")
def signings() -> Signing:
    return random_signings(24, 2, 5)


def tiny(**changes: int) -> Params:
    return replace(PRESET, pretrain=replace(Pretrain(signs=3, takes=2, steps=3, seed=1), **changes))


def test_the_shipped_encoder_comes_of_this_code_and_the_default_settings() -> None:
    info = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert info["sha256"] == sha256_of(SHIPPED)
    assert info["settings"] == as_dict(PRESET.pretrain), "calse pretrain makes it anew"
    assert info["code"] == meaning_of(code_of_stage("pretrain")), "calse pretrain makes it anew"
    assert sum(file.stat().st_size for file in SHIPPED.parent.iterdir()) < 2e6


def test_the_shipped_encoder_knows_signs_that_it_never_met(signings: Signing) -> None:
    torch.manual_seed(1)
    assert right(load_encoder(SHIPPED), signings) > right(Encoder(), signings) + 0.2


def test_training_again_makes_equal_bytes_and_what_is_there_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{pretrain.__module__}.HELD_OUT", 4)
    layout = Layout(tmp_path)
    pretrain(tiny(), layout, again=False)
    first = layout.encoder().read_bytes(), layout.encoder().with_suffix(".json").read_bytes()
    assert "new bytes" in capsys.readouterr().out
    pretrain(tiny(), layout, again=False)
    assert "kept" in capsys.readouterr().out
    pretrain(tiny(), layout, again=True)
    assert "the same bytes" in capsys.readouterr().out
    assert (layout.encoder().read_bytes(), layout.encoder().with_suffix(".json").read_bytes()) == first
    pretrain(tiny(seed=2), layout, again=False)
    assert "new bytes" in capsys.readouterr().out
    layout.encoder().write_bytes(b"damaged")
    with pytest.raises(CalseError, match=r"encoder\.safetensors holds no encoder"):
        load_encoder(layout.encoder())
    pretrain(tiny(), layout, again=False)
    assert layout.encoder().read_bytes() == first[0]


def test_an_embedding_does_not_depend_on_its_neighbours(signings: Signing) -> None:
    encoder = load_encoder(SHIPPED)
    together = encoder.embed(signings.take(slice(0, 3)))
    assert together.shape == (3, 128)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(encoder.embed(signings.take([2]))[0], together[2])


def test_contrastive_loss_is_the_published_sum() -> None:
    torch.manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(6, 4), dim=1)
    labels = [0, 0, 1, 1, 2, 2]
    total = 0.0
    for i in range(6):
        others = [a for a in range(6) if a != i]
        below = sum(math.exp(float(vectors[i] @ vectors[a]) / TEMPERATURE) for a in others)
        same = [p for p in others if labels[p] == labels[i]]
        total -= sum(float(vectors[i] @ vectors[p]) / TEMPERATURE - math.log(below) for p in same) / len(same)
    assert float(contrastive_loss(vectors, torch.tensor(labels))) == pytest.approx(total / 6, rel=1e-5)


def test_no_variation_changes_nothing_and_every_part_of_it_something(signings: Signing) -> None:
    few = signings.take(slice(0, 8))
    none = Variation() * 0
    same = varied(few, none, np.random.default_rng(1))
    for field in fields(Signing):
        np.testing.assert_allclose(getattr(same, field.name), getattr(few, field.name), atol=1e-5)
    for part in fields(Variation):
        if part.name != "lost_for":
            kept = (
                {"lost": 1.0, "lost_for": 1.0} if part.name == "lost" else {part.name: getattr(Variation(), part.name)}
            )
            changed = varied(few, replace(none, **kept), np.random.default_rng(1))
            assert np.abs(frame_numbers(changed) - frame_numbers(few)).max() > 1e-3, part.name


def test_a_hand_that_is_not_found_is_marked_by_its_mask_alone(signings: Signing) -> None:
    few = signings.take(slice(0, 4))
    hidden = replace(few, mask=few.mask * np.float32([0, 1]))
    turned = replace(hidden, world=hidden.world * np.float32([1, -1, 1]))
    assert frame_numbers(few).shape == (4, 32, NUMBERS)
    leading = slice(0, 106)  # the shape, offsets and orientation of slot 0
    assert (frame_numbers(hidden)[..., leading] == 0).all()
    assert (frame_numbers(turned)[..., leading] == 0).all()
