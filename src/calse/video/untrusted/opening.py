"""Whether a foreign file opens at all; a module of its own, so that the process that tries starts fast."""

import itertools
from pathlib import Path

from calse.runtime.errors import CalseError
from calse.video.untrusted.decode import iterate_frames


def first_frames(path: Path) -> None:
    """Decode the first two frames. Raises CalseError when they are not there."""
    try:
        if len(list(itertools.islice(iterate_frames(path), 2))) < 2:
            raise CalseError("is a still picture")
    except CalseError as error:
        raise CalseError(str(error).removeprefix(f"{path}: ")) from None
