"""Scales and numbers as the page's templates write them."""

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator


@dataclass(frozen=True)
class Axis:
    """A linear scale from values (`low` to `high`) to SVG units (`start` to `end`); call it to place a value."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return a value's place, to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, at_most: int = 4) -> list[float]:
        """Return round values inside the scale."""
        found = MaxNLocator(at_most, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
        return [float(tick) for tick in found if self.low <= tick <= self.high]


def spanning(values: Iterable[float], start: float, end: float, margin: float = 0.05) -> Axis:
    """Return the scale that holds all values and 0, with a margin where data ends."""
    known = [0.0, *values]
    low, high = min(known), max(known)
    room = margin * (high - low) or 1.0
    return Axis(low - room * (low < 0), high + room * (high > 0 or low == high), start, end)


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, without the sign."""
    return f"{100 * share:.{digits}f}"


def points(change: float) -> str:
    """Return a change of a share in percentage points, signed with a true minus."""
    return f"{round(100 * change, 1) + 0.0:+.1f}".replace("-", "−")


def short(value: float) -> str:
    """Return a tick's value without needless digits, with a true minus."""
    return f"{value:g}".replace("-", "−")
