"""What a training tells whoever listens: the progress display, a tracker."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, order=True)
class Run:
    """One training: a recogniser, a recipe, the source held out, and the seed of every random number."""

    recogniser: str
    recipe: str
    test_source: str
    seed: int

    def __str__(self) -> str:
        return f"{self.recogniser}/{self.recipe}/{self.test_source}/seed-{self.seed}"


class Observer(Protocol):
    """Called in the parent process, in each run's own order. A resumed run tells its earlier epochs again."""

    def started(self, run: Run, info: dict[str, Any]) -> None:
        """A run begins; `info` is what its checkpoint will say of it."""

    def epoch(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        """An epoch (from 1) is over, with `loss`, `accuracy` on the training clips and `lr`."""

    def taken(self, run: Run) -> None:
        """A run was trained to its end before and its results are taken as they were: nothing else is told of it."""

    def finished(self, run: Run) -> None:
        """A run has its checkpoint."""

    def failed(self, run: Run, reason: str) -> None:
        """A run was stopped, by itself or with the others."""
