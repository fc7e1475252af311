"""Hashes of code: of what it does, whatever its comments, docstrings, layout and messages, or of every byte."""

import ast
import hashlib
import re
import sys
import sysconfig
from collections.abc import Container, Iterable
from pathlib import Path

from ruamel.yaml import YAML

PACKAGE = Path(__file__).parents[1]
TRAINING = {"av", "decord", "eva_decord", "numpy", "opencv_python_headless", "torch", "torchvision"}  # packages
MESSAGES = ("CalseError", "StarvedError", "print")  # what they say shapes nothing


def meaning_of(files: Iterable[Path]) -> str:
    """Return a hex hash of Python files' statements, names of files left out, and of other files' bytes."""
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(repr(_statements(ast.parse(content))).encode() if path.suffix == ".py" else content)
    return digest.hexdigest()


def _statements(node: object) -> object:
    """Return a syntax tree as tuples, the same in every version of Python, which differ in empty fields."""
    if isinstance(node, list):
        return [_statements(part) for part in node if not _is_docstring(part)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MESSAGES:
        return node.func.id
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
        return (type(node).__name__, *((name, _statements(value)) for name, value in fields))
    return node


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def code(files: Iterable[Path] | None = None, packages: Container[str] | None = None) -> str:
    """Return a hash of this project's code, Python and the installed packages: another may make other bytes.

    `files` (folders stand for all Python in them) and `packages` narrow it down to what shapes something; of `files`
    comments and messages do not count either. Of the whole code every byte does: parsing it takes a third of a second.
    """
    digest = hashlib.sha256(sys.version.encode())
    given = [PACKAGE] if files is None else files
    for path in sorted(path for file in given for path in (file.rglob("*.py") if file.is_dir() else [file])):
        content = path.read_bytes() if files is None else meaning_of([path]).encode()
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + content)
    installed = {path.stem for path in Path(sysconfig.get_path("purelib")).glob("*.dist-info")}
    chosen = sorted(name for name in installed if packages is None or name.partition("-")[0] in packages)
    return hashlib.sha256(f"{digest.hexdigest()} {' '.join(chosen)}".encode()).hexdigest()


def code_of_stage(stage: str, **items: str) -> list[Path]:
    """Return the code that dvc.yaml lists for a stage: what shapes its output. `items` are those of its matrix."""
    root = PACKAGE.parents[1]
    stages = YAML(typ="safe", pure=True).load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    deps = [dep for dep in stages[stage].get("do", stages[stage])["deps"] if dep.startswith("src/")]
    return [root / re.sub(r"\$\{item\.(\w+)\}", lambda found: items[found[1]], dep) for dep in deps]
