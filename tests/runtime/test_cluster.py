"""CALSE_EXECUTOR=ray: the same results on the nodes of a cluster, whichever of them die."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.recognition.launch.nodes import Once
from calse.recognition.launch.observer import Run
from calse.runtime import cluster
from calse.runtime.errors import CalseError
from calse.runtime.executor import map_parallel

LAUNCH = Path("launch").resolve()
CODE = os.pathsep.join(str(Path(name).resolve()) for name in ("src", "tools", "tests"))
WORK = """
import os, signal, sys, time
from pathlib import Path
from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file
def square(number):
    return number * number
def refuse(number):
    raise CalseError(f"clip {number} is damaged")
def die(number):
    os.kill(os.getpid(), signal.SIGKILL)
def write(path):
    with atomic_file(Path(path)) as aside:
        aside.touch()
        if not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
def hostile(word):
    while word == "loop":
        pass
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "huge":
        return len(bytearray(8 << 30))
    if word == "refuse":
        raise CalseError("no video")
    return word
def sleep(seconds):
    Path(f"{os.getpid()}.pid").touch()
    time.sleep(seconds)
"""
TRAIN = """
import sys
from calse.data.paths import Layout
from calse.recognition.launch.train import train
from toys import toy_params
class Heard:
    def started(self, run, info):
        print("started", run.test_source, flush=True)
    def epoch(self, run, epoch, metrics):
        print(epoch, run.test_source, flush=True)
    def finished(self, run):
        print("finished", run.test_source, flush=True)
    def __getattr__(self, name):
        return lambda *_: None
train(toy_params(epochs=4), Layout(), "i3d", "Baseline", Heard())
"""


@pytest.fixture(scope="module")
def nodes():
    """A cluster's address, and what adds a node to it."""
    pytest.importorskip("ray", reason="needs the extra cluster")
    os.environ.setdefault("RAY_worker_niceness", "0")  # 15, and a clip's time by the clock is over before its CPU time
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # else workers start for each command, used by none
    from torture.nodes import three_nodes

    with three_nodes() as both:
        yield both


