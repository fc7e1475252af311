"""A study to look at, and its page."""

import pytest

from browsable import make_study, params_of
from calse.browse.browse import browse


@pytest.fixture
def layout(tmp_path):
    return make_study(tmp_path)


@pytest.fixture
def page(layout):
    browse(params_of(), layout)
    return layout.browser()
