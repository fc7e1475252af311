"""Every recogniser behind the one door: it trains, it keeps its published names, it refuses what it cannot take."""

import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import video

from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition import architectures, registry
from calse.recognition.architectures.i3d import recogniser as i3d
from calse.recognition.input.transforms import network_input
from calse.recognition.input.views import batch_of
from calse.recognition.network import Network, find_network
from calse.recognition.pretrained import load_pretrained
from calse.recognition.registry import recognisers
from calse.recognition.training.fit import Training
from calse.recognition.training.jobs import jobs_of
from calse.recognition.training.precision import convolution_inputs, weight_gradient
from calse.runtime.errors import CalseError
from toys import make_repository, ramp, toy_input, toy_params

SMALLEST = {"i3d": (9, 32), "r2plus1d_18": (9, 32), "s3d": (13, 32), "swin3d_t": (9, 32)}
RECOGNISERS = {name: one for name, one in recognisers().items() if isinstance(one, Network)}
TORCHVISIONS = [name for name in RECOGNISERS if name != "i3d"]


def smallest(name: str, **options: object):
    frames, size = SMALLEST.get(name) or RECOGNISERS[name].shape or (0, 0)
    return toy_params(name, width=1.0, frames=frames, size=size, **options)


def built(name: str, classes: int, **options: object) -> torch.nn.Module:
    return RECOGNISERS[name].built(smallest(name, **options).train[name].model, classes)


def test_the_studys_recogniser_and_torchvisions_are_known():
    assert set(RECOGNISERS) == {"i3d", "r2plus1d_18", "s3d", "mvit_v2_s", "swin3d_t"}


def test_a_recogniser_that_is_not_called_as_its_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "ARCHITECTURES", tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/recogniser.py").touch()
    monkeypatch.setitem(sys.modules, "calse.recognition.architectures.mine.recogniser", i3d)
    with pytest.raises(CalseError, match=r"mine/recogniser.py: RECOGNISER is called 'i3d'; call it 'mine'"):
        recognisers.__wrapped__()


def test_a_recogniser_cannot_be_called_as_another_folder_of_models(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "load_plugins", lambda *_: {"published": i3d.RECOGNISER})
    with pytest.raises(CalseError, match="models/published holds other models; call this recogniser otherwise"):
        recognisers.__wrapped__()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_repository(tmp_path_factory.mktemp("repository"), takes=1)


