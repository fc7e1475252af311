"""The optimiser and the learning rate against torch's own."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from calse.recognition.training.optimiser import Adam, learning_rate
from toys import toy_settings


def test_one_cycle_is_the_schedule_of_that_name():
    one_cycle = toy_settings().schedule
    model = torch.nn.Linear(1, 1)
    theirs = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(theirs, max_lr=0.01, total_steps=50, cycle_momentum=False)
    for step in range(50):
        assert learning_rate(0.01, one_cycle, step, 50) == pytest.approx(schedule.get_last_lr()[0], rel=1e-6)
        theirs.step()
        schedule.step()
    assert learning_rate(0.003, toy_settings(kind="constant").schedule, 49, 50) == 0.003


@pytest.mark.parametrize("warmup", [0.02, 0.1, 0.5, 0.98])
def test_a_cycle_rises_for_the_share_asked_for(warmup: float):
    schedule = replace(toy_settings().schedule, warmup=warmup)
    rates = [learning_rate(0.01, schedule, step, 50) for step in range(50)]
    assert np.argmax(rates) == round(warmup * 50) - 1
    assert max(rates) == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(0.01 / 250_000)


def test_a_constant_rate_rises_along_a_line():
    schedule = replace(toy_settings(kind="constant").schedule, warmup=0.1)
    rates = [learning_rate(0.01, schedule, step, 50) for step in range(50)]
    assert rates == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01, *[0.01] * 45])


def test_no_warmup_starts_at_the_peak():
    schedule = replace(toy_settings().schedule, warmup=0)
    assert learning_rate(0.01, schedule, 0, 50) == pytest.approx(0.01, rel=0.01)
    assert [learning_rate(0.01, replace(schedule, kind="constant"), step, 3) for step in range(3)] == [0.01] * 3


@pytest.mark.parametrize(("name", "theirs"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_optimiser_is_the_one_asked_for(name: str, theirs: Callable):
    weights, copies = ([torch.full((3,), 0.5), torch.full((2, 2), -1.0)] for _ in range(2))
    for weight in (*weights, *copies):
        weight.requires_grad_()
    ours = Adam(weights, toy_settings(optimiser=name, weight_decay=0.5).optim)
    reference = theirs(copies, lr=0.01, weight_decay=0.5)
    for step in range(4):
        for weight in (*weights, *copies):
            weight.grad = (weight.detach() + step).sin()
        ours.step(0.01)
        reference.step()
    for weight, copy in zip(weights, copies, strict=True):
        torch.testing.assert_close(weight, copy)
