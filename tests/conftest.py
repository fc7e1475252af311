"""For every test: few threads and processes, the fast lane, and what several tests share."""

import fcntl
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import warm

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the commands have them; spinning threads take half of the CPU
for libraries in ("OMP", "OPENBLAS"):  # on arrays as small as ours a second thread only spins: twice the CPU
    os.environ.setdefault(f"{libraries}_NUM_THREADS", "1")
# Else every process would compile all of the code, and pytest all tests in each worker.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ["DVC_TEST"] = "true"  # else each command of DVC starts two more, which send its usage and look for updates
os.environ.setdefault("CALSE_WORKERS", "1")  # each more is a process to start, and other tests have the other cores
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background jobs ignore Ctrl-C, as do their children
# These take longest: begun last, one of them would run on while the other cores rest.
LONGEST = ("test_all_stages", "test_cluster", "test_tracking_server", "test_versioning", "test_extend", "test_taken")
LONGEST += ("test_leaves", "test_anonymise", "test_training", "test_tracking", "test_serve", "test_tracking_places")
SLOW = {"ai_edge_litert", "dlib", "dvc", "great_expectations", "mlflow", "numba", "torch"}


def pytest_addoption(parser):
    parser.addoption("--fast", action="store_true", help="skip tests that import torch and the like or start a process")


def pytest_configure(config):
    """Put the commands on PATH; let a test of the fast lane skip itself as soon as it does what takes long."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if hasattr(os, "pidfd_open"):
            stand_ins = TemporaryDirectory(prefix="calse-")
            config.add_cleanup(stand_ins.cleanup)
            warm.begin(stand_ins.name)
            if getattr(config.option, "tx", None) and not config.getoption("fast"):  # there imports must be seen
                config.option.tx = [f"{worker}//python={stand_ins.name}/python" for worker in config.option.tx]
    else:
        sys.executable = f"{sys.prefix}/bin/python"  # the real one, for a stand-in started this worker
    multiprocessing.set_executable(shutil.which("python"))  # of what this process spawns
    if config.getoption("fast"):
        sys.addaudithook(skip_what_is_slow)
        BaseProcess.__init__ = lambda *_, **__: pytest.skip("starts a process")


def pytest_collection_modifyitems(items):
    """The longest files come first, then those of the whole project, then those of its parts."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (place.get(item.path.stem, len(LONGEST)), len(item.path.parts)))


def skip_what_is_slow(event, arguments):
    if event == "import" and arguments[0].partition(".")[0] in SLOW:
        pytest.skip(f"imports {arguments[0]}", allow_module_level=True)
    if event == "subprocess.Popen" and "PYTEST_CURRENT_TEST" in os.environ:  # not the workers of pytest-xdist
        pytest.skip("starts a process")


@pytest.fixture
def slow(pytestconfig):
    """The fast lane leaves the test out: it waits for a thread that starts a process, which cannot skip it."""
    if pytestconfig.getoption("fast"):
        pytest.skip("starts a process in a thread")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A fresh MLflow store; making one takes seconds, so all workers share it."""
    from calse.tracking.place import locked_store
    from calse.tracking.runs import Store

    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    root, made = shared / "migrated", shared / "migrated/made"
    root.mkdir(exist_ok=True)
    with open(root / "lock", "w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        patch.setenv("DVC_ROOT", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if not made.exists():
            with locked_store():
                Store("toy")
            made.touch()
    return root / "mlruns"


@pytest.fixture
def cold():
    """Processes that the test spawns are no forks of one process (`warm.py`)."""
    multiprocessing.set_executable(sys.executable)
    yield
    multiprocessing.set_executable(shutil.which("python"))


@pytest.fixture
def forked(monkeypatch):
    """What our code starts as `sys.executable` is a fork too (`warm.py`)."""
    monkeypatch.setattr(sys, "executable", shutil.which("python"))


@pytest.fixture
def surroundings(monkeypatch):
    """No variable of DVC or MLflow is set."""
    for name in ("DVC_ROOT", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")  # so that the test's end takes back what mlflow sets
        monkeypatch.delenv(name)


@pytest.fixture
def study(tmp_path, monkeypatch, migrated, surroundings):
    """A repository with a study and an empty store, which is the working directory."""
    from studies import write_study

    monkeypatch.chdir(tmp_path)
    shutil.copytree(migrated, "mlruns")
    write_study()


@pytest.fixture(scope="session")
def s3():
    """The address of an S3-compatible server with an empty bucket `calse`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{address}/calse", method="PUT")).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()
