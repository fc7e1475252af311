"""`calse anonymise` on real files of strangers, with an untrained model: what matters here is what goes in and out."""

import re
import shutil
import struct
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from typer.testing import CliRunner

from calse.cli.commands import tools
from calse.config.params import check_params
from calse.data.manifests import write_manifest
from calse.doctor.study import donors
from calse.faceswap.anonymise import Result, anonymise, line_of, print_results
from calse.faceswap.donor import DonorRequest, donor_of, unsuitable
from calse.faceswap.exposure import LeftFaces, exposures, frames_at
from calse.faceswap.face_window import face_window_of
from calse.faceswap.methods.autoencoder.model.network import SwapNetwork
from calse.faceswap.methods.autoencoder.model.train import save_model
from calse.faceswap.methods.mesh.model.library import usable
from calse.faceswap.quality.compare import follow
from calse.faceswap.quality.distance import embed_frames
from calse.faceswap.recognised import identity, risky
from calse.landmarks.following import landmarks_of_frames, load_networks
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from calse.video.marks.mark import Marker
from calse.video.marks.signing_key import signing_key
from calse.video.marks.verify import verify_files
from calse.video.ours.encode import write_video
from calse.video.ours.planes import planes_of_rgb, rgb_of
from calse.video.ours.read import read_frames
from calse.video.untrusted.decode import probe
from cartoons import flat_hand
from faces import FACES, SWAP, filmed, track_of, with_models, write_clip
from signers.signers import DONORS, SOURCES


def params(**settings):
    tree = YAML(typ="safe", pure=True).load(Path("presets/synthetic.yaml").read_text(encoding="utf-8"))
    tree["corpus"]["sources"]["DONOR-1"] = {"kind": "donor", "clips_per_gloss": None}
    return check_params(tree | {"recipes": {"Baseline": []}, "swap": {"DF-1": SWAP | settings}})


PARAMS = params()
TRAINED = DonorRequest("autoencoder", "DONOR-1")


def hold(path, delays):
    """Give the pictures of a gif delays, in hundredths of a second."""
    data, at = bytearray(path.read_bytes()), 0
    for delay in delays:
        at = data.index(b"\x21\xf9\x04", at + 1)
        struct.pack_into("<H", data, at + 4, delay)
    path.write_bytes(data)


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
    save_model(layout.swap_model("DF-1"), network, info)
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
    results = anonymise(PARAMS, layout, [videos / "signer.mp4", videos / "odd.gif"], TRAINED, tmp_path / "out")
    assert [result.swapped for result in results] == [len(frames), 4]
    height, width = frames.shape[1:3]
    for result, fps, count in zip(results, (12.5, 10), (len(frames), 4), strict=True):
        info = probe(result.target)
        assert (info.width, info.height, info.fps, info.frames, info.codec) == (width, height, fps, count, "h264")
    out = read_frames(results[0].target).astype(int)
    assert np.abs(out - frames).mean(axis=(0, 3))[-60:].mean() < 4  # below the face only the codec was at work
    assert np.abs(out - frames).max() > 60  # an untrained face is no face


def test_of_a_frame_only_the_face_is_written_anew(world):
    """A way through RGB and back changes colours: what is not swapped stays in its planes to the bit."""
    layout, _, frames = world
    track = landmarks_of_frames(frames[:1], load_networks(layout), FACES)
    window = face_window_of(track, *frames.shape[1:3])
    planes = planes_of_rgb(frames[0])
    before, face = [plane.copy() for plane in planes], track.face[0]
    window.put(255 - rgb_of(window.of(planes)), planes, window.inside(face))
    places = zip(planes, before, (1, 2, 2), strict=True)
    for changed, scale in [(np.argwhere(new != old), scale) for new, old, scale in places]:
        low, high = face[:, 1::-1].min(axis=0) / scale, face[:, 1::-1].max(axis=0) / scale
        assert (changed.min(axis=0) >= low - 4).all()
        assert (changed.max(axis=0) <= high + 4).all()
        assert len(changed) > 0.9 * np.prod(high - low)


