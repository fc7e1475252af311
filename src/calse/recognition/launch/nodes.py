"""Trainings on the nodes of a Ray cluster, each with an accelerator of its own, or with `threads` cores."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from calse.recognition.launch.observer import Run
from calse.recognition.launch.ranks import failure, ranks_of, train_run
from calse.recognition.training.jobs import Job
from calse.runtime.cluster import Watch, cancel, connect, in_our_words, remote, result_of
from calse.runtime.errors import CalseError
from calse.runtime.files import remove_left
from calse.runtime.locks import locked

POLL = 0.5  # seconds between two looks at what trainings tell


def train_on_cluster(jobs: Sequence[Job], tell: Callable[..., None]) -> None:
    """Train all jobs wherever the cluster has room, and pass on what they tell: `tell(kind, run, *details)`.

    One whose node dies goes on elsewhere from its last epoch. The first failure stops the others and is raised as
    CalseError.
    """
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray = connect()
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})  # it must not die with another node
    running: dict[Any, Run] = {}
    folders: set[Path] = set()
    once, watch = Once(tell), Watch(ray)
    try:
        for job in jobs:
            start = remote(ray, max_calls=1, **share_of(ray, job))  # a process of its own for each
            running[start(_train, job, ranks_of(job.run.recogniser, job.settings), handles=[messages])] = job.run
        while running:
            watch.look()
            done, _ = ray.wait(list(running), timeout=POLL)
            for message in messages.get_nowait_batch(messages.qsize()):
                once(*message)
            for reference in done:
                run = running.pop(reference)
                try:
                    result_of(ray.get(reference), folders)
                except Exception as error:
                    raise CalseError(f"{run}: {failure(in_our_words(error))}") from None
    finally:
        cancel(ray, list(running))
        messages.shutdown(force=True)
        remove_left(folders)


def share_of(ray: Any, job: Job) -> dict[str, Any]:
    """Return what a training takes of a node. Raises CalseError when no node has as much."""
    ranks = ranks_of(job.run.recogniser, job.settings)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    kind, share = "CPU", ranks * getattr(job.settings, "threads", 1)
    if any(node.get("GPU") for node in nodes):
        kind, share = "GPU", ranks
    most = max((int(node.get(kind, 0)) for node in nodes), default=0)
    if most < share:
        what = f"train.{job.run.recogniser}.threads x CALSE_RANKS" if kind == "CPU" else "CALSE_RANKS"
        raise CalseError(f"{what} is {share}, but no node of the Ray cluster has over {most} {kind}")
    return {f"num_{kind.lower()}s": share}


class Once:
    """Passes on what trainings tell, but nothing again that one told before its node died."""

    def __init__(self, tell: Callable[..., None]) -> None:
        self.tell = tell
        self.epochs: dict[Run, int] = {}

    def __call__(self, kind: str, run: Run, *details: Any) -> None:
        """Pass one message on."""
        if kind == "started":
            if run in self.epochs:
                return
            self.epochs[run] = 0
        elif kind == "epoch":
            if details[0] <= self.epochs[run]:
                return
            self.epochs[run] = details[0]
        elif kind == "taken" and run in self.epochs:  # its node died between the last epoch and the checkpoint
            kind = "finished"
        self.tell(kind, run, *details)


def _train(job: Job, ranks: int, messages: Any) -> None:
    """Train one run in this process, telling over a queue."""

    def tell(kind: str, *details: Any) -> None:
        """Put a message of this run into the queue."""
        messages.put((kind, job.run, *details))

    with locked(job.lock, waiting=lambda: tell("waiting")):
        train_run(job, ranks, tell)
