"""Several stages of the pipeline at once on one machine: `dvc repro` runs one at a time, and many fill one core alone.

Each lane is a process in which DVC itself runs one stage after the other, under DVC's own locks. Only what has changed
is given to a lane, and only when all that it depends on is done; `dvc repro` has the last word on the whole.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from calse.runtime.errors import CalseError
from calse.runtime.executor import progress_bar
from calse.runtime.files import atomic_file
from calse.runtime.lifeline import end_with_parent

Graph = dict[str, set[str]]


def run_stages(jobs: int) -> None:
    """Run every stage that has changed or depends on one that has, `jobs` at a time, like `dvc repro` and to its bytes.

    Raises CalseError when a stage fails, after those beside it have stopped in order.
    """
    with _repository() as repo:
        plan, needed = _plan(repo)
        try:
            with TemporaryDirectory() as folder, Display(len(plan)) as display:
                lanes = [Lane(Path(folder) / str(number)) for number in range(min(jobs, len(plan)))]
                try:
                    _run(plan, needed, lanes, display)
                finally:
                    for lane in lanes:
                        lane.interrupt()
                    for lane in lanes:
                        lane.end()
        finally:
            _tidy_lock(repo)


def urgent_first(plan: list[str], needed: Graph) -> list[str]:
    """Return the stages with the longest chain of stages behind them first; of equal ones those most others wait for,
    then as they are planned.

    `needed` are all that a stage waits for, near and far.
    """
    behind = {name: [other for other in plan if name in needed[other]] for name in plan}
    chain: dict[str, int] = {}
    for name in reversed(plan):
        chain[name] = 1 + max((chain[other] for other in behind[name]), default=0)
    return sorted(plan, key=lambda name: (-chain[name], -len(behind[name])))


def _run(plan: list[str], needed: Graph, lanes: "list[Lane]", display: "Display") -> None:
    waiting, done = urgent_first(plan, needed), set[str]()
    for lane in lanes:
        lane.await_start()
    while len(done) < len(plan):
        free = [lane for lane in lanes if not lane.stage]
        ready = [name for name in waiting if needed[name] <= done][: len(free)]
        for lane, name in zip(free, ready, strict=False):
            waiting.remove(name)
            lane.start(name)
            display.started(name)
        busy = {lane.connection: lane for lane in lanes if lane.stage}
        for connection in wait(list(busy)):
            lane = busy[cast(Connection, connection)]
            name, failure = lane.stage, lane.result()
            display.ended(name, lane.log.read_text(encoding="utf-8", errors="replace"))
            if failure:
                raise CalseError(failure)
            done.add(name)


class Lane:
    """A process that runs one stage at a time; what the stage prints is in the file `log`."""

    def __init__(self, log: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.log, self.stage = log, ""
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_lane, args=(theirs, log), daemon=True)
        self.process.start()
        theirs.close()

    def await_start(self) -> None:
        """Wait until the process leads a group of its own: from then on `interrupt` reaches whatever it runs."""
        with suppress(EOFError):  # it died; so will its first stage
            self.connection.recv()

    def start(self, name: str) -> None:
        """Begin a stage."""
        self.stage = name
        with suppress(BrokenPipeError):  # `result` says so
            self.connection.send(name)

    def result(self) -> str:
        """Wait for the stage; return why it failed, nothing when it did not."""
        name, self.stage = self.stage, ""
        try:
            return str(self.connection.recv())
        except (EOFError, ConnectionError):
            return f"{name}: the process that ran it died; out of memory? Run one stage at a time: dvc repro"

    def interrupt(self) -> None:
        """Let a stage that runs stop in order, as on Ctrl-C."""
        if self.stage and self.process.is_alive():
            with suppress(ProcessLookupError):
                os.killpg(cast(int, self.process.pid), signal.SIGINT)

    def end(self) -> None:
        """Wait until the process has ended."""
        self.connection.close()
        self.process.join()


def _lane(connection: Connection, log: Path) -> None:
    """Run stages by name until the other end is closed."""
    from dvc import dvcfile  # type: ignore[import-untyped]

    os.setpgrp()  # so that Ctrl-C comes once, from the process that knows what else is running
    end_with_parent()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # stages would inherit that it is ignored
    with suppress(EOFError, BrokenPipeError, KeyboardInterrupt), _repository() as repo:
        connection.send("")
        repo.scm_context.quiet = True  # no advice to `git add` after each stage
        dvcfile.modify_yaml = _quick_change
        while name := connection.recv():
            with open(log, "wb") as file:
                for stream in (sys.stdout, sys.stderr):
                    os.dup2(file.fileno(), stream.fileno())
            connection.send(_failure(repo, name))


def _failure(repo: Any, name: str) -> str:
    """Run a stage; return why it failed in one line, nothing when it did not."""
    try:
        repo.reproduce([name], single_item=True)
    except Exception as error:
        return " ".join(f"{error}: {error.__cause__}".split())[:300]
    return ""


@contextmanager
def _repository() -> Iterator[Any]:
    """Open the repository as DVC sees it, patient with the locks of its neighbours. Raises CalseError in one line."""
    from dvc.exceptions import DvcException  # type: ignore[import-untyped]
    from dvc.repo import Repo  # type: ignore[import-untyped]

    try:
        with Repo(_wait_for_lock=True) as repo:
            yield repo
    except DvcException as error:
        raise CalseError(" ".join(f"{error} {error.__cause__ or ''}".split())[:300]) from None


def _all_stages(repo: Any) -> tuple[list[str], Graph]:
    """Return all stages in the order in which `dvc repro` runs them, and those that each waits for."""
    from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro  # type: ignore[import-untyped]

    graph = get_active_graph(repo.index.graph)
    plan = plan_repro(graph, collect_stages(repo, ["dvc.yaml"]))
    return [stage.addressing for stage in plan], {
        stage.addressing: {dep.addressing for dep in graph.successors(stage)} for stage in plan
    }


def _plan(repo: Any) -> tuple[list[str], Graph]:
    """Return the stages that may have to run, in order, and all of these that each waits for, near and far."""
    changed = set(repo.status())
    plan, direct = _all_stages(repo)
    needed: Graph = {}
    for name in plan:
        before = {dep for dep in direct[name] if dep in needed}
        if name in changed or before:
            needed[name] = before.union(*(needed[dep] for dep in before))
    return list(needed), needed


@contextmanager
def _quick_change(path: str, fs: object) -> Iterator[dict[str, Any]]:
    """Change dvc.lock as DVC's `modify_yaml` does, but parse and write it in C; DVC passes the file system too.

    DVC keeps comments, of which dvc.lock has none, and takes 1.1 s for the demo's: after every stage.
    """
    file = Path(path)
    data = _quick_yaml().load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    yield data
    with atomic_file(file) as aside, open(aside, "w", encoding="utf-8") as text:
        _quick_yaml().dump(data, text)


def _quick_yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.representer.add_representer(OrderedDict, type(yaml.representer).represent_dict)
    return yaml


def _tidy_lock(repo: Any) -> None:
    """Bring dvc.lock to the bytes that `dvc repro` writes: stages end in any order, with nulls spelt out."""
    from dvc.utils.serialize import dumps_yaml  # type: ignore[import-untyped]
    from ruamel.yaml.error import YAMLError

    path = Path(repo.root_dir) / "dvc.lock"
    with repo.lock, suppress(YAMLError):  # half of it, after an interruption: `calse unlock` mends it
        if not path.is_file():
            return
        before = path.read_text(encoding="utf-8")
        lock = _quick_yaml().load(before)
        place = {name: number for number, name in enumerate(_all_stages(repo)[0])}
        stages = lock["stages"]
        lock["stages"] = {name: stages[name] for name in sorted(stages, key=lambda name: place.get(name, len(place)))}
        if (after := dumps_yaml(lock)) != before:
            with atomic_file(path) as aside:
                aside.write_text(after, encoding="utf-8")


class Display:
    """What runs, on stderr; what a stage has printed comes in one piece at its end, and how long it took."""

    def __init__(self, total: int) -> None:
        self.bars = progress_bar()
        self.all = self.bars.add_task("stages", total=total)
        self.tasks: dict[str, Any] = {}
        self.since: dict[str, float] = {}

    def __enter__(self) -> "Display":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        for task in self.tasks.values():
            self.bars.remove_task(task)
        self.bars.stop()

    def started(self, name: str) -> None:
        """Draw a line for a stage."""
        self.tasks[name] = self.bars.add_task(name, total=None)
        self.since[name] = time.monotonic()

    def ended(self, name: str, printed: str) -> None:
        """Print what a stage has said and the seconds that it took, and take its line away."""
        self.bars.remove_task(self.tasks.pop(name))
        self.bars.advance(self.all)
        said = f"{printed.strip()}\n{name}: {time.monotonic() - self.since[name]:.0f} s\n"
        self.bars.console.print(said, markup=False, highlight=False, soft_wrap=True)
