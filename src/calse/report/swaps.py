"""What the face swaps did, as a table, and whether anybody can still name the signer."""

import json
from typing import Any

from calse.config.params import Params
from calse.data.paths import Layout
from calse.runtime.errors import CalseError

LEGEND = """
moved: share of sampled frames whose face is nearer to the donor's than to the signer's; kept: correlation of mouth,
eyes and brows with the original's; detail: sharpness against the original's. A face can move by being blurred: look at
`data/augmented/<set>/contact-sheet.png`.
"""
TRUTH, ENOUGH = 0.85, 5  # correlation with what moved a synthetic face; clips in which it moves
ATTACK = """
Named by whom: somebody who has up to 12 clips of everybody who signs in the corpus, of other glosses than the clip in
question, and takes the nearest; intervals are 95 %, exact, over clips. Where one signer is all of a source, camera and
light name that signer too, before and after.
"""


def swap_section(params: Params, layout: Layout) -> str:
    """Return the quality of every face-swapped set as Markdown, empty when there is none.

    Raises CalseError when a set was not measured.
    """
    if not params.swap:
        return ""
    heading = ["set", "donor", "frames swapped", "identity moved", "expression kept", "detail", "verdict"]
    lines = ["## Face-swapped sets\n", f"| {' | '.join(heading)} |", f"|{'---|' * len(heading)}"]
    for name, settings in params.swap.items():
        lines.append(f"| {' | '.join([name, settings.donor, *_cells(_read(layout, name))])} |")
    attacks = [f"- {name}: {named_by(_read(layout, name, 'reidentify'))}" for name in params.swap]
    return "\n".join([*lines, LEGEND, *attacks, ATTACK])


def _read(layout: Layout, name: str, stage: str = "swap") -> dict[str, Any]:
    path = layout.metrics(stage) / f"{name}.json"
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro {stage}@{name}")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def named_by(figures: dict[str, Any]) -> str:
    """Return in a sentence whether the signers of a set are still named by face and by motion, and by chance."""
    if "face" not in figures:
        return "whether the signer can still be named was not measured: that takes the landmarks of two people who sign"
    chance, words = figures["chance"], []
    for name in ("face", "motion"):
        before, after = figures[name]["before"], figures[name]["after"]
        words.append(
            f"the {name} {_verdict(after, chance)} the signer: {_rate(after)} of {after['n']} clips, before the swap "
            f"{before['rank1']:.0%}"
        )
    posture = f"without posture {_rate(figures['movement']['after'])}"
    return f"{'; '.join(words)}, {posture}; chance is {chance:.0%}, {figures['people']} people"


def _verdict(group: dict[str, Any], chance: float) -> str:
    if group["interval"][0] > chance:
        return "still names"
    return "no longer names" if group["rank1"] <= chance else "may still name"


def _rate(group: dict[str, Any]) -> str:
    low, high = (round(100 * end) for end in group["interval"])
    return f"{group['rank1']:.0%} [{low}, {high}]"


def short_of_truth(figures: dict[str, Any]) -> list[str]:
    """Return where a swapped synthetic face follows what moved it less than it should, a line each.

    No set fails for it: only synthetic corpora know the truth, and six clips of a set are filmed again.
    """
    known = [(name, figures.get("oracle", {}).get(name, {"clips": 0})) for name in ("lips", "brows")]
    return [
        f"{name} follow the truth by {one['swapped']:.2f}, less than {TRUTH:g} ({one['clips']} clips; "
        f"the signer's own by {one['before']:.2f})"
        for name, one in known
        if one["clips"] >= ENOUGH and one["swapped"] < TRUTH
    ]


def _cells(figures: dict[str, Any]) -> list[str]:
    verdict = "; ".join(
        ["passed" if figures["passed"] else f"FAILED: {'; '.join(figures['failed'])}", *short_of_truth(figures)]
    )
    share = f"{figures['frames_swapped'] / max(1, figures['frames']):.1%}"
    if "identity" not in figures:
        return [share, "", "", "", verdict]
    kept = "" if figures["kept"] is None else f"{figures['kept']:.2f}"
    return [share, f"{figures['identity']['moved']:.2f}", kept, f"{figures['detail']['median']:.2f}", verdict]
