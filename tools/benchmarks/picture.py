"""Pictures: the figures that have a target, on one scale of how many times it was reached; how stages grow."""

from pathlib import Path
from typing import Any

from benchmarks.results import Row

REACHED, MISSED = "#2a7f62", "#c0504d"


def attained(row: Row) -> tuple[float, float, float]:
    """Return median, lowest and highest of a line as shares of its target: above 1 it is reached, either way round."""
    values = [float(row[name]) for name in ("median", "lowest", "highest")]
    target = float(row["target"][2:])
    if row["target"].startswith(">="):
        median, low, high = (value / target for value in values)
    else:
        median, high, low = (target / value for value in values)
    return median, low, high


def draw(rows: list[Row], path: Path) -> None:
    """Draw every line with a positive target and positive figures; a difference that should be above 0 has no share."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in rows if row["target"] and float(row["target"][2:]) > 0 and float(row["lowest"]) > 0]
    figure, axes = plt.subplots(figsize=(11, 1.8 + 0.3 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        median, low, high = attained(row)
        colour = REACHED if row["reached"] == "yes" else MISSED
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
        axes.plot([median], [place], "o", color=colour)
        text = f"{row['median']} {row['unit']} ({row['target'].replace('>=', '≥ ').replace('<=', '≤ ')})"
        axes.annotate(text, (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    ticks = [
        tick
        for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
        if any(within(tick, attained(row)) for row in rows)
    ]
    axes.set_xticks(ticks or [1], [f"{tick:g}" for tick in ticks or [1]])
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row["figure"] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("share of the target attained (line: 1 = the target); dot: median, bar: spread over the rounds")
    axes.set_title("; ".join(sorted({row["machine"] for row in rows})), fontsize=8, loc="left")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def within(tick: float, spread: tuple[float, float, float]) -> bool:
    """Say whether a tick lies near a spread: within a factor of two of its ends."""
    return spread[1] / 2 <= tick <= spread[2] * 2 or tick == 1


def draw_growth(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw what each stage's exponent is of, both axes logarithmic, and its peak memory over the number of clips."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    counted = not any("nan" in row["giga_instructions"] for row in rows)
    work, title_of_work = ("giga_instructions", "1e9 instructions") if counted else ("cpu_seconds", "CPU seconds")
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axes in panels:
        axes.set_xscale("log")
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter("{x:g}")
    for row in rows:
        clips = [int(value) for value in row["clips"].split("/")]
        labels = (f"{row['stage']}: exponent {row['exponent']}", f"{row['stage']}: x {row['memory_ratio']}")
        for axes, column, label in zip(panels, (work, "peak_mb"), labels, strict=True):
            axes.plot(clips, [float(value) for value in row[column].split("/")], "o-", label=label)
    every = sorted({int(value) for row in rows for value in row["clips"].split("/")})
    for axes, title in zip(panels, (f"{title_of_work}, start included", "peak memory, MB"), strict=True):
        axes.set_xlabel("clips")
        axes.set_xticks(every, map(str, every))
        axes.set_title(title, fontsize=10, loc="left")
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    panels[1].set_ylim(bottom=0)
    figure.suptitle("; ".join(sorted({row["machine"] for row in rows})), fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
