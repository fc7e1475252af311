"""What every training predicted for every clip, as far as it was evaluated."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from calse.browse.clips import Shown
from calse.config.params import Params
from calse.data.paths import Layout
from calse.recognition.inference import BEST
from calse.report.read import read_predictions
from calse.runtime.errors import CalseError

Best = list[tuple[int, float]]  # number of the gloss and probability, best first


@dataclass
class Predictions:
    """`trainings` are (recogniser, recipe, seed); `rows` by clip are (number of the training, test set, rank, best)."""

    glosses: list[str]
    trainings: list[tuple[str, str, int]] = field(default_factory=list)
    rows: dict[str, list[tuple[int, str, int, Best]]] = field(default_factory=lambda: defaultdict(list))

    def first(self, clip: str) -> list[int]:
        """Return the number of the gloss that every training ranked first for a filmed clip, -1 where none did."""
        found = {number: best[0][0] for number, test_set, _, best in self.rows.get(clip, []) if test_set == "filmed"}
        return [found.get(number, -1) for number in range(len(self.trainings))] if found else []


def predictions_of(params: Params, layout: Layout, clips: Sequence[Shown]) -> Predictions:
    """Return the predictions of every recogniser and recipe that has some; those of blurred clips go to the filmed one.

    Raises CalseError naming a table that is damaged or has a gloss which no clip has.
    """
    filmed = {
        one.clip: shown.clip.clip for shown in clips for one in (shown.clip, *(clip for _, clip in shown.versions))
    }
    found = Predictions(sorted({shown.clip.gloss for shown in clips}))
    number_of = {gloss: number for number, gloss in enumerate(found.glosses)}
    for recogniser, recipe in product(params.train, params.recipes):
        path = layout.metrics("evaluate") / recogniser / recipe / "predictions.csv"
        if not path.is_file():
            continue
        table: list[Any] = read_predictions(layout, recogniser, recipe).to_dict("records")
        seeds = dict.fromkeys(row["seed"] for row in table)
        numbers = {seed: len(found.trainings) + place for place, seed in enumerate(seeds)}
        found.trainings += [(recogniser, recipe, seed) for seed in numbers]
        for row in table:
            try:
                best = [
                    (number_of[row[f"gloss_{place}"]], round(float(row[f"probability_{place}"]), 4))
                    for place in range(1, BEST + 1)
                    if row.get(f"gloss_{place}")
                ]
                name = filmed[row["clip"]]
            except (KeyError, ValueError) as error:
                raise CalseError(f"{path} is not of these clips ({error}); run: dvc repro") from None
            found.rows[name].append((numbers[row["seed"]], row["test_set"], row["rank"], best))
    return found
