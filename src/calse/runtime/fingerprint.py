"""A hash of what code does: another comment, docstring, layout or message leaves it as it is."""

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

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
