"""What code means is told apart from how it is written."""

import pytest

from calse.runtime.fingerprint import meaning_of

CODE = '''"""A module."""


def half(x: float) -> float:
    """Return half."""
    if x < 0:
        raise CalseError(f"{x} is too little")
    return x / 2
'''


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (CODE.replace("A module.", "Another text."), True),
        (CODE.replace("    return", "    # why\n    return"), True),
        (CODE.replace("x / 2", "(x\n        / 2)"), True),
        (CODE.replace("{x} is too little", "give more than {x:.2f}"), True),
        (CODE.replace("CalseError", "ValueError"), False),
        (CODE.replace("x < 0", "x < 1"), False),
        (CODE.replace("x / 2", "x / 3"), False),
        (CODE.replace("x / 2", "x * 2"), False),
        (CODE.replace("half", "third"), False),
    ],
)
def test_only_statements_count(tmp_path, other, same):
    (tmp_path / "one.py").write_text(CODE)
    (tmp_path / "other.py").write_text(other)
    assert (meaning_of([tmp_path / "one.py"]) == meaning_of([tmp_path / "other.py"])) == same


def test_every_file_counts(tmp_path):
    (tmp_path / "one.py").write_text(CODE)
    (tmp_path / "data.npz").write_bytes(b"1")
    before = meaning_of([tmp_path / "one.py", tmp_path / "data.npz"])
    (tmp_path / "data.npz").write_bytes(b"2")
    assert meaning_of([tmp_path / "one.py", tmp_path / "data.npz"]) != before != meaning_of([tmp_path / "one.py"])
