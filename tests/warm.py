"""`python`, `dvc` and `calse` as tests find them on PATH: real processes that need not import torch and the like.

Most of what a small command takes is imports: torch 2 s of a core, MLflow 1.6, Great Expectations 3.5. So one process,
the server, imports them once, and every command is a fork of it. PATH begins with stand-ins of those three names:

- A stand-in sends its arguments, variables, working directory and open files to the server, whose fork takes them over
  and runs module, script or code as Python does. The stand-in waits and ends as the fork ends.
- Only packages of others are imported before; `calse` comes from the PYTHONPATH that the command was given.
- Whoever stops or kills the stand-in stops or kills the fork, which is in the stand-in's process group.
- Processes that `multiprocessing` spawns, in tests and in commands, are started by the stand-in of `python` too, as is
  what a command starts as `sys.executable`.

Tests of start-up, of signals to whole groups, of limits, and of equal bytes in two processes (forks share a hash seed)
start `sys.executable`, which is the real one in tests, or have the fixture `cold`.
"""

import atexit
import ctypes
import gc
import importlib
import marshal
import multiprocessing
import os
import runpy
import select
import selectors
import signal
import socket
import sys
import threading
import traceback
import weakref
from contextlib import suppress

from stand_in import ADDRESS

NAMES = ("python", "dvc", "calse")
PACKAGES = (
    "aiobotocore.session", "aiohttp", "ai_edge_litert.interpreter", "av", "celery.bin.amqp",
    "concurrent.futures.process", "cv2", "decord", "dulwich.client", "dulwich.porcelain", "dvc.cli.parser",
    "dvc.commands.repro", "dvc.data_cloud", "dvc.repo.datasets", "dvc.repo.experiments.queue.celery", "dvc.repo.graph",
    "dvc.repo.index", "dvc.repo.open_repo", "dvc_render.image", "dvc_s3", "great_expectations", "hypothesis",
    "matplotlib.figure", "mlcroissant", "mlflow", "mlflow.store.db.utils", "mlflow.store.tracking.sqlalchemy_store",
    "networkx", "numba", "pandas", "pydantic.dataclasses", "pygit2", "rich.progress", "safetensors.torch",
    "scipy.stats", "torch", "torchvision", "typer",
)  # fmt: skip
COLLAPSE = 25  # MADV_COLLAPSE of Linux 6.1; where it is refused all works as before
MOST = 500  # files that a command may have open when it starts
STAND_IN = """#!{python} -SEI
import sys
sys.path.insert(0, {tests!r})
import stand_in
stand_in.run(sys.argv)
"""


def begin(folder):
    """Make the stand-ins in a folder, put them on PATH, and let the server start as soon as one of them is called."""
    import subprocess

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{folder}/socket")
    listening.listen(socket.SOMAXCONN)
    for name in NAMES:
        with open(f"{folder}/{name}", "w") as file:
            file.write(STAND_IN.format(python=sys.executable, tests=os.path.dirname(__file__)))
        os.chmod(file.name, 0o700)
    os.environ[ADDRESS] = f"{folder}/socket"
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"

    command = [sys.executable, __file__, str(listening.fileno())]  # now: the fixture `forked` changes sys.executable

    def await_first():
        select.select([listening], [], [])
        outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}  # it ends with us, who hold its input
        subprocess.Popen(command, pass_fds=[listening.fileno()], env=outside, **pipes).wait()
        listening.close()  # it died: nobody waits for it

    threading.Thread(target=await_first, daemon=True).start()