@pytest.mark.parametrize("name", ["r2plus1d_18", "s3d", "swin3d_t"])
def test_it_trains_at_its_smallest_size(name: str, repository: Layout, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("DVC_ROOT", str(repository.root))
    split = read_split(repository.split("Baseline"))
    training = Training(jobs_of(smallest(name), Layout(), split, name, "Baseline", Path("models"), Path("curves"))[0])
    training.model.train()
    batch, labels = training._batch(1, [0, 1, 2]), torch.tensor([0, 1, 2], device=training.device)
    losses = [float(training._step(batch, labels, 1e-4)[0]) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert all(weight.grad is not None for weight in training.model.parameters())
    assert training.info["recogniser"] == name


def test_mvit_answers_at_the_one_size_it_takes():
    with torch.device("meta"):
        model = built("mvit_v2_s", 14)
        assert model(torch.empty(2, 3, 16, 224, 224)).shape == (2, 14)


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_names_and_shapes_are_the_published_ones_but_for_the_head(name: str):
    with torch.device("meta"):
        ours, published = built(name, 14).state_dict(), getattr(video, name)().state_dict()
    assert set(ours) == set(published)
    assert {key.split(".")[0] for key in ours if ours[key].shape != published[key].shape} == {RECOGNISERS[name].head}


def test_published_weights_are_taken_and_their_head_is_replaced(tmp_path: Path):
    published = video.s3d(num_classes=400)
    torch.save(published.state_dict(), tmp_path / "s3d.pth")
    model = built("s3d", 14)
    report = load_pretrained(model, tmp_path / "s3d.pth", RECOGNISERS["s3d"].head)
    assert report.dropped == ["classifier.1.bias", "classifier.1.weight"]
    assert torch.equal(model.features[0][0][0].weight, published.features[0][0][0].weight)
    with pytest.raises(CalseError, match=r"s3d\.pth holds no layer of this network"):
        load_pretrained(built("i3d", 14), tmp_path / "s3d.pth")


def test_s3d_averages_space_as_published():
    torch.manual_seed(0)
    ours = built("s3d", 5).eval()
    published = video.s3d(num_classes=5).eval()
    published.load_state_dict(ours.state_dict())
    clip = torch.randn(1, 3, 16, 224, 224)
    with torch.inference_mode():
        torch.testing.assert_close(ours(clip), published(clip))


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_dropout_and_batch_statistics_are_the_parameters(name: str):
    momentum = {"bn_momentum": 0.3} if RECOGNISERS[name].batch_norm else {}
    with torch.device("meta"):
        model = built(name, 3, dropout=0.9, **momentum)
    momenta = {part.momentum for part in model.modules() if isinstance(part, torch.nn.BatchNorm3d)}
    assert momenta == set(momentum.values())
    if not momentum:
        with pytest.raises(CalseError, match=f"train.{name}.model.bn_momentum: {name} has no batch normalisation"):
            smallest(name, bn_momentum=0.3)
    if name in ("r2plus1d_18", "swin3d_t"):
        head, seen = model.get_submodule(RECOGNISERS[name].head), []
        head.to_empty(device="cpu").register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        head(torch.ones(1, head.in_features))
        assert 0.8 < (seen[0] == 0).float().mean() < 1
    else:
        assert 0.9 in {part.p for part in model.modules() if isinstance(part, torch.nn.Dropout)}


def test_rgb_is_standardised_as_torchvision_does():
    shown, cpu = toy_input(modality="rgb"), torch.device("cpu")
    batch = network_input(batch_of([ramp()], shown), shown, find_network("r2plus1d_18").statistics, cpu)
    frames = (network_input(batch_of([ramp()], shown), shown, None, cpu)[0] + 1) / 2
    preset = video.R2Plus1D_18_Weights.KINETICS400_V1.transforms(crop_size=(32, 32), resize_size=(32, 32))
    torch.testing.assert_close(batch[0], preset(frames.transpose(0, 1)), atol=1e-4, rtol=1e-4)


def test_convolutions_of_other_networks_are_checked_for_bf16_too():
    model = built("s3d", 3)
    found = {name: (layer, shape) for name, layer, shape in convolution_inputs(model, 13, 32)}
    layer, shape = found["features.0.0.0"]
    assert shape == (1, 3, 13, 32, 32)
    assert weight_gradient(layer, torch.randn(shape), bf16=False).shape == layer.weight.shape


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("s3d", {"width": 0.25}, "s3d.model.width: s3d comes in width 1 only, not 0.25"),
        ("s3d", {"width": 1.0, "recompute": True}, "s3d.model.recompute: s3d cannot"),
        ("swin3d_t", {"width": 1.0, "loss": "bce-localisation"}, "swin3d_t.optim.loss: swin3d_t gives one answer"),
        ("s3d", {"width": 1.0, "frames": 12}, "s3d.input.frames: s3d needs at least 13, not 12"),
        (
            "mvit_v2_s",
            {"width": 1.0, "frames": 16, "size": 64},
            "mvit_v2_s.input.size: mvit_v2_s takes 16 frames of 224",
        ),
        ("mvit_v2_s", {"width": 1.0, "frames": 32, "size": 224}, "mvit_v2_s.input.frames: mvit_v2_s takes 16 frames"),
        ("i3d", {"frames": 8}, "i3d.input.frames: i3d needs at least 9, not 8"),
        ("resnet", {}, f"resnet: there is no such recogniser; those are: {', '.join(recognisers())}"),
    ],
)
def test_what_a_recogniser_cannot_take_is_refused_by_the_parameters_name(name: str, options: dict, says: str):
    with pytest.raises(CalseError) as caught:
        toy_params(name, **options)
    assert str(caught.value).startswith(f"params.yaml: train.{says}")


