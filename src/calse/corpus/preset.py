"""A preset for anybody's videos: its corpus is what was imported."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from calse.config.edited import dumped, loaded
from calse.corpus.glossary import read_glossary
from calse.corpus.raw import source_folders
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

OWN = "own"  # the corpus of a preset that is to be filled in


def preset_text(preset: Path, layout: Layout, corpus: str | None) -> str:
    """Return a preset's text; where it is for the corpus `own`, with the sources that were imported as `corpus`.

    Without `corpus` it is the only one that was imported. A source is what params.yaml says of it, where that is of
    this corpus, else a public one of any number of clips. Donors are left out, public ones are tested once. Raises
    CalseError when there are fewer than two sources, or it is not clear of which corpus.
    """
    text = preset.read_text(encoding="utf-8")
    tree = loaded(text)
    if tree["corpus"]["name"] != OWN:
        if corpus is not None:
            raise CalseError(f"--corpus {corpus}: {preset} is for the corpus {tree['corpus']['name']} alone")
        return text
    name = corpus or _only_import(layout)
    standing = _standing(name)
    declared = standing["corpus"]["sources"]
    imported = [folder.name for folder in source_folders(layout.raw(name))]
    sources = [source for source in imported if declared.get(source, {}).get("kind") != "donor"]
    if len(sources) < 2:
        found = ", ".join(sources) or "none"
        raise CalseError(
            f"{layout.raw(name)} has these sources: {found}; import at least two, to test one on the others"
        )
    tree["corpus"]["name"] = name
    tree["corpus"]["glosses"] = len(read_glossary(layout.glossary(name)))
    tree["corpus"]["sources"] = {
        source: declared.get(source, {"kind": "public", "clips_per_gloss": None}) for source in sources
    }
    tree["synthesise"] = {made: how for made, how in standing["synthesise"].items() if made == name}
    kinds = tree["corpus"]["sources"]
    tree["landmarks"]["sources"] = sources
    tree["test_sources"] = [source for source in sources if kinds[source]["kind"] == "public"]
    return dumped(tree)


def _standing(corpus: str) -> Any:
    """Return what params.yaml says, as far as it can be read and is of this corpus."""
    with suppress(OSError, YAMLError, KeyError, TypeError, AttributeError):
        tree = loaded(Path("params.yaml").read_text(encoding="utf-8"))
        if tree["corpus"]["name"] == corpus and all("kind" in one for one in tree["corpus"]["sources"].values()):
            return tree | {"synthesise": tree.get("synthesise") or {}}
    return {"corpus": {"sources": {}}, "synthesise": {}}


def _only_import(layout: Layout) -> str:
    """Return the only corpus that was imported. Raises CalseError when there is another number of them."""
    raw = layout.raw(OWN).parent
    imported = sorted({report.parents[1].name for report in raw.glob("*/*/import-report.csv")})
    if len(imported) != 1:
        found = ", ".join(sorted(folder.name for folder in raw.glob("*/"))) or "none; calse import makes one"
        raise CalseError(f"which corpus? name it with --corpus; in {raw} are: {found}")
    return imported[0]
