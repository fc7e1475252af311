"""Foreign checkpoints are taken as they are found; our own explain themselves; nothing in a file is run."""

import json
import os
import pathlib
import sys
from argparse import Namespace
from pathlib import Path, PosixPath

import numpy as np
import pytest
import torch

from calse.config.params import as_dict
from calse.recognition.architectures.i3d.network import I3D
from calse.recognition.checkpoint import load_checkpoint, read_info, save_checkpoint
from calse.recognition.pretrained import load_pretrained
from calse.runtime.errors import CalseError
from toys import toy_settings

WIDTH = 0.0625


def small(classes: int = 3, **options: float) -> I3D:
    return I3D(classes, width=WIDTH, **options)


def foreign_state(classes: int = 400) -> dict[str, torch.Tensor]:
    """The state of a network whose statistics have moved, as a training leaves them."""
    state = small(classes).state_dict()
    generator = torch.Generator().manual_seed(7)
    for tensor in state.values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
        else:
            tensor.fill_(5000)
    return {name: tensor.clone() for name, tensor in state.items()}


def without_counters(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


def as_arrays(state: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """As numpy arrays: one of the other byte order, one in columns, and text beside them."""
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    other = "Conv3d_1a_7x7.bn.weight"
    arrays[other] = arrays[other].astype(">f4")
    columns = "Conv3d_2b_1x1.conv3d.weight"
    return arrays | {columns: np.asfortranarray(arrays[columns]), "labels": np.array(["SUR"])}


def prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def optimiser_state() -> dict:
    model = small()
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.rand(1, 3, 9, 32, 32)).sum().backward()
    optimiser.step()
    return optimiser.state_dict()


FORMS = {
    "344 keys": lambda state: state,
    "287 keys": without_counters,
    "DataParallel": lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
    "state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "model, DataParallel": lambda state: {"model": {f"module.{name}": tensor for name, tensor in state.items()}},
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "Lightning": lambda state: {"epoch": 3, "state_dict": prefixed("model.", state), "optimizer_states": [{}]},
    "net": lambda state: {"net": prefixed("module._orig_mod.", state)},
    "any key": lambda state: {"models": {"student": prefixed("backbone.net.", state)}, "epoch": 1},
    "optimiser": lambda state: {"optimizer_state_dict": optimiser_state(), "model_state": state},
    "numpy scalars": lambda state: {"best": np.float64(0.61), "n": np.int64(3), "ok": np.bool_(1), "state_dict": state},
    "options": lambda state: {"args": Namespace(lr=0.1, out=Path("runs"), seed=np.int64(1)), "state_dict": state},
    "numpy arrays": lambda state: {"accuracy": np.array(["a", None], object)} | prefixed("net.", as_arrays(state)),
    "half precision": lambda state: {name: t.half() if t.is_floating_point() else t for name, t in state.items()},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_form_of_a_checkpoint_loads(form: str, zipped: bool, tmp_path: Path):
    state, path, model = foreign_state(), tmp_path / "i3d.pt", small()
    torch.save(FORMS[form](state), path, _use_new_zipfile_serialization=zipped)
    head = model.logits.conv3d.weight.clone()
    report = load_pretrained(model, path)
    assert len(report.matched) == 285
    assert report.dropped == report.missing[::-1] == ["logits.conv3d.bias", "logits.conv3d.weight"]
    assert torch.equal(model.logits.conv3d.weight, head), "a head of other classes is left alone"
    for name, tensor in model.state_dict().items():
        if name in report.matched:
            torch.testing.assert_close(tensor, state[name], atol=1e-3, rtol=1e-3)
        elif "num_batches" in name:
            assert tensor == 0
    assert "285 entries match; 2 dropped (logits.conv3d.bias" in str(report)


@pytest.mark.parametrize("module", ["pathlib", "pathlib._local"])  # the latter in Python 3.13 alone
def test_paths_load_whichever_python_wrote_them(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as as_there:
        as_there.setitem(sys.modules, module, pathlib)
        as_there.setattr(PosixPath, "__module__", module)
        torch.save({"out": PosixPath("runs"), "state_dict": foreign_state(classes=3)}, tmp_path / "wlasl.pt")
    assert len(load_pretrained(small(), tmp_path / "wlasl.pt").matched) == 287


def test_a_head_of_as_many_classes_is_kept(tmp_path: Path):
    state, model = foreign_state(classes=3), small()
    torch.save(state, tmp_path / "wlasl.pt")
    report = load_pretrained(model, tmp_path / "wlasl.pt")
    assert (len(report.matched), report.dropped, report.missing) == (287, [], [])
    assert torch.equal(model.logits.conv3d.weight, state["logits.conv3d.weight"])


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.target),)


class AttackInNumpysName(Attack):
    """What numpy's own functions would be called with, were they called: they load objects that run code."""

    def __reduce__(self) -> tuple:
        return np.array([0]).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("O"), False, [self.inner()])

    def inner(self) -> Attack:
        return Attack(self.target)


