"""How the videos of people who do not want them shared, and all that is made of them, stay out of `dvc push`.

DVC's own flag `push: false` keeps them out, so that it holds for every push: of an experiment or by hand.
"""

from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from calse.config.params import Params
from calse.data.consent import read_consent
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import write_text

# Outputs with nobody in them: landmark models are published, the encoder is learned from random signs.
OF_NOBODY = ("models/published", "models/encoder/")


def check_withheld(params: Params, layout: Layout) -> None:
    """Raise CalseError when `dvc push` would send what was made of a source that somebody does not share."""
    withheld = read_consent(params, layout).denied_sources("share")
    for path in _dvc_files(params, layout, withheld):
        for out in _outs_of_people(path):
            if out.pushed:
                raise CalseError(
                    f"source {min(withheld)} is not to be shared, but {path.relative_to(layout.root)} lets `dvc push` "
                    f"send {out.path}; run: calse withhold"
                )


def withhold(params: Params, layout: Layout) -> list[Path]:
    """Keep raw videos of the sources that are not to be shared out of `dvc push`; return the files that were changed.

    All that is made of videos stays here too, of all sources: one line of dvc.yaml stands for them all.
    A source whose videos are not added yet gets a .dvc file with the flag, which `dvc add` keeps.
    """
    withheld = read_consent(params, layout).denied_sources("share")
    for source in withheld:
        raw = layout.raw(params.corpus.name) / source
        if params.corpus.name not in params.synthesise and raw.is_dir() and not _added(raw):
            write_text(raw.with_name(f"{source}.dvc"), f'outs:\n- path: "{source}"\n')
    changed = []
    for path in _dvc_files(params, layout, withheld):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        pushed = [out for out in _outs_of_people(path) if out.pushed]
        for out in reversed(pushed):  # from the last, for an added line moves those behind it
            out.withhold(lines)
        if pushed:
            write_text(path, "".join(lines))
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


@dataclass(frozen=True)
class _Out:
    """An output as a file of DVC's lists it: a path alone, or a path with flags."""

    path: str
    flags: CommentedMap | None
    line: int
    column: int

    @property
    def pushed(self) -> bool:
        """Whether `dvc push` sends it."""
        return self.flags is None or bool(self.flags.get("push", True))

    def withhold(self, lines: list[str]) -> None:
        """Write `push: false` where the output stands.

        As text: written by a library, every long list of dvc.yaml would be wrapped anew.
        """
        if self.flags is None:  # `- data/clips`: a path alone, quoted or not
            line, column = self.line, self.column + len(self.path) + 2 * (lines[self.line][self.column] in "'\"")
            old, new = "", ": {push: false}"
        elif "push" in self.flags:  # it says `push: true`
            line, column = self.flags.lc.value("push")
            old, new = "true", "false"
        elif self.flags.fa.flow_style():  # `- data/clips: {persist: true}`
            line, column, old, new = self.flags.lc.line, self.flags.lc.col + 1, "", "push: false, "
        else:  # flags on lines of their own, as in a .dvc file
            line, column = self.flags.lc.line, self.flags.lc.col
            old, new = "", f"push: false\n{' ' * column}"
        text = lines[line]
        lines[line] = text[:column] + new + text[column + len(old) :]


def _outs_of_people(path: Path) -> list[_Out]:
    """Return what a .dvc file or dvc.yaml caches and people went into. Raises CalseError when DVC cannot read it."""
    try:
        tree = YAML(typ="rt", pure=True).load(path)
        found = [_Out(out["path"], out, out.lc.line, out.lc.col) for out in tree.get("outs", [])]
        for stage in tree.get("stages", {}).values():
            outs = stage.get("do", stage).get("outs", [])
            for place, out in enumerate(outs):
                name, flags = (out, None) if isinstance(out, str) else next(iter(out.items()))
                if (flags or {}).get("cache", True) and not name.startswith(OF_NOBODY):
                    found.append(_Out(name, flags, *outs.lc.item(place)))
    except (YAMLError, UnicodeDecodeError, AttributeError, TypeError, KeyError):
        raise CalseError(f"{path} is not a file that DVC can read; `git checkout {path}` restores it") from None
    return found
