"""A tiny study as DVC leaves it: one source, two sets, one training, and the dvc.lock that vouches for them."""

import hashlib
import json
import subprocess
from pathlib import Path

from mlflow import MlflowClient
from ruamel.yaml import YAML

from calse.config.params import as_dict, read_params
from calse.data.paths import Layout
from calse.recognition.checkpoint import save_checkpoint
from calse.recognition.launch.observer import Run
from calse.recognition.network import find_network
from calse.runtime.files import write_json
from calse.tracking.live import Tracker
from calse.tracking.place import locked_store, store_uri
from calse.tracking.runs import Store
from toys import toy_settings

PARAMS = read_params(Path(__file__).parents[1] / "presets/synthetic.yaml")
RUN = Run("i3d", "AF1", "SACU", 1)
INFO = {
    "recogniser": "i3d",
    "recipe": "AF1",
    "test_source": "SACU",
    "seed": 1,
    "params": {"optim": {"batch": 10, "lr": 0.01}, "model": {"pretrained": "/somewhere/kinetics.pt"}},
    "classes": ["AÑO", "NO"],
    "clips": 10,
    "epochs": 2,
    "fingerprint": "f" * 64,
    "split_sha256": "5" * 64,
}
NAME = "i3d-AF1-SACU-1"
RUNS = {"ingest@SACU", "augment@AF1", "swap@DF-1", NAME, "workspace"}
CURVE = "epoch,loss,accuracy\n1,3.0,0.1\n2,1.5,0.2\n"
SCORES = {
    "filmed": {
        "SACU": {"clips": 4, "top1": 0.5, "seeds": {"1": {"clips": 4, "top1": 0.5}}},
        "STS": {"clips": 2, "top1": 1.0, "seeds": {}},
    },
    "mean": {"filmed": {"top1": 0.75}},
    "steps": {"SACU": 2},
}
QUALITY = {"frames": 12, "kept": None, "passed": False, "failed": ["..."], "identity": {"moved": 0.25}}
PARAMS_YAML = """
corpus: {name: toy, sources: {SACU: 1}}
ingest: {fps: 25}
augment: {AF1: {scale: 0.1}}
swap: {DF-1: {erode: 9}}
recipes: {AF1: []}
train: {i3d: {optim: {batch: 10}}}
"""
DVC_YAML = """
stages:
  ingest:
    matrix: {source: "${corpus.sources}"}
    cmd: ingest
    params: [corpus.name, ingest]
    outs: ["metrics/ingest/${item.source}.json": {cache: false}]
  augment:
    matrix: {set: "${augment}"}
    cmd: augment
    params: ["augment.${item.set}"]
    outs: ["data/manifests/sets/${item.set}.csv": {cache: false}]
  swap:
    foreach: ${swap}
    do:
      cmd: swap
      params: ["swap.${key}"]
      deps: [data/splits/AF1.csv, src/fit.py]
      outs: ["metrics/swap/${key}.json": {cache: false}]
  train:
    matrix: {recogniser: "${train}", recipe: "${recipes}"}
    cmd: train
    params: ["train.${item.recogniser}"]
    deps: ["data/splits/${item.recipe}.csv", src/fit.py]
    outs: ["models/${item.recogniser}/${item.recipe}"]
    plots: ["metrics/train/${item.recogniser}/${item.recipe}": {cache: false}]
  evaluate:
    matrix: {recogniser: "${train}", recipe: "${recipes}"}
    cmd: evaluate
    deps: ["data/splits/${item.recipe}.csv", "models/${item.recogniser}/${item.recipe}"]
    outs: ["metrics/evaluate/${item.recogniser}/${item.recipe}/metrics.json": {cache: false}]
"""
# In each folder a process syncs under the name, all of them at the same moment.
RACE = """
import multiprocessing, os, sys
from calse.tracking.runs import import_client
from calse.tracking.sync import sync

def race(folder, start):
    os.chdir(folder)
    start.wait()
    sync()

import_client()
context = multiprocessing.get_context("fork")
folders, os.environ["MLFLOW_EXPERIMENT_NAME"] = sys.argv[1].split(":"), sys.argv[2]
start = context.Barrier(len(folders))
racers = [context.Process(target=race, args=(folder, start)) for folder in folders]
for racer in racers:
    racer.start()
for racer in racers:
    racer.join()
sys.exit(any(racer.exitcode for racer in racers))
"""
yaml = YAML(typ="safe", pure=True)