def serve(listening):
    """Import what takes long, then fork for every stand-in, until standard input ends."""
    del sys.path[0]  # this folder
    gc.disable()  # it would look through all that is imported time and again, a quarter of the time that imports take
    for package in PACKAGES:
        with suppress(ImportError):
            importlib.import_module(package)
    with suppress(ImportError):
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()  # what the first kernel of a process does: 0.3 s
    make_light()
    events = selectors.DefaultSelector()
    events.register(0, selectors.EVENT_READ)
    events.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in events.select():
            if key.fileobj == 0:
                os._exit(0)
            elif key.fileobj is listening:
                connection, _ = listening.accept()
                order, files = receive(connection)
                fork = os.fork()
                if not fork:  # it keeps this frame: sockets that are freed would close what has their numbers now
                    become(order, files)
                    end(run, order["words"])
                for number in files:
                    os.close(number)
                ended = os.pidfd_open(fork)
                events.register(connection, selectors.EVENT_READ, ended)
                events.register(ended, selectors.EVENT_READ, (fork, connection))
            elif isinstance(key.data, int):
                number = key.fileobj.recv(1)
                if not number:  # the stand-in was killed
                    events.unregister(key.fileobj)
                signal.pidfd_send_signal(key.data, number[0] if number else signal.SIGKILL)
            else:
                fork, connection = key.data
                events.unregister(key.fileobj)
                os.close(key.fileobj)
                with suppress(KeyError):
                    events.unregister(connection)
                with suppress(OSError):
                    connection.sendall(b"%d" % os.waitpid(fork, 0)[1])
                connection.close()


def make_light():
    """Leave a fork little to copy when it begins and little to do when it ends: 20 ms of a core instead of 120."""
    for finalizer in list(weakref.finalize._registry):  # the packages' own: they would undo each of torch's functions
        finalizer.atexit = False
    if "torch._dynamo.utils" in sys.modules:
        atexit.unregister(sys.modules["torch._dynamo.utils"].dump_compile_times)
    gc.collect()
    gc.freeze()  # else a fork's first collection would copy all of the memory
    gc.enable()
    with suppress(OSError):
        collapse_pages()


def collapse_pages():
    """Let Linux keep this process's memory in pages of 2 MB: it copies the table of them for every fork."""
    madvise = ctypes.CDLL(None).madvise
    with open("/proc/self/maps") as regions:
        for addresses, rights, _, _, file, *_ in map(str.split, regions):
            if rights == "rw-p" and file == "0":
                first, last = (int(address, 16) >> 21 for address in addresses.split("-"))
                madvise(ctypes.c_void_p(first + 1 << 21), ctypes.c_size_t(max(0, last - first - 1) << 21), COLLAPSE)


def receive(connection):
    """Return a stand-in's order and its open files."""
    length, files, _, _ = socket.recv_fds(connection, 10, 256)
    data = b""
    while len(data) < int(length):
        data += connection.recv(1 << 20)
    return marshal.loads(data), files


def become(order, files):
    """Take over a stand-in's files, variables, folder and place among the processes."""
    import fcntl

    files = [fcntl.fcntl(number, fcntl.F_DUPFD, MOST) for number in files]
    os.closerange(3, MOST)
    for number, wanted in zip(files, order["files"], strict=True):
        os.dup2(number, wanted)
        os.close(number)
    os.environ.clear()
    os.environ.update(order["variables"])
    os.chdir(order["folder"])
    with suppress(PermissionError):  # of another session
        os.setpgid(0, order["group"])
    os.getppid = lambda: order["parent"]
    sys.executable = f"{os.path.dirname(os.environ[ADDRESS])}/python"
    multiprocessing.set_executable(sys.executable)


def run(words):
    """Run `-m MODULE`, `-c CODE` or a script with its arguments as Python does."""
    kind, *rest = words
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
    sys.modules.pop("sitecustomize", None)
    with suppress(ImportError):
        import sitecustomize  # noqa: F401
    sys.argv[:] = [kind, *rest[1:]] if kind in ("-c", "-m") else words
    if kind == "-m":
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = type(sys)("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(kind)))
        runpy.run_path(kind, run_name="__main__")


def end(function, *arguments):
    """Call a function and end as Python would, but let the system free the memory: freed here, it would be copied."""
    status = 0
    try:
        function(*arguments)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if not isinstance(error.code, int | None):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # waits for those that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a resource tracker has closed it
            stream.flush()
    os._exit(status & 255)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
