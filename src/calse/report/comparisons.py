"""What the comparisons with Baseline allow to say, in a few lines, and what it would take to say more."""

import pandas as pd

from calse.report.table import (
    BASELINE,
    MEAN,
    OMITTED,
    TRAININGS,
    UNDECIDED,
    VALIDATION,
    Cells,
    count_range,
    in_words,
    markdown,
)
from calse.report.variance import MIN_TRAININGS, components, mean_components, needed, trainings_of
from calse.runtime.errors import counted

VERSUS = f"The mean over the test sources, recipe {BASELINE}, paired over the same clips"
SOUGHT = 0.05  # the change that the sentence on power is about


def outcome_section(table: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Return the mean's comparisons of the smallest top-K as Markdown, the rest in a line, and how they were made.

    Empty when there is nothing to compare with.
    """
    if comparisons.empty:
        return ""
    k = comparisons["k"].min()
    steps = table[table["test_source"] == MEAN].groupby("recipe")["steps"].first()
    heading = ["recipe", f"steps ({BASELINE}: {steps[BASELINE]})", f"mean top-{k}", "95 % interval", "p", "p adjusted"]
    lines = [[*heading, "outcome"]]
    for row in comparisons[(comparisons["test_source"] == MEAN) & (comparisons["k"] == k)].to_dict("records"):
        change, low, high = (f"{100 * row[name]:+.1f}" for name in ("delta", "low", "high"))
        found = [change, f"{low} to {high}", _p(row["p"]), _p(row["p_adjusted"])]
        lines.append([row["recipe"], str(steps[row["recipe"]]), *found, in_words(row["outcome"], row["about"])])
    notes = ["", everywhere(comparisons), "", footnote(table, comparisons), ""]
    return "\n".join([f"## Against {BASELINE}\n", *markdown(lines), *notes])


def recogniser_section(versus: pd.DataFrame) -> str:
    """Return the recognisers against each other as Markdown, empty with a single one."""
    if versus.empty:
        return ""
    heading = ["recogniser", "top-K", "accuracy", "against", "change", "95 % interval", "p adjusted", "outcome"]
    lines = markdown([[*heading, "clips"], *recogniser_cells(versus)])
    return "\n".join([f"# Recognisers\n\n{VERSUS} (`recognisers.csv`).\n", *lines, ""])


def recogniser_cells(versus: pd.DataFrame) -> list[list[str]]:
    """Return the cells of the recognisers' table, a line a comparison."""
    return [
        [
            row["recogniser"],
            f"top-{row['k']}",
            f"{100 * row['accuracy']:.1f}",
            row["against"],
            f"{100 * row['delta']:+.1f}",
            f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}",
            _p(row["p_adjusted"]),
            in_words(row["outcome"], row["about"]),
            str(row["clips"]),
        ]
        for row in versus.to_dict("records")
    ]


def everywhere(comparisons: pd.DataFrame) -> str:
    """Say which of all the comparisons, of every source and top-K, are more than chance."""
    clear = comparisons[comparisons["outcome"] != UNDECIDED].to_dict("records")
    found = [
        f"{row['recipe']} {row['test_source']} top-{row['k']} {in_words(row['outcome'], row['about'])}" for row in clear
    ]
    return f"Of all {len(comparisons)} comparisons (`comparisons.csv`) {len(clear)} can be told from chance" + (
        f": {'; '.join(found)}." if found else "."
    )


def footnote(table: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Say how much one clip weighs, how the intervals and p were made, and what so few trainings cannot tell."""
    rows = table[~table["test_source"].isin([MEAN, OMITTED, VALIDATION])]
    clips, seeds = count_range(rows["clips"]), count_range(rows["seeds"])
    runs = "one training" if seeds == "1" else f"{seeds} trainings"
    sentences = [
        f"{clips} test clips a source, {runs} a cell: one clip is {100 / rows['clips'].min():.1f} points.",
        "Intervals: bootstrap over glosses (and trainings, where a cell has several).",
        "p: exact sign flips of glosses, which is McNemar's test where a gloss has one prediction;",
        f"from {MIN_TRAININGS} trainings a side on, Student's t over glosses, trainings and (of the mean) test sources",
        "where that p is larger; adjusted by Holm over all comparisons of a top-K.",
        "`better` and `worse` need p adjusted < 0.05 and an interval without 0.",
    ]
    few = int((comparisons["about"] == TRAININGS).sum())
    if few:
        which = "Every comparison is" if few == len(comparisons) else f"{few} of {len(comparisons)} comparisons are"
        sentences.append(
            f"{which} about these very trainings, not about the recipes (`about` in `comparisons.csv`): even the "
            f"clearest split of so few trainings can be chance. Take {MIN_TRAININGS} seeds or more."
        )
    return " ".join(sentences)


def noises(cells: Cells, seeded: bool = True) -> str:
    """Say how much of the variance of a change glosses, trainings and test sources carry, and what a study needs.

    Over the changes of the mean at the smallest top-K, their components averaged. Empty without a change.
    """
    k = min((k for _, _, k in cells), default=0)
    changes = [
        (cell, cells[BASELINE, MEAN, k])
        for (recipe, source, size), cell in cells.items()
        if (source, size) == (MEAN, k) and recipe != BASELINE and (BASELINE, MEAN, k) in cells
    ]
    if not changes:
        return ""
    parts = mean_components([components(*change) for change in changes])
    sources, trainings = len(changes[0][0]), min(trainings_of(*change) for change in changes)
    found = parts.of(sources, trainings)
    if not sum(found) > 0:
        return ""
    glosses, runs, places = (f"{100 * part / sum(found):.0f} %" for part in found)
    text = f"Of the variance of a recipe's change (mean top-{k}) the glosses carry {glosses}"
    if sources == 1:
        return f"{text} and trainings {runs}." if trainings > 1 else ""
    if not seeded:
        return f"{text}, test sources {places}; its trainings draw nothing, so a seed changes nothing."
    if trainings == 1:
        return f"{text}, test sources and trainings together {places}: one training a cell cannot tell them apart."
    text += f", trainings {runs}, test sources {places}. To see {100 * SOUGHT:+.0f} points with 80 % you need "
    design = needed(parts, SOUGHT)
    if not design:
        return text + "more glosses: no seeds make up for them."
    return text + f"{counted(design[0], 'source')} x {counted(design[1], 'seed')}."


def _p(value: float) -> str:
    """Return a p value as text."""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
