"""Every augmentation set: what it is, what it measured against its thresholds, what it looks like."""

from typing import Any

from calse.config.params import AugmentationSet, Params, SwapSet, as_dict
from calse.data.clips import Clip, seed_of
from calse.data.paths import Layout
from calse.report.page.pictures import Pictures
from calse.report.read import read_figures
from calse.report.swaps import named_by, short_of_truth

EXAMPLES = 4
FEATURES = {
    "lip_opening": "lip opening",
    "mouth_width": "mouth width",
    "left_eye": "left eye",
    "right_eye": "right eye",
    "left_brow": "left brow",
    "right_brow": "right brow",
    "brow_gap": "between the brows",
    "pitch": "head: nod",
    "yaw": "head: turn",
    "roll": "head: tilt",
}


def sets(
    params: Params, layout: Layout, made: dict[str, list[Clip]], filmed: dict[str, Clip], pictures: Pictures
) -> list[dict[str, Any]]:
    """Return every set of params.yaml that was made; `made` has its clips, `filmed` their parents by id."""
    cards = []
    for name, settings in params.sets.items():
        if name in made:
            kind = _kind(settings)
            card = {"name": name, "clips": len(made[name]), "settings": as_dict(settings), "kind": kind}
            card["recipes"] = [recipe for recipe, used in params.recipes.items() if name in used.sets]
            if isinstance(settings, SwapSet):
                people = {settings.donor, *(clip.source for clip in made[name])}
                card |= _swapped(layout, name, settings, pictures, people)
            else:
                card["pictures"] = _examples(made[name], filmed, settings, pictures)
            cards.append(card)
    return cards


def _kind(settings: AugmentationSet | SwapSet) -> str:
    """Say what a set is made of."""
    if isinstance(settings, SwapSet):
        return f"{settings.signers} clips with the face of {settings.donor}, method {settings.method}"
    return f"{settings.kind} copies of {settings.of} clips"


def _examples(
    made: list[Clip], filmed: dict[str, Clip], settings: AugmentationSet, pictures: Pictures
) -> list[dict[str, str | None]]:
    """Return pairs to look at, the original above its copy, drawn by the set's seed, of every source one first."""
    drawn = sorted((c for c in made if c.parent in filmed), key=lambda clip: seed_of(settings.seed, "page", clip.clip))
    each = list({clip.source: clip for clip in reversed(drawn)}.values())
    chosen = (each + [clip for clip in drawn if clip not in each])[:EXAMPLES]
    return [{"name": clip.clip, "image": pictures.strip(filmed[clip.parent], clip)} for clip in chosen]


def _swapped(layout: Layout, name: str, settings: SwapSet, pictures: Pictures, people: set[str]) -> dict[str, Any]:
    """Return a swapped set's quality against its thresholds and its contact sheet, which shows people."""
    picture = pictures.contact_sheet(layout.augmented(name) / "contact-sheet.png", people)
    shown: dict[str, Any] = {
        "pictures": [{"name": "original, swapped and donor, each with its face enlarged", "image": picture}]
    }
    figures = read_figures(layout, "swap", name)
    if not figures:
        return shown
    if attack := read_figures(layout, "reidentify", name):
        shown["attack"] = named_by(attack)
    outcome = {"passed": figures["passed"], "failed": figures["failed"], "short": short_of_truth(figures)}
    return shown | outcome | {"quality": _quality(figures, settings)}


def _quality(figures: dict[str, Any], settings: SwapSet) -> dict[str, Any]:
    """Return bars (0 to 1, with a threshold or none) and, per facial feature, floor, figure and ceiling."""
    identity, detail = figures.get("identity", {}), figures.get("detail", {})
    bars = [
        ("frames swapped", figures["frames_swapped"] / max(1, figures["frames"]), None),
        ("identity moved", identity.get("moved"), settings.min_moved),
        ("expression kept", figures.get("kept"), settings.min_kept),
        ("detail left", detail.get("median"), None),
    ]
    features = [
        {"name": words} | {part: row[part] for part in ("floor", "r", "ceiling")}
        for key, words in FEATURES.items()
        if (row := figures.get("expression", {}).get(key)) and None not in row.values()
    ]
    shown = [{"name": name, "value": value, "least": least} for name, value, least in bars if value is not None]
    return {"bars": shown, "features": features}


def omitted(params: Params, layout: Layout) -> list[dict[str, Any]]:
    """Return what the facial-omission test did to each source, as far as it was measured."""
    found = {source: read_figures(layout, "omit", source) for source in params.omit}
    return [{"source": source} | figures for source, figures in found.items() if figures]
