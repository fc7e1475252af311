"""What reaches a user as a plain line."""

import pytest

from calse.runtime.errors import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "clip", "1 clip"), (2, "clip", "2 clips"), (0, "gloss", "0 glosses"), (1, "process", "1 process")],
)
def test_a_number_comes_with_its_noun(number, noun, words):
    assert counted(number, noun) == words
