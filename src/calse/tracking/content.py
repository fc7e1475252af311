"""What a person reads of an MLflow run, as one mapping: two runs that read the same have equal content."""

import io
import json
import math
from collections.abc import Iterable
from typing import Any

from calse.config.params import flat, without_folder

Content = dict[tuple[str, str, int], Any]
"""("param", name, 0): text; ("metric", name, step): number; ("data", path, 0): digest; STATUS: MLflow's word."""
STATUS = ("status", "", 0)


def params(values: dict[str, Any]) -> Content:
    """Return parameters, nested ones under dotted names."""
    return {("param", name, 0): as_text(value) for name, value in flat(values)}


def as_text(value: Any) -> str:
    """Return a parameter as text: JSON unless it is text."""
    if isinstance(value, str):
        return str(without_folder(value))
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def metrics(values: Iterable[tuple[str, Any]], step: int = 0) -> Content:
    """Return the finite numbers among some measures, true and false as 1 and 0; MLflow draws the others as nothing."""
    numbers = [(name, float(value)) for name, value in values if isinstance(value, (int, float))]
    return {("metric", name, step): value for name, value in numbers if math.isfinite(value)}


def curve(text: str, points: int | None = None) -> Content:
    """Return a CSV's columns of numbers over its first one, which counts the steps; thinned to about so many points."""
    import pandas as pd

    table = pd.read_csv(io.StringIO(text), index_col=0).select_dtypes("number")
    content: Content = {}
    for row in table[:: max(1, len(table) // (points or len(table) or 1))].itertuples():
        step, *values = row
        content |= metrics(zip(table.columns, values, strict=True), int(step))
    return content


def differences(stored: Content, expected: Content) -> list[str]:
    """Return a line for each thing in which a run differs from what it should be."""
    lines = []
    for key in sorted(stored.keys() | expected.keys()):
        if stored.get(key) != expected.get(key):
            what = f"{key[0]} {key[1]}" + (f" at step {key[2]}" if key[2] else "")
            lines.append(f"{what}: stored {stored.get(key, 'nothing')!r}, should be {expected.get(key, 'nothing')!r}")
    return lines
