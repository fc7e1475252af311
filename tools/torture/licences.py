"""The licences of the packages that pyproject.toml names, as the installed packages state them."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

HEAD = """# Licences

The packages that this project names itself, and what they say of their licence; `python -m torture licences` writes
this file from their metadata. The landmark models come with theirs, in `models/published/sources.json`.

| package | for | licence |
|---|---|---|
"""


# What the repositories of packages say whose wheels say nothing.
ELSEWHERE = {"mlcroissant": "Apache-2.0", "pose-format": "MIT", "pympi-ling": "MIT"}


def licence_table() -> str:
    """Return docs/licences.md: a row for each direct dependency that is made for this platform."""
    content = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [(text, "use") for text in content["dependencies"]]
    for extra, texts in content["optional-dependencies"].items():
        wanted += [(text, "development" if extra == "dev" else f"extra {extra}") for text in texts]
    rows = [(re.split(r"[=<>~;[ ]", text)[0], purpose) for text, purpose in wanted if "== 'darwin'" not in text]
    return HEAD + "".join(f"| {name} | {purpose} | {licence_of(name)} |\n" for name, purpose in sorted(rows))


def licence_of(name: str) -> str:
    """Return a package's licence: its expression, else its classifiers, else the first line of its text."""
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return "not installed"
    classes = [text.rpartition(" :: ")[2] for text in stated.get_all("Classifier", []) if "License ::" in text]
    first = "".join(stated.get_all("License", [])).strip().split("\n")[0].strip()[:60]
    return (
        "".join(stated.get_all("License-Expression", []))
        or ", ".join(sorted(classes))
        or first
        or ELSEWHERE.get(name, "unknown")
    )
