"""Has a training learned anything yet, and has it in the end?"""

import math


def class_prior_loss(loss: str, classes: int) -> float:
    """Return the loss of always answering with the frequency of each class: ln K for `ce`, H(1/K) for BCE, in nats."""
    if loss == "ce":
        return math.log(classes)
    share = 1 / classes
    return -share * math.log(share) - (1 - share) * math.log1p(-share) if classes > 1 else 0.0


def plateau_warning(loss: str, value: float, classes: int) -> str | None:
    """Return a warning when a training loss is no better than guessing by class frequency, else None."""
    guessing = class_prior_loss(loss, classes)
    if value < 0.97 * guessing:
        return None
    return (
        f"loss {value:.4f} is no better than guessing ({guessing:.4f} for {classes} glosses): nothing is learned yet; "
        "give it more epochs, another optim.lr or input.modality, or a pretrained checkpoint"
    )


def collapse_warning(accuracy: float, clips: int, classes: int) -> str | None:
    """Return a warning when guessing is right about so many training clips in one of twenty trainings, else None."""
    from scipy.special import bdtrc  # scipy.stats has it too, and takes a second to import

    if bdtrc(round(accuracy * clips) - 1, clips, 1 / classes) <= 0.05:
        return None
    return (
        f"learned nothing: right about {100 * accuracy:.0f} % of its {clips} training clips, which guessing among "
        f"{classes} glosses reaches"
    )
