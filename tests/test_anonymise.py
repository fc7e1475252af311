"""`calse anonymise` on real files of strangers, with an untrained model: what matters here is what goes in and out."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from calse.corpus.synthetic.signers import SOURCES
from calse.errors import CalseError
from calse.faceswap.anonymise import Result, anonymise, line_of, print_results
from calse.faceswap.checkpoint import save_model
from calse.faceswap.network import SwapNetwork
from calse.params import check_params
from calse.video.decode import probe, read_frames
from calse.video.encode import write_video
from faces import filmed, with_models

SWAP = {"donor": "DONOR-1", "of": "interpreter", "clips_per_gloss": None, "seed": 3, "erode": 0.03, "feather": 0.08}
SWAP |= {"smoothing": 2, "min_moved": 0.8, "min_kept": 0.6}


def params(**settings):
    tree = YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml").read_text(encoding="utf-8"))
    tree["corpus"]["sources"]["DONOR-1"] = {"kind": "donor", "clips_per_gloss": None}
    return check_params(tree | {"recipes": {"Baseline": []}, "donors": ["DONOR-1"], "swap": {"DF-1": SWAP | settings}})


PARAMS = params()


def write_gif(path, frames, fps):
    """A foreign file: palette colours, odd sides."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "rgb8"
        for image in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(picture.reformat(format="rgb8")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A repository with an untrained model of DONOR-1, and a folder of a stranger's videos."""
    layout = with_models(tmp_path_factory.mktemp("repository"))
    torch.manual_seed(0)
    info = {"donor": "DONOR-1", "params": {"size": 32, "channels": 4, "code": 8}}
    network = SwapNetwork(32, 4, 8)
    network.head.bias.data[3:].fill_(9)  # it draws all of the face
    save_model(layout.swap_model("DONOR-1"), network, info)
    videos = tmp_path_factory.mktemp("videos")
    studio = SOURCES["SACU"][0]
    frames = filmed(studio, studio, "NO")[0][::5]
    write_video(videos / "signer.mp4", frames, 12.5)
    write_gif(videos / "odd.gif", frames[:4, :-1, :-1], 10)
    write_video(videos / "room.mp4", np.full_like(frames[:4], 90), 25)
    (videos / "broken.mp4").write_bytes((videos / "signer.mp4").read_bytes()[:900])
    return layout, videos, frames


def test_videos_of_any_format_keep_size_rate_and_frames(world, tmp_path):
    layout, videos, frames = world
    results = anonymise(PARAMS, layout, [videos / "signer.mp4", videos / "odd.gif"], "DONOR-1", tmp_path / "out")
    assert [result.swapped for result in results] == [len(frames), 4]
    height, width = frames.shape[1:3]
    for result, fps, count in zip(results, (12.5, 10), (len(frames), 4), strict=True):
        info = probe(result.target)
        assert (info.width, info.height, info.fps, info.frames, info.codec) == (width, height, fps, count, "h264")
    out = read_frames(results[0].target).astype(int)
    assert np.abs(out - frames).mean(axis=(0, 3))[-60:].mean() < 4  # below the face only the codec was at work
    assert np.abs(out - frames).max() > 60  # an untrained face is no face


def test_what_cannot_be_used_is_refused_by_name_and_the_rest_is_made(world, tmp_path, capsys):
    layout, videos, _ = world
    names = ["broken.mp4", "room.mp4", "odd.gif"]
    results = anonymise(PARAMS, layout, [videos / name for name in names], "DONOR-1", tmp_path)
    assert [bool(result.refused) for result in results] == [True, True, False]
    assert results[1].refused.startswith("shows no face")
    assert [path.name for path in tmp_path.iterdir()] == ["odd.mp4"]
    with pytest.raises(CalseError, match="2 of 3"):
        print_results(results)
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("broken.mp4", "room.mp4", "odd.mp4"))


def test_a_video_that_still_shows_its_signer_is_an_error(world, tmp_path):
    layout, videos, _ = world
    nose_alone = params(erode=0.35)
    results = anonymise(nose_alone, layout, [videos / "odd.gif"], "DONOR-1", tmp_path)
    assert results[0].moved == 0
    assert "STILL LOOK LIKE THE SIGNER" in line_of(results[0])
    with pytest.raises(CalseError, match="1 of 1 videos may still show who signs"):
        print_results(results)


def test_nothing_is_overwritten(world, tmp_path):
    layout, videos, _ = world
    (tmp_path / "odd.mp4").write_bytes(b"mine")
    with pytest.raises(CalseError, match=r"odd\.mp4 exists"):
        anonymise(PARAMS, layout, [videos / "signer.mp4", videos / "odd.gif"], "DONOR-1", tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_two_videos_of_one_name_are_refused(world, tmp_path):
    layout, videos, _ = world
    with pytest.raises(CalseError, match="different names"):
        anonymise(PARAMS, layout, [videos / "odd.gif", tmp_path / "odd.mov"], "DONOR-1", tmp_path)


def test_a_donor_without_a_model_or_a_set_is_named(world, tmp_path):
    layout, videos, _ = world
    with pytest.raises(CalseError, match="'DONOR-9'.*DONOR-1"):
        anonymise(PARAMS, layout, [videos / "odd.gif"], "DONOR-9", tmp_path)
    (layout.swap_model("DONOR-1") / "model.json").rename(tmp_path / "aside.json")
    with pytest.raises(CalseError, match="dvc repro swap-train@DONOR-1"):
        anonymise(PARAMS, layout, [videos / "odd.gif"], "DONOR-1", tmp_path / "out")
    (tmp_path / "aside.json").rename(layout.swap_model("DONOR-1") / "model.json")
    assert not (tmp_path / "out").exists()


def test_the_line_says_what_came_out():
    made = Result(Path("a.gif"), Path("out/a.mp4"), frames=20, swapped=18, moved=0.75, kept=0.812)
    assert line_of(made) == (
        "out/a.mp4: 18 of 20 frames swapped; identity: not the signer in 75% of the sample; expression kept: 0.81"
    )
    assert line_of(replace(made, exposed=("HERE",))).endswith("; HERE")
    assert "no face is found any more" in line_of(Result(Path("a"), Path("b"), moved=None))
