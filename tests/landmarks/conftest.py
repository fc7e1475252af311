"""What several tests of landmarks look at: filmed once, and networks loaded once."""

from functools import cache

import pytest

from calse.landmarks.following import load_networks
from faces import filmed, with_models
from signers.signers import SOURCES


@cache
def interpreter(gloss):
    """Frames `T x 256 x 342 x 3` of the interpreter who signs a gloss, and their truth."""
    studio = SOURCES["INTERPRETER"][0]
    return filmed(studio, studio, gloss)


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    return with_models(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="session")
def networks(layout):
    return load_networks(layout)


@pytest.fixture(scope="session")
def hola():
    """One hand passes the face."""
    return interpreter("HOLA")


@pytest.fixture(scope="session")
def jugar():
    """Two hands move in front of the body."""
    return interpreter("JUGAR")
