"""What the machine gives at most, in the same table: every other figure depends on it."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch

from benchmarks.machine import Copy, Gemm, cores
from benchmarks.race import Figure, Race, Setting, Times, ratio

REPEATS = 8


def machine(setting: Setting) -> Race:
    """Matrix products in one thread, in all, and in as many processes at once as there are cores; copies."""
    side = 128 if setting.tiny else 1536
    gemm, copy = Gemm(torch.float32, side), Copy(2**20 if setting.tiny else 2**28)
    one, every = (_pool(setting, workers) for workers in (1, cores()))
    jobs = [side] * cores()

    def rate(threads: str) -> Callable[[Times], float]:
        return lambda times: REPEATS * gemm.flops / times[threads] / 1e9

    return Race(
        sides={
            "one thread": lambda: _multiply(gemm, 1),
            "all threads": lambda: _multiply(gemm, cores()),
            "in turn": lambda: list(one.map(_multiply_alone, jobs)),
            "at once": lambda: list(every.map(_multiply_alone, jobs)),
            "copy": copy,
        },
        figures=[
            Figure("machine: fp32 GEMM, one thread", "GFLOP/s", rate("one thread")),
            Figure(f"machine: fp32 GEMM, {cores()} threads", "GFLOP/s", rate("all threads")),
            ratio(f"machine: {cores()} GEMMs in turn / at once, a process each", "in turn", "at once"),
            Figure("machine: copy, read + write", "GB/s", lambda times: 2 * copy.size / times["copy"] / 1e9),
        ],
        threads=cores(),
    )


def _pool(setting: Setting, workers: int) -> ProcessPoolExecutor:
    """Return processes that have imported torch and multiplied once."""
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    list(setting.cleanup.enter_context(pool).map(_multiply_alone, [128] * 4 * workers))
    return pool


def _multiply(gemm: Gemm, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    for _ in range(REPEATS):
        gemm()
    torch.set_num_threads(before)


def _multiply_alone(side: int) -> None:
    """Multiply in one thread of this process."""
    _multiply(Gemm(torch.float32, side), 1)
