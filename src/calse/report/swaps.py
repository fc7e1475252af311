"""What the face swaps did, as a table, and whether anybody can still name the signer."""

from typing import Any

from calse.config.params import Params
from calse.data.paths import Layout
from calse.report.read import read_figures
from calse.report.table import markdown
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
    heading = ["set", "donor", "frames swapped", "identity moved", "expression kept", "detail", "outcome"]
    lines = [[name, one.donor, *_cells(_read(layout, name))] for name, one in params.swap.items()]
    attacks = [f"- {name}: {named_by(_read(layout, name, 'reidentify'))}" for name in params.swap]
    return "\n".join(["## Face-swapped sets\n", *markdown([heading, *lines]), LEGEND, *attacks, ATTACK])


def _read(layout: Layout, name: str, stage: str = "swap") -> dict[str, Any]:
    """Return what a stage measured of a set. Raises CalseError when it measured nothing yet."""
    figures = read_figures(layout, stage, name)
    if not figures:
        raise CalseError(f"{layout.metrics(stage) / name}.json is missing; run: dvc repro {stage}@{name}")
    return figures


def named_by(figures: dict[str, Any]) -> str:
    """Return in a sentence how often the signers of a set are named by face and by motion, and whether by chance."""
    if "face" not in figures:
        return "whether the signer can still be named was not measured: that takes the landmarks of two people who sign"
    words = []
    for name in ("face", "motion"):
        before, after = figures[name]["before"], figures[name]["after"]
        words.append(
            f"the {name} names the signer of {_rate(after)} of {after['n']} clips, "
            f"{_against_chance(after, figures['chance'])}, before the swap of {before['rank1']:.0%}"
        )
    return f"{'; '.join(words)}, without posture of {_rate(figures['movement']['after'])}; {figures['people']} people"


def _against_chance(group: dict[str, Any], chance: float) -> str:
    """Return what the interval of a group allows to say: a rate beyond chance whose interval holds it says nothing."""
    low, high = group["interval"]
    place = "not told from"
    if low > chance:
        place = "above"
    elif high < chance:
        place = "below"
    return f"{place} chance ({chance:.0%})"


def _rate(group: dict[str, Any]) -> str:
    """Return a rate with its interval, in percent."""
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
    """Return the cells of a set in the table, after its name and donor."""
    outcome = "; ".join(
        ["passed" if figures["passed"] else f"FAILED: {'; '.join(figures['failed'])}", *short_of_truth(figures)]
    )
    share = f"{figures['frames_swapped'] / max(1, figures['frames']):.1%}"
    if "identity" not in figures:
        return [share, "", "", "", outcome]
    kept = "" if figures["kept"] is None else f"{figures['kept']:.2f}"
    return [share, f"{figures['identity']['moved']:.2f}", kept, f"{figures['detail']['median']:.2f}", outcome]