def test_what_comes_out_is_marked_and_labelled_and_names_nobody(world, tmp_path, monkeypatch):
    pytest.importorskip("c2pa", reason='needs the extra "publish"')
    layout, videos, _ = world
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    shutil.copy(videos / "odd.gif", tmp_path / "ana.gif")
    marker = Marker(signing_key(None))
    plain = anonymise(PARAMS, layout, [tmp_path / "ana.gif"], TRAINED, tmp_path / "plain")
    told = anonymise(PARAMS, layout, [tmp_path / "ana.gif"], TRAINED, tmp_path / "told", marker.mark, label=True)
    [found] = verify_files([told[0].target], [])
    assert not found.fault
    assert f"parentOf: the original, sha256 {sha256_of(tmp_path / 'ana.gif')}" in found.says
    assert any("c2pa.edited (compositeWithTrainedAlgorithmicMedia) synthetic face" in line for line in found.says)
    assert "ana" not in " ".join(found.says)
    changed = np.abs(read_frames(told[0].target).astype(int) - read_frames(plain[0].target)).max(axis=(0, 3)) > 100
    assert changed[-20:, :60].any()
    assert not changed[:-30].any()


def write_webcam(path, frames, milliseconds):
    """A recording of a variable rate, as browsers make it; without durations, so the last one's is a guess."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=1000, options={"crf": "4", "b": "4M", "deadline": "realtime"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for image, time in zip(frames, milliseconds, strict=True):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def times_of(path):
    """When each frame starts and the last one ends, in seconds, by FFmpeg alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.time for frame in container.decode(stream)] + [float(stream.duration * stream.time_base)]


def test_a_copy_plays_as_fast_as_its_original(world, tmp_path):
    layout, _, frames = world
    milliseconds = [0, 66, 83, 166, 1200, 1233]
    write_webcam(tmp_path / "webcam.webm", frames[:6], milliseconds)
    write_gif(tmp_path / "hold.gif", frames[:4], 25)
    hold(tmp_path / "hold.gif", [8, 8, 150, 8])
    videos = [tmp_path / "webcam.webm", tmp_path / "hold.gif"]
    webcam, gif = anonymise(PARAMS, layout, videos, TRAINED, tmp_path / "out")
    assert times_of(webcam.target)[:-1] == pytest.approx([time / 1000 for time in milliseconds], abs=1e-4)
    assert 1.233 < times_of(webcam.target)[-1] < 1.4
    assert times_of(gif.target) == pytest.approx([0, 0.08, 0.16, 1.66, 1.74], abs=1e-4)


def test_what_cannot_be_used_is_refused_by_name_and_the_rest_is_made(world, tmp_path, capsys):
    layout, videos, _ = world
    names = ["broken.mp4", "room.mp4", "odd.gif"]
    results = anonymise(PARAMS, layout, [videos / name for name in names], TRAINED, tmp_path)
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
    results = anonymise(nose_alone, layout, [videos / "odd.gif"], TRAINED, tmp_path)
    assert results[0].moved == 0
    assert "4 OF 4 MEASURED FRAMES STILL LOOK LIKE THE SIGNER (0.00-0.30 s)" in line_of(results[0])
    with pytest.raises(CalseError, match="1 of 1 videos may still show who signs"):
        print_results(results)


