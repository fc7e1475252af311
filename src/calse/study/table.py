"""The study's table: accuracy of every recipe against every test source, and what changed against the baseline."""

import pandas as pd

BASELINE = "Baseline"
MEAN = "mean"
OMITTED = "mean, face blurred"


def accuracy_table(predictions: pd.DataFrame, topk: tuple[int, ...]) -> pd.DataFrame:
    """Count top-K hits per recipe and test source.

    `predictions` has a row a prediction: recipe, test_source, test_set, seed, clip and `rank`, the 1-based
    place of the right gloss. Returns recipe, test_source, k, accuracy (0 to 1, over clips and seeds), delta (against
    Baseline on the same test source), clips and seeds. The test source `mean` is the plain mean over the others;
    `mean, face blurred` the same over the clips whose `test_set` is `omitted`.
    """
    filmed = _counted(predictions[predictions["test_set"] == "filmed"], topk)
    omitted = _counted(predictions[predictions["test_set"] == "omitted"], topk)
    parts = [filmed, _mean(filmed, MEAN)] + ([_mean(omitted, OMITTED)] if len(omitted) else [])
    return with_deltas(pd.concat(parts, ignore_index=True))


def _counted(predictions: pd.DataFrame, topk: tuple[int, ...]) -> pd.DataFrame:
    """Count hits per recipe, test source and k."""
    rows = []
    for (recipe, source), group in predictions.groupby(["recipe", "test_source"], sort=False):
        counts = {"clips": group["clip"].nunique(), "seeds": group["seed"].nunique()}
        for k in topk:
            hits = float((group["rank"] <= k).mean())
            rows.append({"recipe": recipe, "test_source": source, "k": k, "accuracy": hits} | counts)
    return pd.DataFrame(rows)


def _mean(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the plain mean over test sources as a test source of its own."""
    together = {"accuracy": "mean", "clips": "sum", "seeds": "max"}
    return table.groupby(["recipe", "k"], sort=False, as_index=False).agg(together).assign(test_source=name)


def with_deltas(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column `delta`: accuracy minus Baseline's for the same test source and k, empty without a Baseline."""
    keys = ["test_source", "k"]
    baseline = table[table["recipe"] == BASELINE].set_index(keys)["accuracy"]
    wanted = pd.MultiIndex.from_frame(table[keys])
    return table.assign(delta=table["accuracy"].to_numpy() - baseline.reindex(wanted).to_numpy())


def to_markdown(table: pd.DataFrame) -> str:
    """Return recipes as rows, test sources as columns; a cell holds each top-K in percent and its delta in points."""
    sources = list(dict.fromkeys(table["test_source"]))
    topk = list(dict.fromkeys(table["k"]))
    heading = ["recipe", *sources]
    lines = [f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    for recipe, rows in table.groupby("recipe", sort=False):
        cells = [_cell(rows[rows["test_source"] == source], recipe == BASELINE) for source in sources]
        lines.append(f"| {recipe} | {' | '.join(cells)} |")
    return f"top-{' / '.join(map(str, topk))} in %, in brackets the change in points\n\n" + "\n".join(lines) + "\n"


def _cell(rows: pd.DataFrame, is_baseline: bool) -> str:
    values = " / ".join(f"{100 * value:.1f}" for value in rows["accuracy"])
    if is_baseline or rows["delta"].isna().any():
        return values
    return f"{values} ({' / '.join(f'{100 * delta:+.1f}' for delta in rows['delta'])})"
