"""What the comparisons with Baseline allow to say, in a few lines."""

import pandas as pd

from calse.report.table import BASELINE, EVEN, MEAN, OMITTED, TRAININGS, in_words

ENOUGH = 4  # seeds on both sides: the fewest that dealt out anew have a p below 0.05 on one source


def verdict_section(table: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Return the mean's comparisons of the smallest top-K as Markdown, the rest in a line, and how they were made.

    Empty when there is nothing to compare with.
    """
    if comparisons.empty:
        return ""
    k = comparisons["k"].min()
    steps = table[table["test_source"] == MEAN].groupby("recipe")["steps"].first()
    heading = ["recipe", f"steps ({BASELINE}: {steps[BASELINE]})", f"mean top-{k}", "95 % interval", "p", "p adjusted"]
    heading.append("verdict")
    lines = [f"## Against {BASELINE}\n", f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    for row in comparisons[(comparisons["test_source"] == MEAN) & (comparisons["k"] == k)].to_dict("records"):
        change, low, high = (f"{100 * row[name]:+.1f}" for name in ("delta", "low", "high"))
        cells = [
            row["recipe"],
            str(steps[row["recipe"]]),
            change,
            f"{low} to {high}",
            _p(row["p"]),
            _p(row["p_adjusted"]),
            in_words(row["verdict"], row["about"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", everywhere(comparisons), "", footnote(table, comparisons), ""])


def everywhere(comparisons: pd.DataFrame) -> str:
    """Say which of all the comparisons, of every source and top-K, are more than chance."""
    clear = comparisons[comparisons["verdict"] != EVEN].to_dict("records")
    found = [
        f"{row['recipe']} {row['test_source']} top-{row['k']} {in_words(row['verdict'], row['about'])}" for row in clear
    ]
    return f"Of all {len(comparisons)} comparisons (`comparisons.csv`) {len(clear)} can be told from chance" + (
        f": {'; '.join(found)}." if found else "."
    )


def footnote(table: pd.DataFrame, comparisons: pd.DataFrame) -> str:
    """Say how much one clip weighs, how the intervals and p were made, and what so few trainings cannot tell."""
    rows = table[~table["test_source"].isin([MEAN, OMITTED])]
    clips, seeds = _range(rows["clips"]), _range(rows["seeds"])
    runs = "one training" if seeds == "1" else f"{seeds} trainings"
    sentences = [
        f"{clips} test clips a source, {runs} a cell: one clip is {100 / rows['clips'].min():.1f} points.",
        "Intervals: bootstrap over glosses (and trainings, where a cell has several).",
        "p: exact sign flips of glosses, which is McNemar's test where a gloss has one answer; adjusted by Holm over",
        "all comparisons of a top-K. It takes the trainings as they are: what another seed changes is not in it,",
        "however many there are. `better` and `worse` need p adjusted < 0.05 and an interval without 0.",
    ]
    few = int((comparisons["about"] == TRAININGS).sum())
    if few:
        which = "Every comparison is" if few == len(comparisons) else f"{few} of {len(comparisons)} comparisons are"
        sentences.append(
            f"{which} about these very trainings, not about the recipes (`about` in `comparisons.csv`): even the "
            f"clearest split of so few trainings can be chance. Take {ENOUGH} seeds or more."
        )
    return " ".join(sentences)


def _range(counts: pd.Series) -> str:
    return f"{counts.min()}" if counts.nunique() == 1 else f"{counts.min()} to {counts.max()}"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