def test_frames_without_a_found_face_are_named_and_a_short_gap_is_blurred(world, track, tmp_path):
    layout, _, frames = world
    hidden = frames.copy()
    hidden[[3, 4, -2, -1]] = np.random.default_rng(0).integers(0, 256, frames.shape[1:])  # in front of the camera
    write_video(tmp_path / "hidden.mp4", hidden, 12.5, qp=0)
    [result] = anonymise(PARAMS, layout, [tmp_path / "hidden.mp4"], TRAINED, tmp_path / "out")
    count, line = len(frames), line_of(result)
    assert result.swapped == count - 4
    assert f"FACE LOST IN 2 OF {count} FRAMES, BLURRED WHERE IT MUST HAVE BEEN (0.24-0.32 s)" in line
    end = f"{(count - 2) / 12.5:.2f}-{(count - 1) / 12.5:.2f} s"
    assert f"NO FACE FOUND IN 2 OF {count} FRAMES, LEFT AS THEY WERE ({end})" in line
    x, y = track.face[0, :, :2].mean(axis=0).astype(int)
    noise = read_frames(result.target)[:, y - 8 : y + 8, x - 8 : x + 8].std(axis=(1, 2, 3))
    assert noise[[3, 4]].max() < 20 < 40 < noise[[-2, -1]].min()


@pytest.mark.parametrize("unswapped", ["blur", "keep", "drop"])
def test_what_becomes_of_a_face_that_is_lost_for_long_is_the_users_choice(world, tmp_path, unswapped):
    """A second and more without a face: it can be anywhere, so that the whole picture is blurred."""
    layout, _, frames = world
    lost = np.random.default_rng(0).integers(0, 256, (5, *frames.shape[1:]), dtype=np.uint8)
    write_video(tmp_path / "away.mp4", np.concatenate([frames[:2], lost, frames[2:4], lost[:1]]), 4, qp=0)
    [result] = anonymise(PARAMS, layout, [tmp_path / "away.mp4"], TRAINED, tmp_path / "out", unswapped=unswapped)
    line, out = line_of(result), read_frames(result.target)
    assert result.swapped == 4
    if unswapped == "drop":
        assert (result.dropped, len(out)) == (6, 4)
        assert "NO FACE FOUND IN" not in line
        assert "6 dropped" in line
        assert times_of(result.target) == pytest.approx([0, 0.25, 1.75, 2, 2.5], abs=1e-3)
        return
    bare = {"blur": 1, "keep": 6}[unswapped]
    assert f"NO FACE FOUND IN {bare} OF 10 FRAMES, LEFT AS THEY WERE" in line
    assert ("FACE LOST FOR LONG IN 5 OF 10 FRAMES, BLURRED AS A WHOLE (0.50-1.50 s)" in line) == (unswapped == "blur")
    assert (out[2:7].std(axis=(1, 2, 3)).max() < 20) == (unswapped == "blur")
    assert out[9].std() > 40  # after the last face: nobody knows where it went


@pytest.fixture(scope="module")
def tracks(world):
    """The landmarks of the stranger's frames, and of four times the same."""
    networks = load_networks(world[0])
    return [landmarks_of_frames(np.concatenate([world[2]] * times), networks, FACES) for times in (1, 4)]


@pytest.fixture
def track(tracks):
    return deepcopy(tracks[0])


@pytest.fixture
def long_track(tracks):
    return deepcopy(tracks[1])


