"""The one exception that reaches a user as a plain line instead of a traceback."""


class CalseError(Exception):
    """What is wrong, where (file, clip or parameter), and what to do about it, in one line."""


class StarvedError(CalseError):
    """The machine fell short, not the input: disk, quota, permission. Never a reason to leave a clip out."""
