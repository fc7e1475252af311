"""Prefetching in a thread: all items, in order, errors in their place, and nothing goes on when left early."""

import threading
from contextlib import closing

import pytest

from calse.runtime.prefetch import prefetched


def test_every_item_comes_in_order_made_in_another_thread_and_no_more_than_so_many_ahead():
    made = []

    def items():
        for number in range(9):
            made.append(threading.get_ident())
            yield number

    for expected, item in enumerate(prefetched(items(), 3)):
        assert item == expected
        assert len(made) <= expected + 4, "the one at hand and three more"
    assert expected == 8
    assert len(set(made)) == 1
    assert threading.get_ident() not in made
    assert list(prefetched([], 3)) == []


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield from (1, 2)
        raise ValueError("is damaged")

    source = prefetched(items(), 3)
    assert (next(source), next(source)) == (1, 2)
    with pytest.raises(ValueError, match="is damaged"):
        next(source)


def test_who_leaves_early_leaves_no_thread_at_work():
    before = threading.active_count()
    with closing(prefetched(iter(int, 1), 3)) as endless:
        assert next(endless) == 0
    assert threading.active_count() == before
