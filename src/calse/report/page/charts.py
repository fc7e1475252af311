"""Scales and numbers as the page's templates write them."""

from dataclasses import dataclass


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


def percent(share: float, digits: int = 1) -> str:
    """Return a share in percent, without the sign."""
    return f"{100 * share:.{digits}f}"


def points(change: float) -> str:
    """Return a change of a share in percentage points, signed with a true minus."""
    return f"{round(100 * change, 1) + 0.0:+.1f}".replace("-", "−")