def exposed(world, track, swapped, after=None):
    """What is said of the stranger's frames when they were swapped in any way."""
    networks, original = load_networks(world[0]), np.concatenate([world[2]] * (len(swapped) // len(world[2])))
    times = np.arange(len(original) + 1) / 12.5
    after = follow(swapped, networks, FACES) if after is None else after
    who = identity(world[0], original, swapped, track, after, times)
    return exposures(LeftFaces(track, {}, times, networks, FACES).look_at(swapped), track, {}, after, who, times)


@pytest.fixture(scope="module")
def perfect(world):
    """The same movements with the donor's own face."""
    return filmed(SOURCES["SACU"][0], DONORS["DONOR-1"], "NO")[0][::5]


def test_a_perfect_swap_exposes_nobody(world, track, perfect):
    assert exposed(world, track, perfect) == ()


def test_every_frame_that_the_swap_missed_is_named(world, long_track, perfect):
    """Two single frames and a stretch, of many; a sample of one a second would hardly ever hit them all."""
    original, swapped = np.concatenate([world[2]] * 4), np.concatenate([perfect] * 4)
    missed = [2, 15, *range(20, 24)]
    swapped[missed] = original[missed]
    [danger] = exposed(world, long_track, swapped)
    assert danger.startswith("6 OF ")
    assert danger.endswith(" MEASURED FRAMES STILL LOOK LIKE THE SIGNER (0.16 s, 1.20 s, 1.60-1.84 s)")


def test_a_sample_is_not_made_worse_by_the_frames_that_were_sought(world, long_track, perfect):
    """What was sought out because it looked like a risk says nothing of how often a swap failed."""
    original, swapped = np.concatenate([world[2]] * 4), np.concatenate([perfect] * 4)
    missed = [1, 10]
    swapped[missed] = original[missed]
    who = identity(world[0], original, swapped, long_track, long_track.face, np.arange(len(original) + 1) / 12.5)
    assert set(who.signer) == set(missed)
    assert set(missed) <= set(who.measured)
    assert set(who.sampled) < set(who.measured)
    assert who.moved == 1 - len(set(missed) & set(who.sampled)) / len(who.sampled)


def test_between_two_frames_that_are_taken_for_the_signer_none_is_measured_and_all_are_named(
    world, long_track, perfect
):
    original, swapped = np.concatenate([world[2]] * 4), np.concatenate([perfect] * 4)
    missed = range(10, 30)
    swapped[10:30] = original[10:30]
    long_track.hands[:] = np.nan
    after = follow(swapped, load_networks(world[0]), FACES)
    landmarks = np.where(np.isin(np.arange(len(original)), missed)[:, None, None], long_track.face, after)
    who = identity(world[0], original, swapped, long_track, landmarks, np.arange(len(original) + 1) / 25)
    assert who.signer == list(missed)
    ends = {9, 10, 29, 30}
    assert ends <= set(who.measured)
    assert len(set(missed) & set(who.measured)) <= len(missed) / 2


def test_frames_in_which_a_swap_fails_first_are_looked_at(world, track, perfect):
    track.hands[:] = np.nan
    assert not risky(world[2], perfect, track).any()
    track.face[3] = np.nan
    track.hands[6, 0] = flat_hand(*track.face[6, 1, :2])
    weak = perfect.copy()
    weak[5] = world[2][5] // 2 + perfect[5] // 2
    assert np.flatnonzero(risky(world[2], weak, track)).tolist() == [2, 4, 5, 6]  # 3 has no face to look at


def test_faces_that_are_found_no_more_are_not_taken_for_moved(world, track, perfect):
    nothing = np.full((len(perfect), 468, 3), np.nan, np.float32)
    unfound, few = exposed(world, track, perfect, nothing)
    assert f"NO FACE FOUND AGAIN IN {len(perfect)} OF {len(perfect)} FRAMES, NOT MEASURED" in unfound
    assert few == f"WHOSE FACE IT IS WAS MEASURED IN 0 OF {len(perfect)} FRAMES ONLY"


@pytest.mark.parametrize(("share", "danger"), [(0.12, "OTHER FACES LEFT"), (0.04, "FACES UNDER 5% OF THE WIDTH LEFT")])
def test_a_second_person_is_named_however_small(world, track, perfect, share, danger):
    swapped, networks = perfect.copy(), load_networks(world[0])
    points = landmarks_of_frames(perfect[:1], networks, FACES).face[0, :, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    (left, top), (right, bottom) = (low - 0.5 * (high - low)).astype(int), (high + 0.5 * (high - low)).astype(int)
    scale = share * perfect.shape[2] / (high - low)[0]
    other = cv2.resize(perfect[0, max(0, top) : bottom, left:right], None, fx=scale, fy=scale)
    swapped[5:, -len(other) :, : other.shape[1]] = other
    [named] = exposed(world, track, swapped)
    assert named.startswith(danger)
    first = float(re.search(r"\((\d\.\d\d)", named)[1])
    assert 0.4 <= first <= (0.4 if share > 0.05 else 0.8), "a small one is sought less often"


def test_a_face_that_shows_between_two_looks_is_traced_to_its_first_and_last_frame(world, perfect):
    """Frames of a thousandth of a second: one look in a hundred frames, but all of them around a face."""
    networks = load_networks(world[0])
    track = landmarks_of_frames(perfect, networks, FACES)
    some = np.arange(30) % len(perfect)
    bare = replace(track, **{name: part[some] for name, part in vars(track).items()})
    bare.face[5:9] = np.nan  # nobody was swapped there
    looks = LeftFaces(bare, {}, np.arange(31) / 100, networks, FACES)
    assert looks.look_at(perfect[some]).found()[0] == []  # looks at 0, 0.1, 0.2 and the last one: between them
    bare.face[5:15] = np.nan
    looks = LeftFaces(bare, {}, np.arange(31) / 100, networks, FACES)
    assert looks.look_at([None if k == 14 else perfect[some[k]] for k in range(30)]).found()[0] == list(range(5, 14))


def test_outside_the_faces_window_a_video_is_as_it_came(world, track, tmp_path):
    """Not through RGB and back: the planes of frames that the encoder did not change are those of the original."""
    layout, videos, frames = world
    [result] = anonymise(PARAMS, layout, [videos / "signer.mp4"], TRAINED, tmp_path)
    assert result.swapped == len(frames)
    window = face_window_of(track, *frames.shape[1:3])
    assert (window.bottom - window.top) * (window.right - window.left) < frames.shape[1] * frames.shape[2] / 2
    planes = [planes_of_rgb(frame) for frame in frames]
    before = [plane.copy() for plane in planes[0]]
    inside = window.of(planes[0])
    window.put(rgb_of(inside), planes[0])
    for plane, old, part in zip(planes[0], before, inside, strict=True):
        part[:] = 0
        changed = np.argwhere(plane != old)
        scale = frames.shape[1] // plane.shape[0]
        corners = [window.top // scale, window.left // scale, window.bottom // scale, window.right // scale]
        assert (changed.min(axis=0) >= corners[:2]).all()
        assert (changed.max(axis=0) < corners[2:]).all()
    moved = window.moved(track)
    x, y = moved.face[0, 1, :2].astype(int)
    whole_x, whole_y = track.face[0, 1, :2].astype(int)
    cut = rgb_of(window.of(planes_of_rgb(frames[0])))
    assert np.abs(cut[y, x].astype(int) - frames[0, whole_y, whole_x]).max() < 12


def test_a_film_too_long_for_memory_is_refused_with_the_length_of_a_part(world, track, tmp_path, monkeypatch):
    layout, videos, frames = world
    window = face_window_of(track, *frames.shape[1:3])
    size = 6 * (window.bottom - window.top) * (window.right - window.left)
    monkeypatch.setattr("calse.faceswap.face_window.MEMORY", size * len(frames) - 1)
    [result] = anonymise(PARAMS, layout, [videos / "signer.mp4"], TRAINED, tmp_path)
    assert result.refused.endswith(f"cut it into parts of {len(frames) - 1} at most")
    assert not list(tmp_path.iterdir())


def test_a_face_at_the_edge_is_named(world, track, tmp_path):
    layout, _, frames = world
    points = track.face[0, :, :2]
    middle = int(points[:, 0].min() + 0.2 * np.ptp(points[:, 0])) // 2 * 2
    write_video(tmp_path / "edge.mp4", frames[:9, :, middle:], 12.5)
    [result] = anonymise(PARAMS, layout, [tmp_path / "edge.mp4"], TRAINED, tmp_path / "out")
    assert any(danger.startswith("FACE CUT BY THE PICTURE'S EDGE IN ") for danger in result.exposed)


def test_times_are_said_in_stretches():
    times = np.arange(40) / 10
    assert frames_at([3], times) == "0.30 s"
    assert frames_at([0, 1, 2, 5, 7, 8, 20, 22], times) == "0.00-0.20 s, 0.50 s, 0.70-0.80 s and 2 more"


def test_nothing_is_overwritten(world, tmp_path):
    layout, videos, _ = world
    (tmp_path / "odd.mp4").write_bytes(b"mine")
    with pytest.raises(CalseError, match=r"odd\.mp4 exists"):
        anonymise(PARAMS, layout, [videos / "signer.mp4", videos / "odd.gif"], TRAINED, tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"mine"]


def test_two_videos_of_one_name_are_refused(world, tmp_path):
    layout, videos, _ = world
    with pytest.raises(CalseError, match="different names"):
        anonymise(PARAMS, layout, [videos / "odd.gif", tmp_path / "odd.mov"], TRAINED, tmp_path)


def test_a_donor_without_a_model_or_a_set_is_named(world, tmp_path):
    layout, videos, _ = world
    with pytest.raises(CalseError, match="'DONOR-9'.*DONOR-1"):
        anonymise(PARAMS, layout, [videos / "odd.gif"], DonorRequest("autoencoder", "DONOR-9"), tmp_path)
    (layout.swap_model("DF-1") / "model.json").rename(tmp_path / "aside.json")
    with pytest.raises(CalseError, match="dvc repro swap-train@DF-1"):
        anonymise(PARAMS, layout, [videos / "odd.gif"], TRAINED, tmp_path / "out")
    (tmp_path / "aside.json").rename(layout.swap_model("DF-1") / "model.json")
    assert not (tmp_path / "out").exists()


def test_the_line_says_what_came_out():
    made = Result(Path("a.gif"), Path("out/a.mp4"), frames=20, swapped=18, moved=0.75, kept=0.812)
    assert line_of(made) == (
        "out/a.mp4: 18 of 20 frames swapped; identity: not the signer in 75% of the sample; expression kept: 0.81"
    )
    assert line_of(replace(made, exposed=("HERE",))).endswith("; HERE")
    assert "no face is found any more" in line_of(Result(Path("a"), Path("b"), moved=None))


@pytest.fixture(scope="module")
def donor(world, tmp_path_factory):
    """Frames of a donor, no hand in front, and a folder of files of theirs: pictures, a video, what gives no face."""
    folder, frames = tmp_path_factory.mktemp("donor"), filmed(DONORS["DONOR-2"], DONORS["DONOR-2"], "NO")[0][4:28:3]
    found = landmarks_of_frames(frames, load_networks(world[0]), FACES)
    numbers = usable(found, *frames.shape[1:3])
    frames, face = frames[numbers], found.face[numbers[0]]
    (folder / "pictures").mkdir()
    (folder / "empty").mkdir()
    for number, frame in enumerate(frames[:3]):
        cv2.imwrite(str(folder / f"pictures/{number}.png"), frame[..., ::-1])
    (folder / "pictures/notes.txt").write_text("three pictures of me")
    (folder / "pictures/.hidden").write_bytes(b"of a file manager")
    middle = int(face[:, 0].min() + 0.3 * np.ptp(face[:, 0]))
    cv2.imwrite(str(folder / "half.png"), frames[0][:, middle:, ::-1])
    cv2.imwrite(str(folder / "room.png"), np.full((64, 64, 3), 90, np.uint8))
    write_video(folder / "speech.mp4", frames, 25)
    write_video(folder / "room.mp4", np.full_like(frames[:4], 90), 25)
    return folder, frames


def test_the_command_takes_a_folder_of_pictures_and_says_what_it_left_out(world, donor, tmp_path, monkeypatch):
    layout, videos, _ = world
    monkeypatch.chdir(layout.root)
    Path("params.yaml").write_text((Path(__file__).parents[2] / "presets/synthetic.yaml").read_text())
    out, options = tmp_path / "out", ["--donor-images", str(donor[0] / "pictures"), "--mouth", "donor"]
    look = tmp_path / "look"
    options += ["-o", str(out), "--preview", str(look)]
    done = CliRunner().invoke(tools, ["anonymise", str(videos / "odd.gif"), *options])
    assert f"{out}/odd.mp4: 4 of 4 frames swapped" in done.stdout
    assert read_frames(look / "odd.mp4").shape[2] == 2 * read_frames(out / "odd.mp4").shape[2]
    assert "1 of 4 files of the donor left out" in done.stderr
    assert "notes.txt: is no picture that can be read" in done.stderr
    assert "only 3 pictures" in done.stderr
    written = (out / "odd.mp4").read_bytes()
    assert b"mesh" in written
    assert b"own-donor" in written
    assert b"pictures" not in written, "names of files and folders may be people's"
    assert not list(layout.root.glob(".scratch/**/*.mp4")), "nothing of anybody's face is left behind"


@pytest.mark.parametrize("name", ["DONOR-9", "INTERPRETER"])
def test_a_donor_that_the_corpus_does_not_have_is_answered_with_those_it_has(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((Path(__file__).parents[2] / "presets/synthetic.yaml").read_text())
    done = CliRunner().invoke(tools, ["anonymise", "any.mp4", "--donor", name, "-o", "out"])
    assert str(done.exception) == (f"--donor: {name!r} is no donor of synthetic; those are: DONOR-1, DONOR-2, DONOR-3")


def test_a_face_out_of_a_video_comes_nearer_to_its_owner(world, donor, tmp_path):
    layout, videos, frames = world
    [result] = anonymise(
        PARAMS, layout, [videos / "signer.mp4"], DonorRequest(videos=(donor[0] / "speech.mp4",)), tmp_path
    )
    networks, swapped = load_networks(layout), read_frames(result.target)
    own, before, after = (
        embed_frames(layout, clip, landmarks_of_frames(clip, networks, FACES).face, [0, 2, 4])
        for clip in (donor[1], frames[:6], swapped[:6])
    )
    apart = [np.linalg.norm(some - own.mean(axis=0), axis=1).mean() for some in (before, after)]
    assert apart[1] < apart[0] - 0.1
    assert result.kept > 0.8


def test_whoever_lends_their_face_to_themselves_learns_that_and_what_to_try(world, donor, tmp_path):
    """Of the study's donors whoever looks unlike the signer is named, with how far; here that is one who is filmed."""
    layout, videos, _ = world
    videos_of = (videos / "signer.mp4",)
    [result] = anonymise(PARAMS, layout, [videos / "odd.gif"], DonorRequest(videos=videos_of), tmp_path / "alone")
    assert any(danger.startswith("THE DONOR LOOKS LIKE THE SIGNER (0.") for danger in result.exposed)
    assert line_of(result).endswith("; try --donor-video of somebody who looks unlike the signer")
    clip = write_clip(layout, layout.clips("DONOR-1").relative_to(layout.root) / "OTHER.mp4", donor[1], "DONOR-1")
    write_manifest(layout.source_manifest("DONOR-1"), [clip])
    track_of(layout, clip, donor[1])
    [result] = anonymise(PARAMS, layout, [videos / "odd.gif"], DonorRequest(videos=videos_of), tmp_path / "other")
    layout.source_manifest("DONOR-1").unlink()
    assert re.fullmatch(r"try --donor DONOR-1 \(0\.[6-9]\d from this signer\), or --donor-video of .*", result.advice)


@pytest.mark.parametrize(
    ("kind", "name", "why"),
    [
        ("images", "nobody.png", r"--donor-images .*nobody.png: there is no such file or folder"),
        ("images", "empty", r"--donor-images .*empty: this folder has no file in it"),
        ("images", "room.png", r"no face that can be used. .*room.png: shows no face, or none as wide as 5%"),
        ("images", "half.png", r"half.png: shows (no|a) face, "),
        ("images", "speech.mp4", r"speech.mp4: is no picture that can be read"),
        ("videos", "room.mp4", r"--donor-video: no face that can be used. .*room.mp4: shows no face"),
        ("videos", "pictures/notes.txt", r"notes.txt: "),
    ],
)
def test_files_that_show_no_donor_are_named(world, donor, kind, name, why):
    with pytest.raises(CalseError, match=why):
        donor_of(PARAMS, world[0], DonorRequest(**{kind: (donor[0] / name,)}))


def test_a_hand_in_front_of_every_picture_is_said(world, donor, monkeypatch):
    """The hand is drawn into the landmarks: a synthetic one over the face is not always found."""
    from calse.faceswap import donor_files

    def with_hand(frames, networks, settings):
        found = landmarks_of_frames(frames, networks, settings)
        found.hands[:, 0] = flat_hand(*found.face[0, 1, :2])
        return found

    monkeypatch.setattr(donor_files, "landmarks_of_frames", with_hand)
    with pytest.raises(
        CalseError, match=r"speech.mp4: (\d) of \1 frames show a face, but not .* without a hand in front"
    ):
        donor_of(PARAMS, world[0], DonorRequest(videos=(donor[0] / "speech.mp4",)))


def test_eyes_and_mouth_are_as_asked_and_only_the_mesh_has_them(world, donor):
    images = (donor[0] / "pictures/0.png",)
    drawn = donor_of(PARAMS, world[0], DonorRequest(images=images, eyes="donor")).settings
    assert (drawn.method, drawn.eyes, drawn.mouth) == ("mesh", "donor", "signer")
    for request, why in [
        (DonorRequest("autoencoder", "DONOR-1", eyes="donor"), "--eyes needs the method mesh"),
        (DonorRequest("autoencoder", images=images), "--donor-images needs the method mesh"),
        (DonorRequest("paint", "DONOR-1"), "no face-swap method 'paint'; those are: autoencoder, mesh"),
        (DonorRequest(donor="DONOR-1", images=images), "name one donor"),
        (DonorRequest(), "name one donor"),
    ]:
        with pytest.raises(CalseError, match=why):
            donor_of(PARAMS, world[0], request)


def test_a_donor_of_the_study_needs_no_set_and_what_they_lack_is_said_before(world, donor):
    layout, frames = world[0], donor[1][:3]
    path = layout.clips("DONOR-1").relative_to(layout.root) / "DONOR-1-NO-1.mp4"
    clip = write_clip(layout, path, frames, "DONOR-1")
    write_manifest(layout.source_manifest("DONOR-1"), [clip])
    assert "DONOR-1-NO-1.npz" in unsuitable(PARAMS, layout, "DONOR-1")[0]
    track_of(layout, clip, frames)
    made = donor_of(PARAMS, layout, DonorRequest(donor="DONOR-1"))
    assert (made.name, len(made.model[0]), made.settings.method) == ("DONOR-1", 3, "mesh")
    assert "donor DONOR-1: only 3 pictures" in unsuitable(PARAMS, layout, "DONOR-1") == made.warnings
    finding = donors(PARAMS, layout)
    assert finding.level == "warn"
    assert "donor DONOR-1: only 3 pictures" in finding.what
    with pytest.raises(CalseError, match=r"--donor SACU: .*of kind donor; those are: .*DONOR-1"):
        donor_of(PARAMS, layout, DonorRequest(donor="SACU"))


def test_a_place_where_nothing_can_be_written_is_named_before_any_work(world, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CalseError, match=r"--output .*file/out: no folder can be made"):
        anonymise(PARAMS, world[0], [world[1] / "odd.gif"], TRAINED, tmp_path / "file/out")
