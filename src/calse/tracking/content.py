"""What a person reads of an MLflow run, as one mapping: two runs that read the same have equal content."""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

Content = dict[tuple[str | int, ...], Any]
"""("param", name) -> text, ("metric", name, step) -> number, ("data", path) -> digest, ("status",) -> MLflow's word."""


def params(values: dict[str, Any]) -> Content:
    """Return parameters, nested ones under dotted names."""
    return {("param", name): as_text(value) for name, value in flat(values)}


def as_text(value: Any) -> str:
    """Return a parameter as text, JSON unless it is text; of an absolute path only the name, which is nobody's home."""
    if isinstance(value, str):
        return value.rsplit("/", 1)[-1] if value.startswith("/") else value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def metrics(values: Iterable[tuple[str, float]], step: int = 0) -> Content:
    """Return the finite numbers among some measures; MLflow draws the others as nothing."""
    return {("metric", name, step): float(value) for name, value in values if math.isfinite(value)}


def numbers(measures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of nested measures under dotted names; true and false as 1 and 0."""
    for name, value in flat(measures, prefix):
        if isinstance(value, (int, float)):
            yield name, float(value)


def curve(text: str, points: float = math.inf) -> Content:
    """Return a CSV's columns of numbers over its first one, which counts the steps; thinned to about so many points."""
    rows = list(csv.DictReader(io.StringIO(text)))
    words = {name for row in rows for name, value in row.items() if value and not _is_number(value)}
    stride = math.ceil(len(rows) / points) or 1
    content: Content = {}
    for number, row in enumerate(rows, start=1):
        if number % stride == 0 or number in (1, len(rows)):
            (_, step), *values = row.items()
            content |= metrics(
                ((name, float(value)) for name, value in values if value and name not in words), int(step)
            )
    return content


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested values under dotted names; an empty mapping is a value."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differences(stored: Content, expected: Content) -> list[str]:
    """Return a line for each thing in which a run differs from what it should be."""
    lines = []
    for key in sorted(stored.keys() | expected.keys(), key=str):
        if stored.get(key) != expected.get(key):
            what = " ".join(str(part) for part in key[:2]) + (f" at step {key[2]}" if len(key) > 2 else "")
            lines.append(f"{what}: stored {stored.get(key, 'nothing')!r}, should be {expected.get(key, 'nothing')!r}")
    return lines
