"""`calse enrol`, `calse lookup` and `calse predict` on an index: signs known from one video, signed again by others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calse.cli.commands import tools
from calse.config.params import read_params
from calse.recognition.architectures.landmarks.index_file import read_index
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.lookup import Enrolment, enrol, lookup, print_enrolled
from calse.recognition.predict import predict_videos, print_results
from calse.runtime.errors import CalseError
from calse.video.ours.encode import write_video
from faces import filmed, with_models
from signers.signers import SOURCES

PARAMS = read_params(Path(__file__).parents[2] / "presets/synthetic.yaml")
SIGNS = ("BEBER", "CASA")
SECONDS = 300
FPS = 25 / 3
INDEX = Path("signs.index")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two people's videos of three signs, and one of nobody."""
    root = tmp_path_factory.mktemp("videos")
    for who in ("SACU", "STS"):
        for gloss in SIGNS:
            studio = SOURCES[who][0]
            frames, _ = filmed(studio, studio, gloss, 192)
            write_video(root / who / f"{gloss}.mp4", frames[::3], FPS)
    write_video(root / "nobody.mp4", np.random.default_rng(0).integers(0, 9, (9, 64, 64, 3), dtype=np.uint8), FPS)
    (root / "broken.mp4").write_bytes(b"no video")
    return root


@pytest.fixture(scope="module")
def layout(videos, tmp_path_factory):
    """A repository with the models and an index of the first one's first sign."""
    root = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        layout = with_models(root)
        enrol(params(), layout, offers(videos, "BEBER"), INDEX, SECONDS)
        yield layout


def params(distance="dtw"):
    ingest = replace(PARAMS.ingest, fps=FPS, short_side=192)
    return replace(PARAMS, ingest=ingest, train={"landmarks": LandmarksSettings(distance)})


def offers(videos, *glosses):
    return [Enrolment(videos / "SACU" / f"{gloss}.mp4", f"{gloss}.mp4", gloss) for gloss in glosses]


def test_signs_enrolled_from_one_video_are_found_in_another_persons_and_new_ones_are_added(videos, layout, capsys):
    bad = Enrolment(videos / "broken.mp4", "broken.mp4", "CASA")
    index, refused = enrol(params(), layout, [*offers(videos, "CASA"), bad], INDEX, SECONDS)
    assert index.clips == ("BEBER.mp4", "CASA.mp4")
    assert [name for name, _ in refused] == ["broken.mp4"]
    print_enrolled(index, refused, INDEX)
    assert capsys.readouterr().out == f"{INDEX}: 2 clips of 2 signs: BEBER, CASA\n"
    asked = [videos / "STS" / f"{gloss}.mp4" for gloss in SIGNS]
    found = lookup(layout, INDEX, [*asked, videos / "nobody.mp4"], SECONDS)
    with pytest.raises(CalseError, match="1 of 3 videos could not be read"):
        print_results(found, as_json=True)
    screen = capsys.readouterr()
    assert f"refused  {videos / 'nobody.mp4'}: shows no person" in screen.err
    *results, nobody = json.loads(screen.out)
    assert nobody == {"video": str(videos / "nobody.mp4"), "signs": [], "refused": "shows no person"}
    for gloss, video, result in zip(SIGNS, asked, results, strict=True):
        assert result["video"] == str(video)
        assert [sorted(sign) for sign in result["signs"]] == [["clip", "distance", "gloss"]] * 2
        assert (result["signs"][0]["gloss"], result["signs"][0]["clip"]) == (gloss, f"{gloss}.mp4")
        assert [sign["distance"] for sign in result["signs"]] == sorted(sign["distance"] for sign in result["signs"])


def test_predict_takes_an_index_too(videos, layout):
    prediction, refused = predict_videos(INDEX, [videos / "STS/BEBER.mp4", videos / "broken.mp4"], SECONDS)
    assert prediction.glosses[0][0] == "BEBER"
    assert sum(probability for _, probability in prediction.glosses) == pytest.approx(1, abs=1e-4)
    assert refused.refused


def test_an_index_made_with_other_settings_is_left_as_it_is(videos, layout):
    before = INDEX.read_bytes()
    other = replace(params(), ingest=replace(params().ingest, fps=25))
    with pytest.raises(CalseError, match="signs.index was made with other settings"):
        enrol(other, layout, offers(videos, "CASA"), INDEX, SECONDS)
    assert INDEX.read_bytes() == before


def test_nothing_is_written_when_no_video_can_be_enrolled(videos, layout):
    nobody = Enrolment(videos / "nobody.mp4", "nobody.mp4", "CASA")
    with pytest.raises(CalseError, match=r"no video could be enrolled; nobody\.mp4: shows no person"):
        enrol(params(), layout, [nobody], Path("empty.index"), SECONDS)
    with pytest.raises(CalseError, match=r"enrolled; 0\.mp4: is empty; 1\.mp4: .*; 2\.mp4: is empty; and 1 more$"):
        enrol(params(), layout, [], Path("empty.index"), SECONDS, [(f"{n}.mp4", "is empty") for n in range(4)])
    assert not Path("empty.index").exists()


def test_an_index_has_an_ending_that_git_keeps_out(videos, layout):
    error = CliRunner().invoke(tools, ["enrol", str(videos / "SACU"), "-o", "signs.txt"]).exception
    assert isinstance(error, CalseError)
    assert str(error).startswith("signs.txt: call it NAME.index")
    assert not Path("signs.txt").exists()


def test_what_is_asked_is_compared_with_what_the_index_holds(layout):
    assert read_index(INDEX).info["clip"] == {"fps": FPS, "short_side": 192}
    with pytest.raises(CalseError, match=r"elsewhere is missing; calse enrol makes an index"):
        lookup(layout, Path("elsewhere"), [], SECONDS)
