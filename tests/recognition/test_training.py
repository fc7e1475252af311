"""Training: it learns, it repeats itself, it resumes, it stops with a reason."""

import csv
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import Queue

import numpy as np
import pytest
import torch

from calse.data.clips import COLUMNS
from calse.data.manifests import read_rows, write_rows
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.evaluation.evaluate import evaluate, predict_run
from calse.recognition.architectures.i3d.network import I3D
from calse.recognition.checkpoint import load_checkpoint
from calse.recognition.input import frames_cache
from calse.recognition.input.views import Batch
from calse.recognition.launch.observer import Run
from calse.recognition.launch.train import forget_oldest, slots, train
from calse.recognition.launch.workers import run_side_by_side
from calse.recognition.training.fit import Training, fit
from calse.recognition.training.jobs import Job, jobs_of
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.runtime.locks import locked
from calse.runtime.prefetch import prefetched
from toys import WAYS, make_repository, toy_params, toy_settings


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    make_repository(root, takes=4)
    return root


@pytest.fixture(autouse=True)
def inside(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DVC_ROOT", str(repository))


def jobs(folder: str, **options: object) -> list[Job]:
    params, layout = toy_params(**options), Layout()
    return jobs_of(params, layout, read_split(layout.split("Baseline")), "i3d", "Baseline", Path(folder), Path(folder))


def results(job: Job) -> list[bytes]:
    return [path.read_bytes() for path in (job.checkpoint, job.checkpoint.with_suffix(".json"), job.curve)]


def fitted(folder: str, **options: object) -> list[bytes]:
    """Train the first run of a fresh toy, leaving no state behind."""
    job = jobs(folder, **options)[0]
    fit(job, lambda *_: None)
    (state,) = job.states.glob("*.pt")
    state.unlink()
    return results(job)


class Listener:
    def __init__(self, stop_at: int = 0) -> None:
        self.heard: list[tuple] = []
        self.stop_at = stop_at

    def started(self, run: Run, info: dict) -> None:
        self.heard.append(("started", run, info["fingerprint"]))

    def epoch(self, run: Run, epoch: int, metrics: dict[str, float]) -> None:
        self.heard.append(("epoch", run, epoch, sorted(metrics)))
        if epoch == self.stop_at:
            raise KeyboardInterrupt

    def taken(self, run: Run) -> None:
        self.heard.append(("taken", run))

    def finished(self, run: Run) -> None:
        self.heard.append(("finished", run))

    def failed(self, run: Run, reason: str) -> None:
        self.heard.append(("failed", run, reason))


def outputs() -> dict[str, bytes]:
    folders = (Path("models"), Path("metrics"))
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_the_stage_learns_and_evaluates_what_it_learned():
    params, listener = toy_params(epochs=16), Listener()
    train(params, Layout(), "i3d", "Baseline", listener)
    evaluate(params, Layout(), "i3d", "Baseline")
    scores = json.loads(Path("metrics/evaluate/i3d/Baseline/metrics.json").read_text())["filmed"].values()
    assert sum(score["top1"] * score["clips"] for score in scores) >= 5, "of 6 clips, chance is 2"
    check_events(listener)
    check_predictions()
    assert {path.suffix for path in Path(".scratch/training").iterdir()} == {""}, "no lock is left"


def test_a_source_held_back_is_scored_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    layout = make_repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    split, params = layout.split("Baseline"), replace(toy_params(epochs=1), omit=())
    rows = read_rows(split, COLUMNS)
    held = {row["clip"] for row in rows if row["source"] == "INTERPRETER" and row["take"] == "2"}
    changed = [row | {test: "validation" for test in ("SACU", "STS") if row["clip"] in held} for row in rows]
    write_rows(split, [*COLUMNS, "SACU", "STS"], changed)
    train(params, Layout(), "i3d", "Baseline")
    evaluate(params, Layout(), "i3d", "Baseline")
    assert {json.loads(path.read_text())["clips"] for path in Path("models").rglob("*.json")} == {6}, "of 9"
    predictions = read_rows(Path("metrics/evaluate/i3d/Baseline/predictions.csv"), [])
    validated = [(row["test_source"], row["clip"]) for row in predictions if row["test_set"] == "validation"]
    assert sorted(validated) == sorted(itertools.product(("SACU", "STS"), held))
    measured = json.loads(Path("metrics/evaluate/i3d/Baseline/metrics.json").read_text())
    assert {source: scores["clips"] for source, scores in measured["validation"].items()} == {"SACU": 3, "STS": 3}


def test_a_run_that_another_process_trains_is_waited_for(capfd: pytest.CaptureFixture[str]):
    job, said = jobs("models/turns", epochs=1, lr=0.002)[0], ""
    with ThreadPoolExecutor(1) as thread:
        with locked(job.lock):
            training = thread.submit(run_side_by_side, [job], 1, lambda *_: None)
            while f"{job.run}: another process trains it; waiting" not in said:
                assert not training.done()
                said += capfd.readouterr().err
                time.sleep(0.1)
            assert not job.states.exists()
        training.result()
    assert job.checkpoint.is_file()


def check_events(listener: Listener) -> None:
    for source in ("SACU", "STS"):
        run = Run("i3d", "Baseline", source, 1)
        fingerprint = json.loads(Path(f"models/i3d/Baseline/{source}/seed-1.json").read_text())["fingerprint"]
        epochs = [("epoch", run, number, ["accuracy", "loss", "lr"]) for number in range(1, 17)]
        assert [event for event in listener.heard if event[1] == run] == [
            ("started", run, fingerprint),
            *epochs,
            ("finished", run),
        ]


def check_predictions() -> None:
    with open("metrics/evaluate/i3d/Baseline/predictions.csv", encoding="utf-8", newline="") as file:
        every = list(csv.DictReader(file))
    rows = [row for row in every if row["test_set"] == "filmed"]
    omitted = [row for row in every if row["test_set"] == "omitted"]
    assert {row["test_source"] for row in omitted} == {"SACU"}
    assert [row["rank"] for row in omitted] == [row["rank"] for row in rows if row["test_source"] == "SACU"]
    assert {(row["test_source"], row["gloss"]) for row in rows} == {(s, g) for s in ("SACU", "STS") for g in WAYS}
    with open("metrics/evaluate/i3d/Baseline/scores.csv", encoding="utf-8", newline="") as file:
        scores = list(csv.DictReader(file))
    assert [max(one, key=lambda gloss: float(one[gloss])) for one in scores] == [row["gloss_1"] for row in rows]
    for row in rows:
        assert row["clip"].startswith(row["test_source"])
        assert row[f"gloss_{row['rank']}"] == row["gloss"]
        probabilities = [float(row[f"probability_{place}"]) for place in (1, 2, 3)]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-5)
        assert row["gloss_4"] == "", "there are only three glosses"
    metrics = json.loads(Path("metrics/evaluate/i3d/Baseline/metrics.json").read_text())
    assert metrics["omitted"] == {"SACU": metrics["filmed"]["SACU"]}
    for source, scores in metrics["filmed"].items():
        hits = [row["rank"] == "1" for row in rows if row["test_source"] == source]
        assert scores["top1"] == pytest.approx(np.mean(hits), abs=1e-6)
        assert scores["seeds"]["1"]["clips"] == scores["clips"] == 3