@pytest.mark.parametrize("attack", [Attack, AttackInNumpysName])
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_is_refused_and_never_run(attack: type[Attack], zipped: bool, tmp_path: Path):
    target, path = tmp_path / "attacked", tmp_path / "evil.pt"
    content = {"state_dict": foreign_state(), "extra": attack(target)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CalseError, match=r"evil\.pt asks to run code or is damaged \(posix\.mkdir\)"):
        load_pretrained(small(), path)
    assert not target.exists()


def test_a_pickled_network_is_refused_with_what_to_do(tmp_path: Path):
    torch.save(small(), tmp_path / "whole.pt")
    with pytest.raises(
        CalseError, match=r"whole\.pt .*\(calse\.recognition\.architectures\.i3d\.network\.I3D\); .* state_dict\(\)"
    ):
        load_pretrained(small(), tmp_path / "whole.pt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_garbage_is_refused_by_name(content: bytes, tmp_path: Path):
    path = tmp_path / "garbage.pt"
    path.write_bytes(content)
    with pytest.raises(CalseError, match=r"garbage\.pt") as caught:
        load_pretrained(small(), path)
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "cut.pt"
    torch.save(foreign_state(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CalseError, match=r"cut\.pt"):
        load_pretrained(small(), path)


@pytest.mark.parametrize("content", [{"fc.weight": torch.ones(3)}, {}, [1, 2], torch.ones(2)])
def test_another_network_is_refused(content: object, tmp_path: Path):
    torch.save(content, tmp_path / "resnet.pt")
    with pytest.raises(CalseError, match=r"resnet\.pt holds no layer of this network"):
        load_pretrained(small(), tmp_path / "resnet.pt")


def test_another_width_or_channel_count_is_refused(tmp_path: Path):
    torch.save(I3D(3, width=0.125).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(CalseError, match=r"wide\.pt"):
        load_pretrained(small(), tmp_path / "wide.pt")
    state = small().state_dict()
    state["Conv3d_1a_7x7.conv3d.weight"] = state["Conv3d_1a_7x7.conv3d.weight"][:, :2]  # as of optical flow
    torch.save(state, tmp_path / "flow.pt")
    with pytest.raises(CalseError, match=r"flow\.pt: Conv3d_1a_7x7\.conv3d\.weight has the shape \(4, 2, 7, 7, 7\)"):
        load_pretrained(small(), tmp_path / "flow.pt")


INFO = {
    "recogniser": "i3d",
    "params": {name: value for name, value in as_dict(toy_settings(width=WIDTH)).items() if name != "seeds"},
    "classes": ["AÑO", "NO", "SUR"],
    "clip": {"fps": 25.0, "short_side": 48},
    "fingerprint": "f",
    "split_sha256": "5",
}


def test_our_checkpoint_comes_back_whole_with_equal_bytes(tmp_path: Path):
    model = small()
    model.load_state_dict(foreign_state(3))
    model = model.to(memory_format=torch.channels_last_3d)
    paths = [tmp_path / name / "seed-1.safetensors" for name in ("a", "b")]
    for path in paths:
        save_checkpoint(path, model, INFO)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert "AÑO" in paths[0].with_suffix(".json").read_text(encoding="utf-8")
    loaded, info = load_checkpoint(paths[0])
    assert info == INFO
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    report = load_pretrained(small(), paths[0])
    assert len(report.matched) == 287, "our own checkpoint is a start for another training too"


def test_a_checkpoint_without_its_json_or_of_another_network_is_refused(tmp_path: Path):
    path = tmp_path / "seed-1.safetensors"
    with pytest.raises(CalseError, match=r"seed-1\.json is missing"):
        load_checkpoint(path)
    save_checkpoint(path, small(), INFO)
    path.with_suffix(".json").write_text(json.dumps(INFO | {"classes": ["NO"]}))
    with pytest.raises(CalseError, match=r"seed-1\.safetensors does not hold the network"):
        load_checkpoint(path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(CalseError, match=r"seed-1\.json does not describe a checkpoint"):
        load_checkpoint(path)


def test_a_file_that_is_no_checkpoint_is_called_so(tmp_path):
    (tmp_path / "README.md").write_text("# A page\n")
    with pytest.raises(CalseError, match=r"README\.md is neither a checkpoint nor an index"):
        read_info(tmp_path / "README.md")
    with pytest.raises(CalseError, match=r"none\.json is missing"):
        read_info(tmp_path / "none.safetensors")