class OfFrames(torch.nn.Module):
    """A convolution of single frames, the mean over time, a layer of glosses; `wrong` spoils its output's shape."""

    def __init__(self, classes: int, wrong: str = "") -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 3, stride=2)
        self.norm = torch.nn.BatchNorm2d(4)
        self.fc = torch.nn.Linear(4, classes - (wrong == "a gloss less"))
        self.wrong = wrong

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        frames = self.norm(self.convolution(clips.transpose(1, 2).flatten(0, 1))).mean((2, 3))
        moments = self.fc(frames).unflatten(0, (len(clips), -1))
        return moments if self.wrong == "moments" else moments.mean(1)


def of_frames(monkeypatch: pytest.MonkeyPatch, wrong: str = "", head: str = "fc") -> Network:
    network = Network("flat", lambda model, classes: OfFrames(classes, wrong), head=head, batch_norm=True)
    monkeypatch.setattr(registry, "recognisers", lambda: {"flat": network})
    return network


def of_frames_training(repository: Layout, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.chdir(repository.root)
    monkeypatch.setenv("DVC_ROOT", str(repository.root))
    monkeypatch.setattr("calse.recognition.training.jobs.training_code", lambda recogniser: "0" * 64)
    params = toy_params("flat", width=1.0)
    split = read_split(repository.split("Baseline"))
    return Training(jobs_of(params, Layout(), split, "flat", "Baseline", Path("models"), Path("curves"))[0])


def test_a_network_of_single_frames_trains(repository: Layout, monkeypatch: pytest.MonkeyPatch):
    of_frames(monkeypatch)
    training = of_frames_training(repository, monkeypatch)
    batch, labels = training._batch(1, [0, 1, 2]), torch.tensor([0, 1, 2], device=training.device)
    losses = [float(training._step(batch, labels, 1e-3)[0]) for _ in range(4)]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(("wrong", "shape"), [("moments", r"\(3, 9, 3\)"), ("a gloss less", r"\(3, 2\)")])
def test_logits_of_another_shape_are_refused(
    wrong: str, shape: str, repository: Layout, monkeypatch: pytest.MonkeyPatch
):
    of_frames(monkeypatch, wrong)
    training = of_frames_training(repository, monkeypatch)
    with pytest.raises(CalseError, match=rf"^flat gives {shape}; clips x glosses is \(3, 3\)$"):
        training._step(training._batch(1, [0, 1, 2]), torch.tensor([0, 1, 1], device=training.device), 1e-3)


def test_momentum_is_that_of_every_batch_normalisation(monkeypatch: pytest.MonkeyPatch):
    network = of_frames(monkeypatch)
    model = toy_params("flat", width=1.0, bn_momentum=0.3).train["flat"].model
    assert network.built(model, 3).norm.momentum == 0.3


@pytest.mark.parametrize("head", ["", "5", "fully.connected"])
def test_a_head_that_is_no_layer_is_named(head: str, monkeypatch: pytest.MonkeyPatch):
    network = of_frames(monkeypatch, head=head)
    with pytest.raises(CalseError, match=f"^flat has no layer '{head}', which its `head` names; its last is 'fc'$"):
        network.built(toy_params("flat", width=1.0).train["flat"].model, 3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("RECOGNISER = (", "'\\(' was never closed"),
        ("", "`RECOGNISER` is missing"),
        ("from calse.recognition.network import Network as RECOGNISER", "RECOGNISER is no object of the class"),
        ("import no_such_package", "No module named 'no_such_package'"),
        ("from calse.recognition.registry import Recogniser\nRECOGNISER = Recogniser('mine')", "abstract method"),
        ("from calse.recognition.network import Network\nRECOGNISER = Network('mine', print, haed='fc')", "'haed'"),
        ("raise ValueError('a\\nb')", "a b"),
    ],
)
def test_a_fault_in_a_recognisers_file_is_reported_with_the_file(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(registry, "ARCHITECTURES", tmp_path)
    monkeypatch.setattr(architectures, "__path__", [str(tmp_path)])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/recogniser.py").write_text(text)
    for name in ("mine", "mine.recogniser"):
        monkeypatch.delitem(sys.modules, f"{architectures.__name__}.{name}", raising=False)
    monkeypatch.setattr(registry, "recognisers", recognisers.__wrapped__)
    with pytest.raises(CalseError, match=rf"^.*mine/recogniser\.py: .*{reason}") as caught:
        toy_params()
    assert "\n" not in str(caught.value)
