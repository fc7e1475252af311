"""Races: ours and what it is held against take turns in one process, so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Times = dict[str, float]
MIN_ROUNDS = 3


@dataclass(frozen=True)
class Setting:
    """Where a work may write, whether it shall be tiny (to try the works themselves), and what to close at its end."""

    folder: Path
    tiny: bool
    cleanup: ExitStack


@dataclass(frozen=True)
class Figure:
    """A number out of one round's seconds, and what it should reach: at least `target`, or at most."""

    label: str
    unit: str
    value: Callable[[Times], float]
    target: float | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Race:
    """What takes turns, by name, and the figures that come of it. A side may return further seconds by name.

    `threads` are those of torch; OpenCV always has one, as in the stages.
    """

    sides: Mapping[str, Callable[[], Any]]
    figures: list[Figure]
    threads: int = 1
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class Measured:
    """A figure's median over the rounds, and its spread."""

    figure: Figure
    median: float
    lowest: float
    highest: float
    rounds: int

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        if self.figure.target is None:
            return None
        return self.median <= self.figure.target if self.figure.at_most else self.median >= self.figure.target


def fact(label: str, unit: str, value: float, target: float | None = None, at_most: bool = False) -> Figure:
    """Return a figure that was measured once: bytes, decibels, peak memory."""
    return Figure(label, unit, lambda _: value, target, at_most)


def ratio(label: str, above: str, below: str, target: float | None = None, at_most: bool = False) -> Figure:
    """Return a figure that divides one side's seconds by another's."""
    return Figure(label, "x", lambda times: times[above] / times[below], target, at_most)


def run_race(race: Race, rounds: int, seconds: float) -> list[Measured]:
    """Run one round that does not count, then up to `rounds`; after `seconds` none starts but the first three."""
    _set_threads(race.threads)
    run_round(race, 0)
    start, counted = time.perf_counter(), list[Times]()
    while len(counted) < rounds and (len(counted) < MIN_ROUNDS or time.perf_counter() - start < seconds):
        counted.append(run_round(race, len(counted)))
    return [measured(figure, counted) for figure in race.figures]


def run_round(race: Race, number: int) -> Times:
    """Return each side's seconds; every second round runs them in the other order."""
    times: Times = {}
    for name in list(race.sides)[:: -1 if number % 2 else 1]:
        start = race.clock()
        more = race.sides[name]()
        times[name] = race.clock() - start
        if isinstance(more, dict):
            times |= more
    return times


def measured(figure: Figure, rounds: list[Times]) -> Measured:
    """Return a figure's median over rounds, each round's own value first: ratios of neighbours in time."""
    values = [figure.value(times) for times in rounds]
    return Measured(figure, statistics.median(values), min(values), max(values), len(values))


def _set_threads(threads: int) -> None:
    """Set the threads of torch, and one for OpenCV."""
    import cv2
    import torch

    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
