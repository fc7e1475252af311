import gc
import struct

import av
import cv2
import numpy as np
import pytest

from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused, map_sandboxed
from calse.video.ours.encode import FAST, SPEED, write_video
from calse.video.ours.planes import Planes, frame_of, planes_of, planes_of_rgb, resized
from calse.video.ours.read import iterate_planes, read_frames
from calse.video.untrusted.decode import Frame, iterate_frames, iterate_pictures, probe
from calse.video.untrusted.normalise import at_rate, fitted, fitted_size
from videos import moving, patched, remux, write_bad_files, write_clip


def test_frames_come_back_in_order_number_and_colour(tmp_path):
    frames = moving(10)
    write_video(tmp_path / "clip.mp4", iter(frames), 25)
    read = read_frames(tmp_path / "clip.mp4")
    assert read.shape == frames.shape
    assert read.dtype == np.uint8
    error = np.abs(read.astype(int)[:, None] - frames.astype(int)[None]).mean((2, 3, 4))
    assert (error.argmin(1) == np.arange(10)).all()
    assert error.diagonal().max() < 6


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (250, 250, 250), (5, 5, 5)])
def test_pure_colours_survive_in_both_decoders(tmp_path, colour):
    path = tmp_path / "colour.mp4"
    write_video(path, np.full((2, 32, 32, 3), colour, np.uint8), 25)
    by_decord, by_pyav = read_frames(path)[0], next(iterate_frames(path)).image
    assert np.abs(by_decord.astype(int) - colour).max() <= 6  # another matrix or range is 10 and more away
    np.testing.assert_array_equal(by_decord, by_pyav)


def test_the_file_says_what_it_holds_and_nothing_of_when_it_was_made(tmp_path):
    write_video(tmp_path / "clip.mp4", moving(9, 48, 64), 12.5, {"title": "AÑO"})
    assert probe(tmp_path / "clip.mp4") == probe(tmp_path / "clip.mp4")
    info = probe(tmp_path / "clip.mp4")
    assert (info.width, info.height, info.fps, info.frames, info.codec) == (64, 48, 12.5, 9, "h264")
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.metadata["title"] == "AÑO"
        assert not {"creation_time", "encoder"} & set(container.metadata)
        context = container.streams.video[0].codec_context
        assert (context.pix_fmt, int(context.colorspace), int(context.color_range)) == ("yuv420p", 6, 1)


@pytest.mark.parametrize(
    ("frames", "word"),
    [
        (np.zeros((0, 32, 32, 3), np.uint8), "no frame"),
        (np.zeros((2, 33, 32, 3), np.uint8), "even"),
        (np.zeros((2, 32, 32, 3), np.float32), "uint8"),
        ([np.zeros((32, 32, 3), np.uint8), np.zeros((32, 34, 3), np.uint8)], "differ"),
    ],
)
def test_frames_that_make_no_video_are_refused_and_leave_nothing(tmp_path, frames, word):
    with pytest.raises(CalseError, match=word):
        write_video(tmp_path / "clip.mp4", frames, 25)
    assert not list(tmp_path.iterdir())