def test_the_seed_decides_every_byte_and_workers_none():
    once, again, other = (fitted(name, seeds=[seed], flip=0.5) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert once == again
    assert once[0] != other[0]
    two, heard = jobs("d", seeds=[1], flip=0.5), []
    run_side_by_side(two, 2, lambda kind, run, *_: heard.append((run, kind)))
    assert results(two[0]) == once, "a process of its own gives the same bytes, also beside another"
    for job in two:
        assert [kind for run, kind in heard if run == job.run] == ["started", "epoch", "epoch", "finished"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="an accelerator has one training at a time")
@pytest.mark.parametrize(("workers", "trainings"), [("1", 1), ("2", 2), ("16", 9)])
def test_one_training_more_than_the_cores_carry_fills_the_waits_of_the_others(monkeypatch, workers, trainings):
    monkeypatch.setenv("CALSE_WORKERS", workers)
    assert slots(toy_settings(threads=2)) == trainings


def test_an_interrupted_training_goes_on_and_gives_the_same_bytes():
    whole = fitted("whole", epochs=3, dropout=0.3)
    job, seen = jobs("parts", epochs=3, dropout=0.3)[0], []

    def stop_after_one(kind: str, *details: object) -> None:
        if kind == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(job, stop_after_one)
    assert not job.checkpoint.exists()
    state = next(job.states.glob("*.pt"))
    assert len(torch.load(state, weights_only=True)["history"]) == 1
    fit(job, lambda kind, *details: seen.append((kind, *details[:1])))
    assert [one[1] for one in seen if one[0] == "epoch"] == [1, 2, 3], "observers hear the whole curve"
    assert results(job) == whole
    state.unlink()


def test_a_finished_training_is_taken_as_it_was_and_a_damaged_one_trained_again():
    job = jobs("before", lr=0.004)[0]

    def told() -> list[str]:
        job.checkpoint.unlink(missing_ok=True)
        kinds: list[str] = []
        fit(job, lambda kind, *_: kinds.append(kind))
        return kinds

    once = ["started", "epoch", "epoch", "finished"]
    assert told() == once
    whole, (state,) = results(job), job.states.glob("*.pt")
    weights = load_checkpoint(job.checkpoint)[0].state_dict().values()
    assert state.stat().st_size < 1.5 * sum(weight.nbytes for weight in weights), "without the optimiser's averages"
    for told_now in (["taken"], once):
        assert told() == told_now
        assert results(job) == whole
        with open(state, "r+b") as file:  # a piece larger than what lies between two weights
            file.seek(state.stat().st_size // 2)
            file.write(bytes(300))


def test_the_trainings_used_longest_ago_go_first_and_none_that_is_under_way(tmp_path: Path):
    for number, name in enumerate(("oldest", "old", "new", "busy")):
        (tmp_path / name).mkdir()
        state = tmp_path / name / "cpu-fp32.pt"
        state.write_bytes(bytes(100))
        os.utime(state, (1000 + number % 3, 1000 + number % 3))
    with locked(tmp_path / "busy.lock"):
        forget_oldest(tmp_path, 210)
    assert {path.name for path in tmp_path.iterdir()} == {"busy", "old", "new"}
    forget_oldest(tmp_path, 0)
    assert not list(tmp_path.iterdir())


def test_a_training_with_other_parameters_is_not_resumed():
    first, second = jobs("x", lr=0.001)[0], jobs("x", lr=0.002)[0]
    assert first.states != second.states


def test_a_stopped_stage_leaves_nothing_behind_and_tells_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")
    before, listener = outputs(), Listener(stop_at=1)
    with pytest.raises(KeyboardInterrupt):
        train(toy_params(epochs=50, seeds=[3]), Layout(), "i3d", "Baseline", listener)
    assert outputs() == before
    assert listener.heard[-1] == ("failed", listener.heard[-1][1], "KeyboardInterrupt")
    assert not list(Path("models/i3d").glob(".*"))
    assert not multiprocessing.active_children()


def test_a_loss_that_is_not_finite_stops_the_stage_and_names_run_and_epoch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")
    torch.save({"Conv3d_1a_7x7.conv3d.weight": torch.full((8, 3, 7, 7, 7), torch.nan)}, "broken.pt")
    with pytest.raises(CalseError, match=r"^i3d/Baseline/SACU/seed-1: loss or gradient is not finite in epoch 1"):
        train(toy_params(pretrained="broken.pt"), Layout(), "i3d", "Baseline")


def test_a_killed_worker_is_named(monkeypatch: pytest.MonkeyPatch):
    class Killer(Listener):
        def started(self, run: Run, info: dict) -> None:
            for child in multiprocessing.active_children():
                os.kill(child.pid or 0, signal.SIGKILL)

    monkeypatch.setenv("CALSE_WORKERS", "1")
    with pytest.raises(CalseError, match=r"^i3d/Baseline/SACU/seed-1: its process died with code -9"):
        train(toy_params(epochs=500), Layout(), "i3d", "Baseline", Killer())


ENDLESS = """
import dataclasses, multiprocessing
from test_training import jobs
from calse.recognition.launch.workers import run_side_by_side

if __name__ == "__main__":
    job = jobs("endless")[0]
    many = {"inputs": job.inputs * 100_000, "labels": job.labels * 100_000}
    job = dataclasses.replace(job, info=job.info | {"steps": 10**9, "epochs": 10**9}, **many)
    run_side_by_side([job], 1, lambda *_: print(multiprocessing.active_children()[0].pid, flush=True))
"""


def test_no_worker_outlives_its_parent(tmp_path: Path):
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    path = os.pathsep.join([*map(str, Path(__file__).parents[:2]), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    outlived = is_running(child)
    if outlived:
        os.kill(child, signal.SIGKILL)
    assert not outlived


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_batch_stays_as_it_is_while_the_next_one_is_made_in_the_buffer_of_the_one_before():
    training, alone = (Training(jobs("buffers", batch=2)[0]) for _ in range(2))
    parts, made = [[0, 1], [2, 3], [4, 5], [6]], Queue[None]()

    def prepare(part: list[int]) -> Batch:
        batch = training._batch(1, part)
        made.put(None)
        return batch

    batches = prefetched(map(prepare, parts), 1)
    for part, batch, more in zip(parts, batches, (2, 1, 1, 0), strict=True):
        for _ in range(more):
            made.get(timeout=30)  # the next one is there
        assert np.array_equal(batch.frames, alone._batch(1, part).frames.copy())


def gradients(micro_batch: int | None = None, clip_norm: float | None = None) -> list[torch.Tensor]:
    training = Training(jobs("micro", batch=5, micro_batch=micro_batch, clip_norm=clip_norm)[0])
    training.model.eval()  # batch statistics are the one thing that small parts change
    training._step(training._batch(1, list(range(5))), torch.tensor([0, 1, 2, 0, 1], device=training.device), 0.0)
    return [weight.grad for weight in training.model.parameters() if weight.grad is not None]


def test_micro_batches_add_up_to_the_batch():
    for whole, parts in zip(gradients(None), gradients(2), strict=True):
        torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-3)


def test_a_gradient_over_the_norm_is_scaled_down_to_it():
    whole = gradients()
    norm = torch.cat([part.flatten() for part in whole]).norm()
    for scaled, part in zip(gradients(clip_norm=norm.item() / 4), whole, strict=True):
        torch.testing.assert_close(scaled, part / 4)
    assert all(map(torch.equal, gradients(clip_norm=2 * norm.item()), whole))


def test_layers_computed_twice_give_the_same_weights_and_statistics():
    once, twice = jobs("once")[0], jobs("twice", recompute=True)[0]
    for job in (once, twice):
        fit(job, lambda *_: None)
    assert load_checkpoint(twice.checkpoint)[0].recompute
    assert twice.checkpoint.read_bytes() == once.checkpoint.read_bytes()


def test_layers_computed_twice_keep_less_for_the_gradient():
    kept = {recompute: kept_bytes(recompute) for recompute in (False, True)}
    assert kept[True] < kept[False] / 2


def kept_bytes(recompute: bool) -> int:
    """Return the size of all tensors that a forward pass keeps for the gradient."""
    sizes: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model = I3D(3, 0.125, recompute=recompute).train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.rand(1, 3, 16, 64, 64))
    return sum(sizes.values())


def test_a_training_starts_from_a_pretrained_checkpoint_and_tells_what_it_took():
    first = jobs("first", epochs=1)[0]
    fit(first, lambda *_: None)
    job = jobs("second", pretrained=str(first.checkpoint))[0]
    training = Training(job)
    assert training.info["pretrained_report"] == "first/SACU/seed-1.safetensors: 287 entries match"
    assert training.info["pretrained_sha256"] == sha256_of(first.checkpoint)
    started = load_checkpoint(first.checkpoint)[0].state_dict()
    assert torch.equal(training.model.state_dict()["logits.conv3d.weight"].cpu(), started["logits.conv3d.weight"])
    with pytest.raises(CalseError, match=r"train\.i3d\.model\.pretrained: none\.pt is missing"):
        jobs("third", pretrained="none.pt")


def test_the_stage_process_needs_no_torch():
    modules = "calse.recognition.launch.train, calse.evaluation.evaluate, calse.recognition.checkpoint"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_recipe_is_refused_by_name():
    Path("data/splits/AF9.csv").write_bytes(Layout().split("Baseline").read_bytes())
    with pytest.raises(CalseError, match="no recipe 'AF9'"):
        train(toy_params(), Layout(), "i3d", "AF9")


def test_a_checkpoint_of_another_split_is_not_evaluated():
    split, text = Layout().split("Baseline"), Layout().split("Baseline").read_text(encoding="utf-8")
    fit(jobs("other", epochs=1)[0], lambda *_: None)
    try:
        split.write_text("".join(text.splitlines(keepends=True)[:-1]), encoding="utf-8")
        with pytest.raises(CalseError, match="was trained on another"):
            predict_run(
                Run("i3d", "Baseline", "SACU", 1),
                read_split(split),
                {},
                Layout(),
                Path("other/SACU/seed-1.safetensors"),
            )
    finally:
        split.write_text(text, encoding="utf-8")


MANY = """
import resource, sys
from dataclasses import asdict, replace
from calse.data.clips import COLUMNS
from calse.data.manifests import write_rows
from calse.data.paths import Layout
from calse.evaluation.evaluate import evaluate
from calse.recognition.launch.train import train
from calse.data.splits import read_split
from toys import make_repository, toy_params

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
    layout = Layout()
    make_repository(layout.root, takes=1)
    split = read_split(layout.split("Baseline"))
    clips = [replace(split.clips[n % 9], clip=f"{split.clips[n % 9].clip}-{n}", take=n + 1) for n in range(450)]
    rows = [asdict(clip) | {"SACU": "test" if clip.source == "SACU" else "train"} for clip in clips]
    write_rows(layout.split("Baseline"), [*COLUMNS, "SACU"], rows)
    params = replace(toy_params(epochs=1, frames=9, batch=200, micro_batch=150), test_sources=("SACU",), omit=())
    train(params, layout, "i3d", "Baseline")
    evaluate(params, layout, "i3d", "Baseline")
"""


def test_more_clips_and_larger_batches_than_a_process_may_have_files_open(tmp_path: Path):
    (tmp_path / "many.py").write_text(MANY)
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(frames_cache.__file__).parents[3])])
    environment = os.environ | {"PYTHONPATH": path, "DVC_ROOT": str(tmp_path), "CALSE_WORKERS": "1"}
    done = subprocess.run([sys.executable, "many.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "metrics/evaluate/i3d/Baseline/predictions.csv", newline="", encoding="utf-8") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 150
