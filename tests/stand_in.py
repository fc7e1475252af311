"""What `python`, `dvc` and `calse` are on the tests' PATH: a process that lets a fork of the server (`warm.py`) work.

It begins often, so it imports next to nothing: `socket` and `signal` would take longer than all that it does.
"""

import _signal
import _socket
import marshal
import os
import sys
from array import array

ADDRESS = "CALSE_TESTS_WARM"  # the variable that tells the server's address


def run(words):
    """Let a fork of the server do what Python would, and end as it ends."""
    name = os.path.basename(words[0])
    words = words[1:] if name == "python" else ["-m", name, *words[1:]]
    words = words[1:] if words[:1] == ["-u"] else words  # so start the workers of pytest-xdist
    if not words or (words[0][0] == "-" and words[0] not in ("-c", "-m")):
        os.execv(sys.executable, [sys.executable, *words])
    server = _socket.socket(_socket.AF_UNIX)
    server.connect(os.environ[ADDRESS])
    files = [number for number in map(int, os.listdir("/proc/self/fd")) if number != server.fileno()]
    files = [number for number in files if os.path.exists(f"/proc/self/fd/{number}")]  # not that of the listing
    order = {"words": words, "folder": os.getcwd(), "variables": dict(os.environ), "files": files}
    order |= {"parent": os.getppid(), "group": os.getpgrp()}
    data = marshal.dumps(order)
    server.sendmsg([b"%10d" % len(data)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", files))])
    server.sendall(data)
    for number in (_signal.SIGINT, _signal.SIGTERM):
        _signal.signal(number, lambda number, _: server.send(bytes([number])))
    status = server.recv(10)
    if not status:
        sys.exit("the server of tests/warm.py has died")
    status = os.waitstatus_to_exitcode(int(status))
    if status < 0:
        _signal.signal(-status, _signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)