def test_a_gif_is_read(tmp_path):
    frames = moving(5, 32, 32)
    with av.open(str(tmp_path / "clip.gif"), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb8"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="rgb8")))
        container.mux(stream.encode(None))
    assert read_frames(tmp_path / "clip.gif").shape == (5, 32, 32, 3)
    assert probe(tmp_path / "clip.gif").codec == "gif"


def test_a_rotated_phone_video_is_turned_upright_by_both_decoders(tmp_path):
    data = bytearray(write_clip(tmp_path / "flat.mp4", height=32, width=64).read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(data)
    upright = next(iterate_frames(tmp_path / "phone.mp4")).image
    assert upright.shape == (64, 32, 3)
    pytest.importorskip("decord", reason="not made for Linux on ARM, where clips of ours are upright already")
    np.testing.assert_array_equal(upright, read_frames(tmp_path / "phone.mp4")[0])


def test_every_kind_of_damage_is_named(tmp_path):
    good = write_clip(tmp_path / "good.mp4", frames=16)
    bad = tmp_path / "bad"
    bad.mkdir()
    for name in write_bad_files(bad, good):
        with pytest.raises(CalseError, match=name):
            list(iterate_frames(bad / name))


def test_a_recording_trimmed_at_its_start_is_no_damaged_one(tmp_path):
    whole = write_clip(tmp_path / "whole.mp4", frames=16)
    with av.open(str(whole)) as old, av.open(str(tmp_path / "trimmed.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream, packet.pts, packet.dts = stream, packet.pts - 4 * 512, packet.dts - 4 * 512
                new.mux(packet)
    assert probe(tmp_path / "trimmed.mp4").frames == 16
    assert len(list(iterate_frames(tmp_path / "trimmed.mp4"))) == 12


def test_a_recording_trimmed_at_its_end_is_no_damaged_one(tmp_path):
    whole = tmp_path / "whole.mp4"
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in moving(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    trimmed = patched(whole, tmp_path / "trimmed.mp4", b"elst", 12, 400)
    assert probe(trimmed).frames == 50
    assert len(list(iterate_frames(trimmed))) == 10


def test_a_long_video_does_not_stay_in_memory(tmp_path):
    write_clip(tmp_path / "long.mp4", frames=60)
    gc.collect()
    gc.disable()  # circles of objects would go away some time, a film of 4K before that has filled the memory
    try:
        for frame in iterate_frames(tmp_path / "long.mp4"):
            assert frame.image.any()
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) < 10
    finally:
        gc.enable()


def test_a_playlist_that_names_another_file_is_not_followed(tmp_path):
    write_clip(tmp_path / "private.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile private.mp4\n")
    with pytest.raises(CalseError, match=r"list\.mp4"):
        list(iterate_frames(tmp_path / "list.mp4"))


def test_other_containers_give_the_same_frames(tmp_path):
    good = write_clip(tmp_path / "good.mp4")
    for suffix in (".mkv", ".mov"):
        copy = remux(good, tmp_path / f"copy{suffix}")
        np.testing.assert_array_equal(np.stack([f.image for f in iterate_frames(copy)]), read_frames(good))


def stamps(times, duration):
    return [Frame(t, duration, np.full((2, 2, 3), n, np.uint8), 1.0) for n, t in enumerate(times)]


def shown(frames, fps=25):
    return [int(frame.image[0, 0, 0]) for frame in at_rate(frames, fps)]


@pytest.mark.parametrize(
    ("fps_in", "count", "fps_out", "expected"),
    [
        (25, 5, 25, [0, 1, 2, 3, 4]),
        (50, 6, 25, [0, 2, 4]),
        (10, 3, 20, [0, 0, 1, 1, 2, 2]),
        (30, 6, 25, [0, 1, 2, 3, 4]),
        (60, 12, 25, [0, 2, 4, 7, 9]),
        (24000 / 1001, 7, 25, [0, 0, 1, 2, 3, 4, 5]),
        (30000 / 1001, 8, 25, [0, 1, 2, 3, 4, 5, 7]),
        (120, 12, 25, [0, 4, 9]),
        (240, 50, 25, [0, 9, 19, 28, 38, 48]),
        (25, 1, 1, [0]),
    ],
)
def test_resampling_takes_the_frame_on_screen(fps_in, count, fps_out, expected):
    assert shown(stamps([n / fps_in for n in range(count)], 1 / fps_in), fps_out) == expected


def test_a_rest_lasts_as_long_as_it_was_filmed():
    """In a film of a variable rate the frame before the rest stands until the next one starts."""
    assert shown(stamps([0, 0.04, 0.44, 0.48], 0.04)) == [0] + [1] * 10 + [2, 3]
    assert shown(stamps([0, 1, 1.2], 1)) == [0] * 25 + [1] * 5 + [2] * 25


def test_of_frames_that_do_not_last_the_later_one_is_shown():
    assert shown(stamps([0, 0.04, 0.04, 0.08], 0.04)) == [0, 2, 3]
    assert shown(stamps([0, 0.04, 0.08], 0)) == [0, 1]
    assert shown(stamps([0], -1)) == [0]


@pytest.mark.parametrize("fps", [23.976, 24, 25, 29.97, 30, 50, 59.94, 60])
@pytest.mark.parametrize("clock", [1 / 1000, 1 / 90_000, 1 / 600])
@pytest.mark.parametrize("start", [0, 0.0333, 5.0203])
def test_a_film_of_the_wanted_rate_shows_each_frame_once_whatever_clock_rounds_its_times(fps, clock, start):
    times = [round((start + n / fps) / clock) * clock for n in range(200)]
    frames = [Frame(t - times[0], 1 / fps, np.full((1, 1, 1), n), 1.0, clock) for n, t in enumerate(times)]
    assert shown(frames, fps) == list(range(200))


@pytest.mark.parametrize("clock", [1 / 1000, 1 / 30, 0.01])
def test_no_frame_is_shown_before_its_time(clock):
    frames = [Frame(t, 0.04, np.full((1, 1, 1), n), 1.0, clock) for n, t in enumerate([0, 0.041, 0.081])]
    assert shown(frames) == [0, 0, 1]


def gif_with_delays(path, delays):
    """A gif whose frames are flat, each lighter than the one before, with delays in hundredths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "gray"
        for number in range(len(delays)):
            picture = np.full((32, 32), 40 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    data, at = bytearray(path.read_bytes()), 0
    for delay in delays:
        at = data.index(b"\x21\xf9\x04", at + 1)
        struct.pack_into("<H", data, at + 4, delay)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([100, 20, 100], [0] * 25 + [1] * 5 + [2] * 25),
        ([0, 1, 8], [0, 0, 0, 1, 1, 2, 2]),  # a browser takes 0 and 1 for ten hundredths
    ],
)
def test_a_gif_holds_its_pictures(tmp_path, delays, expected):
    path = gif_with_delays(tmp_path / "hold.gif", delays)
    assert [int(frame.image[0, 0, 0]) // 40 for frame in at_rate(iterate_frames(path), 25)] == expected


@pytest.mark.parametrize("fps", [30, 30000 / 1001, 60])
def test_milliseconds_lose_no_frame(tmp_path, fps):
    """Matroska rounds every time to a millisecond."""
    path = remux(write_clip(tmp_path / "clip.mp4", frames=30, fps=fps), tmp_path / "clip.mkv")
    frames = list(iterate_frames(path))
    again = list(at_rate(frames, fps))
    assert len(again) == 30
    assert all(one is other for one, other in zip(frames, again, strict=True))


def test_frames_are_written_at_their_own_times(tmp_path):
    """Any player shows each at its time and the last one as long as it shall last."""
    times = [0, 0.066, 0.083, 0.083, 1.5, 1.541, 2.05]
    write_video(tmp_path / "clip.mp4", moving(6), 25, times=times)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == pytest.approx(2.05, abs=1e-5)
        frames = [(frame.time, float(frame.duration * frame.time_base)) for frame in container.decode(stream)]
    assert [start for start, _ in frames] == pytest.approx(times[:-1], abs=2e-5)
    assert frames[-1][1] == pytest.approx(2.05 - 1.541, abs=1e-5)
    assert read_frames(tmp_path / "clip.mp4").shape == (6, 48, 64, 3)


def test_sizes_keep_the_aspect_and_are_even():
    assert fitted_size(1920, 1080, 1.0, 256) == (456, 256)
    assert fitted_size(306, 308, 1.0, 256) == (256, 258)
    assert fitted_size(720, 576, 16 / 15, 256) == (342, 256)
    assert resized(np.zeros((100, 200, 3), np.uint8), (64, 32)).shape == (32, 64, 3)


def as_rgb(planes):
    frame = frame_of(planes)
    frame.colorspace, frame.color_range = 6, 1
    return frame.to_ndarray(format="rgb24").astype(int)


@pytest.mark.parametrize(
    ("format_", "matrix", "range_", "size"),
    [
        ("yuv420p", 6, 1, (64, 48)),
        ("yuv420p", 1, 1, (96, 64)),
        ("yuv420p", 1, 2, (40, 24)),
        ("yuv444p", 6, 1, (63, 49)),
        ("yuv420p10le", 1, 1, (96, 64)),
    ],
)
def test_scaling_without_rgb_shows_what_scaling_rgb_shows(tmp_path, format_, matrix, range_, size):
    """Whatever matrix, range, depth and sides a stranger's video has; colour may lie half a pixel to the side."""
    path = tmp_path / "strange.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        (stream.width, stream.height), stream.pix_fmt = size, format_
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, range_
        for image in moving(2, size[1], size[0]):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(
                stream.encode(picture.reformat(format=format_, dst_colorspace=matrix, dst_color_range=range_))
            )
        container.mux(stream.encode(None))
    for small, frame in zip(fitted(iterate_pictures(path), 32), iterate_frames(path), strict=True):
        height, width = small.luma.shape
        assert min(height, width) == 32
        write_video(tmp_path / "plain.mp4", [resized(frame.image, (width, height))], 25, qp=0)
        plain = next(iterate_planes(tmp_path / "plain.mp4"))
        for ours, theirs, within in zip(small, plain, (2, 3, 3), strict=True):
            difference = ours.astype(int) - theirs
            assert np.abs(difference).mean() < within
            assert abs(difference.mean()) < 1.2


def test_scaling_without_rgb_turns_a_phone_video_upright(tmp_path):
    data = bytearray(write_clip(tmp_path / "flat.mp4", height=32, width=64).read_bytes())
    matrix = data.index(b"tkhd") + 44
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "phone.mp4").write_bytes(data)
    small = next(fitted(iterate_pictures(tmp_path / "phone.mp4"), 32))
    assert small.luma.shape == (64, 32)
    assert np.abs(as_rgb(small) - next(iterate_frames(tmp_path / "phone.mp4")).image).mean() < 2


def test_rgb_becomes_the_planes_that_ffmpegs_own_converter_makes():
    smooth = cv2.resize(np.random.default_rng(1).integers(0, 256, (5, 6, 3), np.uint8), (96, 80))
    frame = av.VideoFrame.from_ndarray(smooth, "rgb24").reformat(format="yuv420p", dst_colorspace=5, dst_color_range=1)
    for ours, theirs in zip(planes_of_rgb(smooth), planes_of(frame), strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 2


def test_planes_go_into_a_clip_and_come_out_as_rgb_does(tmp_path):
    write_video(tmp_path / "rgb.mp4", moving(), 25)
    again = list(iterate_planes(tmp_path / "rgb.mp4"))
    write_video(tmp_path / "planes.mp4", again, 25)
    assert np.abs(read_frames(tmp_path / "planes.mp4").astype(int) - read_frames(tmp_path / "rgb.mp4")).mean() < 3
    with pytest.raises(CalseError, match="even"):
        write_video(tmp_path / "odd.mp4", [Planes(*(plane[:-1] for plane in again[0]))], 25)


def test_fast_writing_costs_bytes_and_no_quality(tmp_path):
    noise = np.random.default_rng(0).normal(0, 2, (12, 64, 96, 1))
    frames = np.clip(moving(12, 64, 96) + noise, 0, 255).astype(np.uint8)
    speeds = {"ultrafast": SPEED | {"preset": "ultrafast"}, "fast": FAST}
    for name, speed in speeds.items():
        write_video(tmp_path / f"{name}.mp4", frames, 25, speed=speed)
    errors = {name: np.square(read_frames(tmp_path / f"{name}.mp4").astype(float) - frames).mean() for name in speeds}
    assert errors["fast"] < errors["ultrafast"]


def test_a_header_of_giant_size_does_not_eat_the_memory(tmp_path, cold):
    good = write_clip(tmp_path / "good.mp4")
    giant = patched(good, tmp_path / "giant.mp4", b"avc1", 28, (30000 << 16) | 30000)
    result = map_sandboxed(count_frames, [giant], "try", 20)[0]
    assert isinstance(result, Refused) or result == 12


def count_frames(path):
    return len(list(iterate_frames(path)))
