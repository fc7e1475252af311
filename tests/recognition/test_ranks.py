"""One training on several processes: CALSE_RANKS changes no byte, and none of them outlives another's death."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import nn

from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.launch.ranks import ranks_of
from calse.recognition.launch.train import slots
from calse.recognition.launch.workers import run_side_by_side
from calse.recognition.training.jobs import Job, jobs_of
from calse.recognition.training.parts import Parts
from calse.runtime.errors import CalseError
from toys import make_repository, toy_params, toy_settings

EPOCHS = 4
MICRO = {"epochs": EPOCHS, "batch": 4, "micro_batch": 1, "dropout": 0.3, "clip_norm": 1.0}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    make_repository(root)
    return root


@pytest.fixture(autouse=True)
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DVC_ROOT", str(repository))


def job(folder: str, **options: object) -> Job:
    params, split, place = toy_params(**MICRO | options), read_split(Layout().split("Baseline")), Path(folder)
    return jobs_of(params, Layout(), split, "i3d", "Baseline", place, place)[0]


def trained(
    folder: str, ranks: int, monkeypatch: pytest.MonkeyPatch, tell: Callable[..., None] = lambda *_: None
) -> list[bytes]:
    """Train the first run of the toy on so many processes; return its results."""
    monkeypatch.setenv("CALSE_RANKS", str(ranks))
    one = job(folder)
    run_side_by_side([one], 1, tell)
    return [path.read_bytes() for path in (one.checkpoint, one.checkpoint.with_suffix(".json"), one.curve)]


@pytest.mark.skipif("0 < torch.cuda.device_count() < 3", reason="each process needs an accelerator of its own")
def test_a_training_that_was_killed_on_three_processes_goes_on_with_two_to_the_bytes_of_one(monkeypatch):
    """Three share four parts of a batch, and the last has a single part: the others have none of it."""
    killed = []

    def kill_a_rank(kind: str, *details: object) -> None:
        if kind == "epoch" and not killed:
            killed.append(last_started())
            os.kill(killed[0], signal.SIGKILL)

    with pytest.raises(CalseError, match=r"^i3d/Baseline/SACU/seed-1: one of its 3 processes died with code -9"):
        trained("killed", 3, monkeypatch, kill_a_rank)
    (state,) = job("killed").states.glob("*.pt")
    assert 0 < len(torch.load(state, weights_only=True)["history"]) < EPOCHS
    several = trained("killed", 2, monkeypatch)
    state.unlink()
    assert several == trained("alone", 1, monkeypatch)


def last_started() -> int:
    """Return the process in this folder that was started last."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (entry / "cwd").readlink() == Path.cwd():
                found[int((entry / "stat").read_text().rpartition(")")[2].split()[19])] = int(entry.name)
    return found[max(found)]


def test_statistics_are_those_of_the_parts_one_after_the_other():
    torch.manual_seed(0)
    ours, native = (nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, momentum=0.3)) for _ in range(2))
    native.load_state_dict(ours.state_dict())
    clips, parts = 4 * torch.randn(8, 3) + 1, Parts(ours, 3, 0.3)
    for _ in range(2):
        values = parts.add_up(8, lambda start, place: backward(ours, clips[start : start + 3]))
        for weight in native.parameters():
            weight.grad = None
        sums = sum(backward(native, part) for part in clips.split(3))
    assert torch.equal(values, sums)
    for weight, other in zip(ours.parameters(), native.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad)
    for name, kept in native.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], kept)


def backward(model: nn.Module, clips: torch.Tensor) -> torch.Tensor:
    loss = model(clips).square().sum()
    torch.autograd.backward(loss)
    return torch.stack([loss.detach(), torch.tensor(float(len(clips)))])


@pytest.mark.parametrize(
    ("micro_batch", "ranks", "said"),
    [
        (None, "2", r"train\.i3d\.optim\.micro_batch makes 1 of it; set it to at most 2$"),
        (2, "3", r"train\.i3d\.optim\.micro_batch makes 2 of it; set it to at most 1$"),
        (1, "5", r"train\.i3d\.optim\.micro_batch makes 4 of it; train\.i3d\.optim\.batch is 4 only$"),
        (1, "two", r"^CALSE_RANKS='two' is not a number of processes; unset it or give 1 or more$"),
    ],
)
def test_more_processes_than_a_batch_has_parts_are_refused(monkeypatch, micro_batch, ranks, said):
    monkeypatch.setenv("CALSE_RANKS", ranks)
    with pytest.raises(CalseError, match=said):
        ranks_of("i3d", toy_settings(batch=4, micro_batch=micro_batch))


def test_what_is_not_trained_by_gradients_has_one_process(monkeypatch):
    monkeypatch.setenv("CALSE_RANKS", "2")
    assert ranks_of("landmarks", object()) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="an accelerator has one training at a time")
def test_the_processes_of_a_training_share_the_cores_that_the_machine_has(monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "8")
    assert slots(toy_settings(threads=1), ranks=4) == 3
