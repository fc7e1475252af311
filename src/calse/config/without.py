"""A params.yaml that does without a part of the study: one word in the place of the edits that it takes.

The word cannot stand in params.yaml itself, as `landmarks: off`: DVC makes a stage for each entry of a list or mapping
that is written there, and knows no condition.
"""

from typing import Literal

from calse.config.edited import dumped, loaded


def left_out(part: Literal["landmarks", "swap", "augment"], text: str) -> str:
    """Return the text of a params.yaml without a part, and without all that needs it.

    Recipes go that name a set of that part, and with landmarks also the recogniser that reads nothing else.
    """
    tree = loaded(text)
    if part == "landmarks":
        tree["landmarks"]["sources"], tree["omit"] = [], []
        tree["train"].pop("landmarks", None)
    made = "augment" if part == "augment" else "swap"
    sets, tree[made] = set(tree[made]), {}
    for name, recipe in list(tree["recipes"].items()):
        if sets & set(recipe["sets"] if isinstance(recipe, dict) else recipe):
            del tree["recipes"][name]
    return dumped(tree)
