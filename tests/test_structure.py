"""The house rules that keep stages skippable and packages apart, read off the code itself."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from calse.recognition.input.frames import CODE
from calse.recognition.registry import find_recogniser

SOURCE = Path("src")
LOCKS = ("requirements.txt", "requirements-extras.txt")
STAGES = {
    name: stage.get("do", stage) for name, stage in YAML(typ="safe", pure=True).load(Path("dvc.yaml"))["stages"].items()
}
# What carries, checks or tells without shaping a result: a change there reruns nothing.
PLUMBING = {
    "__init__.py", "__main__.py", "calse/augment/registry.py", "calse/cli", "calse/config", "calse/data/manifests.py",
    "calse/data/paths.py", "calse/data/splits.py", "calse/faceswap/registry.py", "calse/recognition/launch",
    "calse/recognition/registry.py", "calse/recognition/settings.py", "calse/runtime", "calse/tracking", "method.py",
}  # fmt: skip
ARITHMETIC = SOURCE / "calse/runtime/device.py"  # which shapes results though it lies among what carries them
SWAP_METHODS = SOURCE / "calse/faceswap/methods"
SCREEN = {SOURCE / "calse/recognition/launch/display.py", SWAP_METHODS / "autoencoder/model/preview.py"}
VIEW = "view.py"  # how a recogniser looks at videos from anywhere, which no stage does
# What a recogniser or a face-swap method can do beside what the stage asks of it.
NOT_ASKED = {
    "swap-train": set(SWAP_METHODS.glob("*/convert.py")),
    "swap": set(SWAP_METHODS.glob("*/model/train.py")),
    "inputs": {
        SOURCE / "calse/recognition/network.py",
        *(path for path in SOURCE.glob("calse/recognition/architectures/*/*.py") if path.name != "recogniser.py"),
    },
    "train": {SOURCE / "calse/recognition/inference.py"},
    "evaluate": {SOURCE / "calse/recognition/pretrained.py"},
}
# A package imports none that stands below it; config knows what may stand in params.yaml from registries
# and the clip record alone.
PACKAGES = (
    "runtime", "config", "video", "data", "corpus", "landmarks", "augment", "faceswap", "recognition", "evaluation",
    "report", "browse", "serve", "tracking", "people", "publish", "doctor", "cli",
)  # fmt: skip
# A registry imports these files of its folder when it is asked.
REGISTERED = {
    SOURCE / "calse/augment/registry.py": (SOURCE / "calse/augment", "*.py"),
    SOURCE / "calse/faceswap/registry.py": (SWAP_METHODS, "*/method.py", "*/convert.py", "*/model/train.py"),
    SOURCE / "calse/recognition/registry.py": (SOURCE / "calse/recognition/architectures", "*/recogniser.py"),
}
ARCHITECTURES = SOURCE / "calse/recognition/architectures"
RECOGNISERS = sorted(path.parent.name for path in ARCHITECTURES.glob("*/recogniser.py"))
OWN_CODE = {name: {SOURCE / "calse" / file for file in find_recogniser(name).code} for name in RECOGNISERS}
METHODS = sorted(path.parent.name for path in SWAP_METHODS.glob("*/method.py"))
KINDS = sorted({path.stem for path in Path("src/calse/augment").glob("*.py")} - {"__init__", "registry", "stage"})
LAUNCHED = {SOURCE / "calse/recognition/launch/train.py"}
APART = {"corpus", "augment", "faceswap", "recognition"}  # which share records, never code


def path_of(module):
    path = SOURCE / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def imports_of(path, types=True):
    """The files of this project that a file imports, inside functions too, and those whose types alone it needs."""
    folder, *patterns = REGISTERED.get(path, (path,))
    found = {file for pattern in patterns for file in folder.glob(pattern)}
    tree = ast.parse(path.read_text())
    checked = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unread = [] if types else [inner for node in checked for inner in ast.walk(node)]
    for node in (node for node in ast.walk(tree) if node not in unread):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("calse", "signers"):
            found.add(path_of(node.module))
            inner = [path_of(f"{node.module}.{alias.name}") for alias in node.names]
            found |= {file for file in inner if file.is_file()}
        elif isinstance(node, ast.Import):
            found |= {path_of(alias.name) for alias in node.names if alias.name.split(".")[0] in ("calse", "signers")}
    return found


def closure(path, left_out=frozenset()):
    seen, waiting = set(), {path}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        # What only carries shapes nothing by what it imports; what launches trainings does.
        if (
            file == path
            or shapes_output(file)
            or "launch" in file.parts
            or file in REGISTERED
            or file.name == "method.py"
        ):
            waiting |= {each for each in imports_of(file, types=False) - seen - SCREEN - left_out if each.name != VIEW}
    return seen


def package(path):
    """The package of a file of calse; that of signers, which knows nothing of the study, is its own."""
    parts = path.relative_to(SOURCE).parts
    return parts[1].removesuffix(".py") if parts[0] == "calse" and len(parts) > 2 else parts[0]


def shapes_output(path):
    names = {path.name, *(parent.relative_to(SOURCE).as_posix() for parent in [path, *path.parents][:-2])}
    return path == ARITHMETIC or not names & PLUMBING


def entry_of(stage):
    """The module whose function the command of that name calls: the first import of the command's body."""
    for node in ast.parse((SOURCE / "calse/cli/stages.py").read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == stage.replace("-", "_"):
            modules = [path_of(part.module) for part in node.body if isinstance(part, ast.ImportFrom)]
            return next(file for file in modules if package(file) not in ("config", "runtime", "tracking"))
    raise LookupError(stage)


def code_of(stage):
    """The code that a stage lists, whatever recogniser, face-swap method or kind of set it is run for."""
    deps = [dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]
    for item, names in {
        "${item.recogniser}": RECOGNISERS,
        "${item.method}": METHODS,
        "${item.kind}": KINDS,
    }.items():
        deps = [dep.replace(item, name) for dep in deps for name in (names if item in dep else [""])]
    return [Path(dep) for dep in deps]


@pytest.mark.parametrize("recogniser", RECOGNISERS)
def test_a_recogniser_needs_none_of_the_code_that_is_another_ones(recogniser):
    own = SOURCE / "calse/recognition/architectures" / recogniser
    used = closure(own / "recogniser.py", {SOURCE / "calse/recognition/registry.py"})
    others = {file for file in used if ARCHITECTURES in file.parents} - set(own.rglob("*.py"))
    assert {file for file in others if file.name != "__init__.py"} == set()


@pytest.mark.parametrize("recogniser", RECOGNISERS)
def test_a_recogniser_names_the_code_that_it_alone_needs(recogniser):
    own = SOURCE / "calse/recognition/architectures" / recogniser
    left_out = NOT_ASKED["train"] | {SOURCE / "calse/recognition/registry.py"}
    trains = {file for file in closure(own / "recogniser.py", left_out) if shapes_output(file)}
    listed = [own, *(dep for dep in code_of("train") if ARCHITECTURES not in dep.parents)]
    unlisted = {file for file in trains if not any(file == dep or dep in file.parents for dep in listed)}
    assert unlisted == OWN_CODE[recogniser]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_shapes_its_output(stage):
    listed = code_of(stage)
    entry = entry_of(stage)
    used = {file for file in closure(entry, NOT_ASKED.get(stage, set())) if shapes_output(file)} | ({entry} - LAUNCHED)
    named = set().union(*OWN_CODE.values())
    used = used | named if stage == "inputs" else used - named if "${item.recogniser}" in STAGES[stage]["cmd"] else used
    unlisted = {file for file in used if not any(file == dep or dep in file.parents for dep in listed)}
    assert not unlisted
    assert not {
        dep
        for dep in listed
        if dep.suffix in ("", ".py") and not any(file == dep or dep in file.parents for file in used)
    }


def test_kept_frames_are_named_after_exactly_the_code_that_shapes_them():
    used = {file for file in closure(SOURCE / "calse/recognition/input/frames.py") if shapes_output(file)}
    assert {SOURCE / "calse" / name for name in CODE} == used


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_command_of_the_same_name_run_on_the_clones_own_code(stage):
    assert STAGES[stage]["cmd"].startswith(f"PYTHONPATH=src python -m calse {stage}")
    assert entry_of(stage).is_file()


def wrong_imports(path):
    """What a file imports and must not."""
    here = package(path)
    others = {file for file in imports_of(path) if package(file) != here}
    if here not in PACKAGES:
        return others if here == "signers" else set()
    others = {file for file in others if package(file) in PACKAGES}
    others -= {file for file in others if here == "config" and file.name in ("registry.py", "clips.py")}
    below = {file for file in others if PACKAGES.index(package(file)) > PACKAGES.index(here)}
    return below | {file for file in others if {here, package(file)} <= APART}


def test_imports_go_one_way():
    files = sorted(SOURCE.rglob("*.py"))
    assert {str(path): wrong for path in files if (wrong := wrong_imports(path))} == {}


def test_tests_lie_in_the_package_that_they_test():
    folders = {path.parent for path in Path("tests").rglob("test_*.py")} - {Path("tests")}
    assert {str(folder.relative_to("tests")) for folder in folders} <= {*PACKAGES, "signers"}


def test_the_picture_of_the_packages_is_that_of_the_imports():
    drawn = set(re.findall(r"^    (\w+) --> (\w+)$", Path("docs/architecture.md").read_text(encoding="utf-8"), re.M))
    files = [path for path in SOURCE.rglob("*.py") if package(path) in PACKAGES[:-1]]
    real = {(package(path), package(file)) for path in files for file in imports_of(path)}
    real = {(here, there) for here, there in real if here != there and (here != "config" or there == "runtime")}
    assert drawn <= real
    reached = drawn
    while more := {(a, d) for a, b in reached for c, d in drawn if b == c} - reached:
        reached = reached | more
    assert real <= reached


@pytest.mark.parametrize("page", [*Path().glob("*.md"), *Path("docs").glob("*.md")], ids=str)
def test_what_a_page_links_to_is_there(page):
    text = page.read_text(encoding="utf-8")
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert not [target for target in targets if not (page.parent / target).exists()]


def test_the_readme_shows_the_packages_as_they_are():
    layout = Path("README.md").read_text(encoding="utf-8").split("## Layout")[1].split("```")[1]
    names = [(line.startswith(" "), line.split("   ")[0].split() or line.split()[:1]) for line in layout.splitlines()]
    shown = [SOURCE / "calse" / name if inside else Path(name) for inside, some in names for name in some]
    made = {Path(name) for name in ("models", "metrics", "data")}
    assert not [path for path in shown if not path.exists() and path not in made]
    assert {path.name for path in shown if path.parent == SOURCE / "calse"} == set(PACKAGES)


def test_the_page_of_the_pipeline_has_every_stage_in_order():
    named = re.findall(r"^\| ([\w-]+) \|", Path("docs/pipeline.md").read_text(encoding="utf-8"), re.M)
    assert named == ["stage", *STAGES]


def test_an_init_holds_no_code():
    full = {path for path in SOURCE.rglob("__init__.py") if len(ast.parse(path.read_text()).body) > 1}
    assert not full


def modules_after(statement):
    command = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_command_line_imports_nothing_heavy():
    heavy = {"torch", "mlflow", "great_expectations", "decord", "pandas", "numpy", "numba", "cv2", "pydantic"}
    assert not heavy & modules_after("import calse.cli.stages")


def test_reading_the_parameters_imports_nothing_heavy():
    heavy = {"torch", "mlflow", "great_expectations", "decord", "pandas", "numpy", "numba", "cv2", "av", "torchvision"}
    assert not heavy & modules_after("from calse.config.params import read_params; read_params()")


@pytest.mark.parametrize("module", ["recognition.launch.train", "faceswap.convert"])
def test_the_parent_of_workers_that_use_torch_stays_light(module):
    assert "torch" not in modules_after(f"import calse.{module}")


def test_torch_and_torchvision_are_a_pair():
    """A CPU build of one beside a CUDA build of the other fails right here."""
    import torch
    from torchvision.ops import nms

    assert nms(torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9]]), torch.tensor([0.5, 0.9]), 0.5).tolist() == [1]


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_is_hashed_and_names_no_registry(lock):
    text = Path(lock).read_text()
    assert "://" not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(pins) > 50
    assert all("==" in line and line.endswith("\\") for line in pins)


def test_both_locks_hold_the_same_version_of_a_package():
    main, extras = (dict(re.findall(r"^([\w.-]+)==(\S+)", Path(lock).read_text(), re.MULTILINE)) for lock in LOCKS)
    shared = main.keys() & extras.keys()
    assert len(shared) > 50
    assert {name: extras[name] for name in shared} == {name: main[name] for name in shared}
