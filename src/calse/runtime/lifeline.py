"""No process outlives the one that it works for: an orphan would go on writing."""

import multiprocessing
import os
import signal
import threading
import time

GRACE = 20  # seconds that a stage has to stop in order


def end_with_parent() -> None:
    """Let this worker process end at once when its parent has, however that ended; leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_await_parent, daemon=True).start()


def _await_parent() -> None:
    """End this process as soon as its parent has ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_with_dvc() -> None:
    """Let this stage stop, as on SIGTERM, when the dvc that runs it has gone; without dvc nothing is watched."""
    if "DVC_STAGE" in os.environ:
        threading.Thread(target=_await_adoption, args=(os.getppid(),), daemon=True).start()


def _await_adoption(parent: int) -> None:
    """Wait until this process has another parent than dvc, which may have gone before we could look."""
    while os.getppid() == parent and _of_our_group(parent):
        time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)  # what is half-written is swept at the next start


def _of_our_group(process: int) -> bool:
    """Say whether a process is of our group, as dvc is; what adopts orphans, init or a session's manager, is not."""
    try:
        return os.getpgid(process) == os.getpgrp()
    except OSError:
        return False
