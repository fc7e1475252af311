"""What a person sees of trainings under way."""

import pytest

from calse.recognition.launch.display import Display
from calse.recognition.launch.observer import Run


def test_the_display_says_once_what_needs_attention(capsys: pytest.CaptureFixture[str]):
    run = Run("i3d", "Baseline", "SACU", 1)
    info = {"params": {"optim": {"loss": "ce"}}, "classes": ["AÑO", "NO", "SUR"], "clips": 30}
    info |= {"device": "cpu", "precision": "fp32", "precision_reason": "asked for"}
    with Display({run: 4}) as display:
        for _ in range(2):
            display.started(run, info | {"pretrained_report": "kinetics.pt: 285 entries match"})
        for epoch, loss in enumerate((1.2, 1.1, 1.0, 0.2), start=1):
            display.epoch(run, epoch, {"loss": loss, "accuracy": 0.3, "lr": 0.1})
    told = capsys.readouterr().err
    assert told.count("training in fp32 on cpu: asked for") == 1
    assert told.count("kinetics.pt: 285 entries match") == 1
    assert told.count("no better than guessing") == 1
    assert "Baseline/SACU/seed-1 learned nothing: right about 30 % of its 30 training clips" in told
    assert "Baseline/SACU/seed-1, epoch 2: loss 1.1000" in told