def race(folders, name):
    """Let several processes sync at once, each in its folder; they share what importing MLflow takes."""
    subprocess.run(["python", "-c", RACE, ":".join(folders), name], check=True)


def md5(path):
    if path.is_file():
        return hashlib.md5(path.read_bytes()).hexdigest()
    entries = [{"md5": md5(file), "relpath": file.relative_to(path).as_posix()} for file in sorted(path.rglob("*.*"))]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"


def stage(params, deps, outs):
    """An entry of dvc.lock for files that lie there."""
    listed = [[{"path": path, "hash": "md5", "md5": md5(Path(path))} for path in paths] for paths in (deps, outs)]
    return {"cmd": "...", "params": {"params.yaml": params}, "deps": listed[0], "outs": listed[1]}


def write_study():
    """One source, two sets, one training with its scores: the files and the dvc.lock that vouches for them."""
    files = {
        ".dvc/config": "[core]\n    no_scm = true\n",
        "dvc.yaml": DVC_YAML,
        "params.yaml": PARAMS_YAML,
        "data/splits/AF1.csv": "clip\n",
        "data/manifests/sets/AF1.csv": "clip\none\ntwo\n",
        "src/fit.py": "...",
        "metrics/train/i3d/AF1/SACU-seed-1.csv": CURVE,
    }
    measured = {
        "models/i3d/AF1/SACU/seed-1": INFO,
        "metrics/ingest/SACU": {"clips": 3},
        "metrics/swap/DF-1": QUALITY,
        "metrics/evaluate/i3d/AF1/metrics": SCORES,
    }
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    for path, value in measured.items():
        write_json(Path(f"{path}.json"), value)
    write_lock()


def write_lock():
    code, split, models = "src/fit.py", "data/splits/AF1.csv", "models/i3d/AF1"
    stages = {
        "ingest@SACU": stage({"corpus.name": "toy", "ingest": {"fps": 25}}, [], ["metrics/ingest/SACU.json"]),
        "augment@AF1": stage({"augment.AF1": {"scale": 0.1}}, [], ["data/manifests/sets/AF1.csv"]),
        "swap@DF-1": stage({"swap.DF-1": {"erode": 0.5}}, [split, code], ["metrics/swap/DF-1.json"]),
        "train@i3d-AF1": stage(
            {"train.i3d": {"optim": {"batch": 10}}}, [split, code], [models, "metrics/train/i3d/AF1"]
        ),
        "evaluate@i3d-AF1": stage({}, [split, models], ["metrics/evaluate/i3d/AF1/metrics.json"]),
        "train@i3d-GONE": stage({"train.i3d": {"optim": {"batch": 99}}}, [], []),
    }
    with open("dvc.lock", "w") as file:
        yaml.dump({"schema": "2.0", "stages": stages}, file)


def client():
    return MlflowClient(store_uri())


def runs(experiment="toy"):
    found = client().search_runs([client().get_experiment_by_name(experiment).experiment_id])
    return {run.info.run_name: run for run in found}


def write_checkpoint():
    """A real network in the place of the study's training."""
    settings = toy_settings(width=0.05)
    info = INFO | {"params": {name: value for name, value in as_dict(settings).items() if name != "seeds"}}
    checkpoint = Layout().models("i3d", "AF1") / "SACU/seed-1.safetensors"
    save_checkpoint(checkpoint, find_network("i3d").built(settings.model, 2), info)
    write_lock()
    return checkpoint


def tracked(info=INFO):
    """A tracker of a training that has begun, in the toy's MLflow experiment."""
    tracker = Tracker(PARAMS)
    tracker.delay = 0
    with locked_store():
        tracker.store = Store("toy")
    tracker.started(RUN, info)
    return tracker
