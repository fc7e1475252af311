"""What the face swaps did, as a table: a set that missed its thresholds is named."""

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
    return "\n".join([*lines, LEGEND])


def _read(layout: Layout, name: str) -> dict[str, Any]:
    path = layout.metrics("swap") / f"{name}.json"
    if not path.is_file():
        raise CalseError(f"{path} is missing; run: dvc repro swap@{name}")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _cells(figures: dict[str, Any]) -> list[str]:
    verdict = "passed" if figures["passed"] else f"FAILED: {'; '.join(figures['failed'])}"
    share = f"{figures['frames_swapped'] / max(1, figures['frames']):.1%}"
    if "identity" not in figures:
        return [share, "", "", "", verdict]
    kept = "" if figures["kept"] is None else f"{figures['kept']:.2f}"
    return [share, f"{figures['identity']['moved']:.2f}", kept, f"{figures['detail']['median']:.2f}", verdict]
