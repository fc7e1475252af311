"""What params.yaml says in one place must fit what it says in another: names, lists, limits."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from calse.config.sections import DEFAULT_SEEDS, LONGEST_NAME, NAME
from calse.data.clips import COLUMNS
from calse.runtime.errors import CalseError

# What stands beside sources: a clip's columns in a split, the means in the results, the glossary among the gate's.
RESERVED = frozenset({*COLUMNS, "mean", "validation", "glossary"})
# Windows keeps these for devices: no file or folder there can have such a name, whatever its suffix.
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})

LANDMARKS = "landmarks"  # the recogniser that looks at nothing else

if TYPE_CHECKING:
    from calse.config.params import Params


def flaw_of_name(name: str, others: Iterable[str] = (), reserved: Iterable[str] = ()) -> str:
    """Return why nothing of the study can be called so, or an empty string: names become files and folders.

    Where capitals do not count, as on most disks of Windows and macOS, `sts` and `STS` are one folder; so `name` must
    differ from `others` in more than capitals, and from `reserved` too.
    """
    if not re.fullmatch(NAME, name) or name.endswith("\n") or len(name) > LONGEST_NAME:
        return f"use letters, digits, - and _ only, {LONGEST_NAME} at most"
    if name.casefold() in DEVICES:
        return "Windows can hold no folder of that name; choose another"
    if name.casefold() in reserved:
        return "tables have a column or row of that name; choose another"
    twin = next((other for other in others if other != name and other.casefold() == name.casefold()), None)
    return f"{twin} has that name but for capitals, and some disks would keep both in one folder" if twin else ""


def check_consistency(params: "Params", path: Path) -> None:
    """Raise CalseError for the first thing that does not fit the rest, such as a name that refers to nothing."""
    _check_new_names(params, path)
    _check_sources(params, path)
    _check_without_landmarks(params, path)
    _check_faces(params, path)
    _check_sets(params, path)
    _check_seeds(params, path)
    _check_permuted(params, path)


def _check_new_names(params: "Params", path: Path) -> None:
    """Refuse what no file can be called, or what two things would be called."""
    sets = list(params.sets)
    named = [
        *((f"corpus.sources.{name}", name, list(params.corpus.sources), RESERVED) for name in params.corpus.sources),
        *((f"augment.{name}", name, sets, ()) for name in params.augment),
        *((f"swap.{name}", name, sets, ()) for name in params.swap),
        *((f"recipes.{name}", name, list(params.recipes), ()) for name in params.recipes),
        ("corpus.name", params.corpus.name, list(params.synthesise), ()),
    ]
    for where, name, others, reserved in named:
        flaw = flaw_of_name(name, others, reserved)
        if flaw:
            raise CalseError(f"{path}: {where}: {flaw}")
    for name in params.sets:
        if name.casefold() in {f"omit-{source}".casefold() for source in params.omit}:
            raise CalseError(f"{path}: {name}: the clips of the stage omit have that name; choose another for the set")


def _check_sources(params: "Params", path: Path) -> None:
    """Refuse unknown sources, and a division of them that leaves nothing to train on."""
    for name in params.test_sources:
        _known(f"{path}: test_sources", name, params.sources_of("public"), "a public source")
    if params.validation_source is not None:
        free = [name for name in params.filmed if name not in params.test_sources]
        _known(f"{path}: validation_source", params.validation_source, free, "filmed and outside test_sources")
        if len(params.filmed) == len(params.test_sources) + 1 == 2:
            raise CalseError(f"{path}: validation_source: nothing is left to train on")
    for name in params.landmarks.sources:
        _known(f"{path}: landmarks.sources", name, list(params.corpus.sources), "a source")


def _check_faces(params: "Params", path: Path) -> None:
    """Refuse to recognise by landmarks, to blur or to swap where no landmarks are found."""
    found = params.landmarks.sources
    lacking = [name for name in params.filmed if name not in found]
    if LANDMARKS in params.train and lacking:
        raise CalseError(f"{path}: landmarks.sources: train.{LANDMARKS} needs {', '.join(lacking)} too")
    tested = [name for name in params.test_sources if name in found]
    for name in params.omit:
        _known(f"{path}: omit", name, tested, "a test source in landmarks.sources")
    donors = [name for name in params.sources_of("donor") if name in found]
    signers = [name for name in params.sources_of("interpreter") if name in found]
    for name, settings in params.swap.items():
        _known(f"{path}: swap.{name}.donor", settings.donor, donors, "a donor in landmarks.sources")
        _known(f"{path}: swap.{name}.signers", settings.signers, signers, "an interpreter in landmarks.sources")


def _check_sets(params: "Params", path: Path) -> None:
    """Refuse a swapped set without the settings of its method, and a recipe of unknown sets."""
    for name, settings in params.swap.items():
        if settings.method not in params.swap_train:
            raise CalseError(
                f"{path}: swap.{name}.method: swap-train has no section {settings.method}; see presets/synthetic.yaml"
            )
        if name in params.augment:
            raise CalseError(f"{path}: swap.{name}: a set of augment has that name already; choose another")
    for name, recipe in params.recipes.items():
        for set_name in recipe.sets:
            _known(f"{path}: recipes.{name}", set_name, list(params.sets), "an augmentation set")


def _check_without_landmarks(params: "Params", path: Path) -> None:
    """Refuse what needs landmarks when none are found, all of it in one line."""
    swapped = [name for name, recipe in params.recipes.items() if set(recipe.sets) & set(params.swap)]
    wanted = {
        "`omit: []`": params.omit,
        "`swap: {}`": params.swap,
        f"recipes without {', '.join(swapped)}": swapped,
        f"train without {LANDMARKS}": LANDMARKS in params.train,
    }
    missing = [change for change, needs in wanted.items() if needs]
    if missing and not params.landmarks.sources:
        raise CalseError(
            f"{path}: landmarks.sources: without landmarks no face is blurred or swapped; either name sources here, "
            f"or write {', '.join(missing)} (as does: calse preset NAME --without landmarks)"
        )


def _check_seeds(params: "Params", path: Path) -> None:
    """Refuse seeds of a recogniser that no training takes: another value would change no result and say nothing."""
    for name, settings in params.train.items():
        own = getattr(settings, "seeds", DEFAULT_SEEDS)
        if own != DEFAULT_SEEDS and all(recipe.seeds for recipe in params.recipes.values()):
            raise CalseError(f"{path}: train.{name}.seeds: every recipe has seeds of its own; delete this")


def _check_permuted(params: "Params", path: Path) -> None:
    """Refuse to shuffle a single gloss."""
    for name, recipe in params.recipes.items():
        if recipe.permute and params.corpus.glosses == 1:
            raise CalseError(f"{path}: recipes.{name}.permute: corpus.glosses is 1, and one gloss cannot be shuffled")


def _known(where: str, name: str, names: list[str], what: str) -> None:
    """Raise CalseError unless a name is among `names`, which are `what`."""
    if name not in names:
        raise CalseError(f"{where}: {name!r} is not {what}; those are: {', '.join(names) or 'none'}")
