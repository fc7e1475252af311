"""How the videos of people who do not want them shared, and all that is made of them, stay out of `dvc push`.

DVC's own flag `push: false` keeps them out, so that it holds for every push: of an experiment or by hand.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from calse.config.params import Params
from calse.data.consent import read_consent
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import written_aside

# Outputs with nobody in them: landmark models are published, the encoder is learned from random signs.
OF_NOBODY = ("models/published", "models/encoder/")


def check_withheld(params: Params, layout: Layout) -> None:
    """Raise CalseError when `dvc push` would send what was made of a source that somebody does not share."""
    withheld = read_consent(params, layout).without("share")
    for path in _dvc_files(params, layout, withheld):
        for out, flags in _outs_of_people(_read(path)):
            if flags.get("push", True):
                raise CalseError(
                    f"source {min(withheld)} is not to be shared, but {path.relative_to(layout.root)} lets `dvc push` "
                    f"send {out}; run: calse withhold"
                )


def withhold(params: Params, layout: Layout) -> list[Path]:
    """Keep raw videos of the sources that are not to be shared out of `dvc push`; return the files that were changed.

    All that is made of videos stays here too, of all sources: one line of dvc.yaml stands for them all.
    A source whose videos are not added yet gets a .dvc file with the flag, which `dvc add` keeps.
    """
    withheld = read_consent(params, layout).without("share")
    for source in withheld:
        raw = layout.raw(params.corpus.name) / source
        if params.corpus.name not in params.synthesise and raw.is_dir() and not _added(raw):
            _write(raw.with_name(f"{source}.dvc"), {"outs": [{"path": source}]})
    changed = []
    for path in _dvc_files(params, layout, withheld):
        tree = _read(path)
        pushed = [flags for _, flags in _outs_of_people(tree) if flags.get("push", True)]
        for flags in pushed:
            flags["push"] = False
        if pushed:
            _write(path, tree)
            changed.append(path)
    return changed


def _dvc_files(params: Params, layout: Layout, withheld: frozenset[str]) -> list[Path]:
    """Return the files that decide whether DVC pushes unshared sources and what is made of them."""
    added = [path for source in sorted(withheld) for path in _added(layout.raw(params.corpus.name) / source)]
    pipeline = layout.root / "dvc.yaml"
    return list(dict.fromkeys([pipeline, *added])) if withheld and pipeline.is_file() else []


def _added(raw: Path) -> list[Path]:
    """Return the .dvc files of a source's raw videos: of its own folder, or of one above."""
    folders = (raw, raw.parent, raw.parent.parent)
    return [path for folder in folders if (path := folder.with_name(f"{folder.name}.dvc")).is_file()]


def _outs_of_people(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield path and flags of what a .dvc file or dvc.yaml caches and people went into; the flags can be changed."""
    for out in tree.get("outs", []):
        yield out["path"], out
    for stage in tree.get("stages", {}).values():
        outs = stage.get("do", stage).get("outs", [])
        for place, out in enumerate(outs):
            name, flags = (out, CommentedMap()) if isinstance(out, str) else next(iter(out.items()))
            if flags.get("cache", True) and not name.startswith(OF_NOBODY):
                after = outs.ca.items.pop(place, [None])[0]  # an empty line, a comment: it stays behind the flag
                outs[place] = {name: flags}
                if after is not None:
                    flags.ca.items["push"] = [None, None, after, None]
                yield name, flags


def _read(path: Path) -> Any:
    """Return a file of DVC's. Raises CalseError when it is not one."""
    try:
        tree = _yaml().load(path)
        list(_outs_of_people(tree))
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, KeyError):
        raise CalseError(f"{path} is not a file that DVC can read; `git checkout {path}` restores it") from None
    return tree


def _yaml() -> YAML:
    """Return a reader and writer that keeps comments, order and lines."""
    yaml = YAML(typ="rt", pure=True)
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes, yaml.width = True, 4096
    return yaml


def _write(path: Path, tree: Any) -> None:
    with written_aside(path) as aside:
        _yaml().dump(tree, aside)