@pytest.fixture
def address(nodes):
    return nodes[0]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a module `work`, which is the working directory."""
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def environment(here, address=None, **more):
    ray = {"CALSE_EXECUTOR": "ray", "RAY_ADDRESS": address} if address else {}
    return os.environ | {"PYTHONPATH": f"{CODE}{os.pathsep}{here}", "DVC_ROOT": str(here)} | ray | more


def call(here, *calls, address=None, mapped="calse.runtime.executor.map_parallel", more="", before=()):
    """Map functions of `work`, each over its items, in a process of its own, which a command may start.

    Returns what each gives or says, and whether Ray was imported.
    """
    module, _, name = mapped.rpartition(".")
    code = f"import sys, work; from {module} import {name}\nif __name__ == '__main__':\n"
    for function, items in calls:
        code += f"    try:\n        print({name}(work.{function}, {items}, 'clips'{more}))\n"
        code += "    except work.CalseError as error:\n        print(error)\n"
    (here / "driver.py").write_text(code + "    print('ray' in sys.modules)")
    command = [*before, sys.executable, here / "driver.py"]
    done = subprocess.run(command, env=environment(here, address), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_without_the_variable_ray_is_never_imported(here):
    assert call(here, ("square", [1, 2, 3])) == ["[1, 4, 9]", "False"]


def test_another_executor_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("CALSE_EXECUTOR", "slurm")
    with pytest.raises(CalseError, match="CALSE_EXECUTOR='slurm' is no place to run; unset it, or give local or ray"):
        map_parallel(str, [1], "clips")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_an_address_where_no_cluster_answers_is_reported_at_once(monkeypatch, address):
    pytest.importorskip("ray", reason="needs the extra cluster")
    monkeypatch.setenv("CALSE_EXECUTOR", "ray")
    monkeypatch.setenv("RAY_ADDRESS", address)
    cluster.connect.cache_clear()
    with pytest.raises(CalseError, match=f"no Ray cluster answers at {address}; start one with: ray start --head"):
        map_parallel(str, [1], "clips")


def test_results_keep_their_order_and_what_goes_wrong_is_one_line(here, address):
    calls = [("square", list(range(9))), ("refuse", [7]), ("write", ["made/clip.txt"]), ("die", [1])]
    squares, refused, written, died, ray = call(here, *calls, address=address)
    assert ray == "True"
    assert squares == str([n * n for n in range(9)])
    assert refused == "clip 7 is damaged", "an error is the project's own"
    assert written == "[None]"
    assert Path("died").exists()
    assert [path.name for path in Path("made").iterdir()] == ["clip.txt"], "what the dead process left is removed"
    assert died.startswith("clips: its process or node died 4 times; out of memory?")


def test_a_node_without_the_shared_folder_is_named(here, address):
    """The driver alone has something mounted where the others have an empty folder."""
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c", 'mount -t tmpfs none study && cd study && exec "$@"']
    Path("study").mkdir()
    if subprocess.run([*mount, "sh", "true"], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    mount[-1] = mount[-1].replace("exec", "touch dvc.yaml && exec")
    line, _ = call(here, ("square", [1]), address=address, before=[*mount, "sh"])
    assert line == f"the node {socket.gethostname()} has no {here}/study/dvc.yaml: {cluster.NEEDED}"


def test_a_cluster_of_another_version_says_which(here, address):
    from ray._raylet import GcsClient

    key, place, gcs = b"CLUSTER_METADATA", b"cluster", GcsClient(address=address)
    told = gcs.internal_kv_get(key, namespace=place)
    gcs.internal_kv_put(key, json.dumps(json.loads(told) | {"ray_version": "1.2.3"}).encode(), True, namespace=place)
    try:
        line, _ = call(here, ("square", [1]), address=address)
    finally:
        gcs.internal_kv_put(key, told, True, namespace=place)
    assert line.startswith(f"the Ray cluster at {address} does not take this process: Version mismatch: ")
    assert "Ray: 1.2.3" in line


def test_hostile_files_cost_one_clip_each_as_on_one_machine(here, address):
    hostile = ("hostile", ["ok", "loop", "crash", "huge", "refuse", "ok"])
    sandbox = {"mapped": "calse.runtime.sandbox.map_sandboxed", "more": ", 1"}
    there = call(here, hostile, address=address, **sandbox)
    assert there[0] == call(here, hostile, **sandbox)[0]
    assert there[0].count("Refused") == 4


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_a_stage_that_is_stopped(here, address, number):
    command = (
        "import work; from calse.runtime.executor import map_parallel; map_parallel(work.sleep, [60, 60], 'clips')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command], env=environment(here, address), stderr=subprocess.DEVNULL
    ) as running:
        while len(found := list(here.glob("*.pid"))) < 2:
            time.sleep(0.05)
        running.send_signal(number)
    assert running.returncode, "it was stopped before its 60 seconds were over"
    deadline = time.monotonic() + 20
    while any(Path("/proc", path.stem).exists() for path in found):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_training_whose_node_dies_goes_on_elsewhere_to_the_same_bytes(here, address):
    from torture.nodes import has_begun, kill_node_at_work
    from toys import make_repository

    make_repository(here)
    subprocess.run(["python", "-c", TRAIN], env=environment(here), check=True, capture_output=True)
    local = {path: path.read_bytes() for name in ("models", "metrics") for path in Path(name).rglob("*.*")}
    subprocess.run(["rm", "-r", "models", "metrics", ".scratch/training"], check=True)
    command, variables = [sys.executable, "-c", TRAIN], environment(here, address)
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) as running:
        while not has_begun(here, "train"):
            time.sleep(0.01)
        assert kill_node_at_work(here, random.Random(1))
        heard = running.communicate(timeout=120)[0].splitlines()
    assert running.returncode == 0
    for source in ("SACU", "STS"):
        said = [line.split()[0] for line in heard if line.endswith(source)]
        assert said == ["started", "1", "2", "3", "4", "finished"]
    assert {path: path.read_bytes() for name in ("models", "metrics") for path in Path(name).rglob("*.*")} == local
    assert not list(Path(".scratch").rglob(".*.part*"))


def test_what_a_training_reported_before_its_node_died_is_not_reported_again():
    said = []
    once, run = Once(lambda kind, run, *details: said.append((kind, *details[:1]))), Run("i3d", "AF1", "SACU", 1)
    for message in [("started", run, {}), ("epoch", run, 1, {}), ("started", run, {}), ("epoch", run, 1, {})]:
        once(*message)
    once("epoch", run, 2, {})
    once("taken", run)
    assert said == [("started", {}), ("epoch", 1), ("epoch", 2), ("finished",)]


def test_the_launch_files_are_read_by_what_they_are_for():
    autoscaler = pytest.importorskip("ray.autoscaler._private.util", reason="needs the extra cluster")
    yaml = YAML(typ="safe", pure=True)
    autoscaler.validate_config(autoscaler.prepare_config(yaml.load(LAUNCH / "ray-cluster.yaml")))
    task = yaml.load(LAUNCH / "skypilot.yaml")
    for script in ((LAUNCH / "slurm.sbatch").read_text(), task["setup"], task["run"]):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


GONE = """
import work
from calse.runtime import cluster
from calse.runtime.executor import map_parallel
cluster.NODES_TIMEOUT, cluster.WATCH_INTERVAL = 2, 0.2
try:
    map_parallel(work.sleep, [60, 60, 60], "clips")
except work.CalseError as error:
    print(error)
"""


def test_a_cluster_without_any_node_left_is_not_waited_for_without_end(here, address):
    """It leaves no node to other tests."""
    from torture.nodes import kill_node_at_work

    command = [sys.executable, "-c", GONE]
    with subprocess.Popen(command, env=environment(here, address), stdout=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while running.poll() is None:  # nodes are killed as they begin to work, until none is left
            assert time.monotonic() < deadline
            kill_node_at_work(here, random.Random(1))
            time.sleep(0.1)
        said = running.communicate()[0]
    assert said.startswith("no node of the Ray cluster is left, for 0 minutes now; start nodes and run it again")
    assert running.returncode == 0


def test_a_call_that_takes_more_memory_than_any_node_has_ends_in_one_line(here, nodes, monkeypatch):
    """The last test: the one node that is left takes any call for too large."""
    address, add_node = nodes
    for name, value in {"memory_usage_threshold": "0", "memory_monitor_refresh_ms": "100"}.items():
        monkeypatch.setenv(f"RAY_{name}", value)
    add_node()
    line, _ = call(here, ("sleep", [60]), address=address)
    assert line.startswith("clips: its process or node died 4 times; out of memory?")
