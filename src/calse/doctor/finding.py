"""What a check found."""

from typing import Literal, NamedTuple

SETUP = "make setup"


class Finding(NamedTuple):
    """`ok`, `warn` or `wrong`, what was found, and the command that mends it."""

    level: Literal["ok", "warn", "wrong"]
    what: str
    mend: str = ""
