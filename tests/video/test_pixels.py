"""What leaves a film is what a screen shows of it: turned, mirrored, interlaced, HDR, transparent or cut."""

import itertools
from fractions import Fraction
from types import SimpleNamespace

import av
import av.filter
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused
from calse.video.ours.planes import rgb_of
from calse.video.ours.read import iterate_frames as iterate_copy
from calse.video.untrusted.copy import Foreign, Times, copy_videos, safe_copy
from calse.video.untrusted.decode import Picture, iterate_frames, iterate_pictures
from calse.video.untrusted.display import Orientation
from calse.video.untrusted.normalise import fitted
from film import (
    CORNERS,
    coded,
    copied,
    corner_names,
    corners,
    number_of,
    numbered,
    packets_of,
    patch_error,
    patches,
    set_matrix,
    write_film,
)
from videos import moving


def frames_of(path):
    return [frame.image for frame in iterate_frames(path)]


def clip_of(path, short_side):
    """What ingest and predict make of a film."""
    return [rgb_of(planes) for planes in fitted(iterate_pictures(path), short_side)]


def doubts_of(path):
    return {doubt for picture in iterate_pictures(path) for doubt in picture.doubts}


EIGHT = [(x, 0, 0, y) for x in (1, -1) for y in (1, -1)] + [(0, x, y, 0) for x in (1, -1) for y in (1, -1)]


@pytest.mark.parametrize("sar", [(1, 1), (4, 3)])
@pytest.mark.parametrize("matrix", EIGHT)
def test_a_display_matrix_turns_and_mirrors_as_the_standard_says(tmp_path, matrix, sar):
    path = tmp_path / "film.mp4"
    set_matrix(write_film(path, [coded(corners(64, 96))] * 2, sar=sar), *matrix)
    a, b, c, d = matrix
    places = {"red": (0, 0), "green": (1, 0), "blue": (0, 1), "yellow": (1, 1)}
    shown = {name: (b * x + d * y, a * x + c * y) for name, (x, y) in places.items()}
    expected = sorted(shown, key=shown.get)
    assert corner_names(frames_of(path)[0]) == expected
    small = clip_of(path, 64)[0]
    assert corner_names(small) == expected
    assert small.shape[:2] == ((64 if not b else 96 * sar[0] // sar[1]), (64 if b else 96 * sar[0] // sar[1]))
    assert not doubts_of(path)


def test_a_film_that_its_player_tilts_is_left_straight_and_doubted(tmp_path):
    turn = np.radians(80)
    path = write_film(tmp_path / "film.mov", [coded(corners(64, 96))] * 2)
    set_matrix(path, np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn))
    assert corner_names(frames_of(path)[0]) == ["blue", "red", "yellow", "green"], "the nearest quarter of a turn"
    assert "tilts" in doubts_of(path).pop()


def interlaced(frames, first):
    """A white square that moves two pixels a field, woven of fields; `first` is the line where the earlier one starts.

    FFmpeg's own filter marks the frames, as a camera's encoder does.
    """
    graph = av.filter.Graph()
    source = graph.add_buffer(width=96, height=64, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("setfield", ("tff", "bff")[first]), graph.add("buffersink")).configure()
    for number in range(frames):
        image = np.zeros((64, 96, 3), np.uint8)
        for field in (0, 1):
            left = 16 + 2 * (2 * number + field)
            image[(first + field) % 2 :: 2, left : left + 24] = 220
        graph.vpush(coded(image))
        yield graph.vpull()


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("film.mp4", "libx264", {"flags": "+ilme+ildct"}),
        ("film.mts", "libx264", {"flags": "+ilme+ildct"}),
        ("film.mpg", "mpeg2video", {"qscale": "2", "flags": "+ilme+ildct"}),
        ("film.mov", "prores_ks", {"flags": "+ildct"}),
    ],
)
@pytest.mark.parametrize("first", [0, 1])
def test_a_frame_of_an_interlaced_film_shows_the_moment_of_its_first_field(tmp_path, name, codec, options, first):
    frames = list(interlaced(6, first))
    if codec == "prores_ks":
        frames = [frame.reformat(format="yuv422p10le") for frame in frames]
    path = write_film(tmp_path / name, frames, codec, options=options)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    for images in (frames_of(path), clip_of(path, 64)):
        assert len(images) == 6
        for number, image in enumerate(images[1:-1], start=1):
            lefts = (image[8:-8, :, 1] > 110).argmax(1)
            assert np.abs(lefts - (16 + 4 * number)).max() <= 1, "a combed picture differs by 2 from line to line"


def test_a_progressive_film_is_not_touched(tmp_path):
    path = write_film(tmp_path / "film.mp4", [coded(image) for image in moving(3, 64, 96)])
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray() for frame in container.decode(video=0)]
    for picture, wanted in zip(iterate_pictures(path), plain, strict=True):
        np.testing.assert_array_equal(picture.coded.to_ndarray(), wanted)


def b_frames(path, count=20):
    options = {"crf": "6", "x264-params": "bframes=3:b-adapt=0"}
    return write_film(path, [coded(numbered(number)) for number in range(count)], options=options)


def by_decoding_order(packet):
    packet.pts = packet.dts = packet.dts + 1024  # two pictures later: an mp4 would cut off what starts before 0


def test_a_file_that_knows_only_the_order_of_decoding_loses_no_picture(tmp_path):
    """AVI has no other times; some writers of mkv and mp4 copy them."""
    whole = b_frames(tmp_path / "film.mp4")
    films = [b_frames(tmp_path / "film.avi")]
    films += [copied(whole, tmp_path / f"copy.{suffix}", change=by_decoding_order) for suffix in ("mp4", "mkv")]
    for path in [whole, *films]:
        frames = list(iterate_frames(path))
        assert [number_of(frame.image) for frame in frames] == list(range(20))
        np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(20) / 25, atol=0.002)


def test_recordings_put_one_after_another_keep_every_picture(tmp_path):
    b_frames(tmp_path / "film.ts", 10)
    (tmp_path / "two.ts").write_bytes((tmp_path / "film.ts").read_bytes() * 2)
    frames = list(iterate_frames(tmp_path / "two.ts"))
    assert [number_of(frame.image) for frame in frames] == list(range(10)) * 2
    assert np.diff([frame.seconds for frame in frames]).min() > 0.03


@pytest.fixture
def open_gops(tmp_path):
    """A film whose groups of pictures lean on the one before, and the numbers of its key packets."""
    params = "keyint=8:min-keyint=8:open-gop=1:bframes=3:b-adapt=0:scenecut=0"
    frames = [coded(numbered(number)) for number in range(32)]
    whole = write_film(tmp_path / "whole.mp4", frames, options={"preset": "medium", "x264-params": params})
    return whole, [number for number, packet in enumerate(packets_of(whole)) if packet.is_keyframe]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
def test_a_cut_that_loses_no_bit_is_no_damage(tmp_path, open_gops, suffix):
    whole, keys = open_gops
    cut = copied(whole, tmp_path / f"cut.{suffix}", keep=lambda number: number >= keys[2])
    key = round(packets_of(whole)[keys[2]].pts * packets_of(whole)[keys[2]].time_base * 25)
    assert [number_of(image) for image in frames_of(cut)] == list(range(key, 32)), "from the key picture on"


def test_damage_after_such_a_cut_is_still_damage(tmp_path, open_gops):
    whole, keys = open_gops
    data = bytearray(copied(whole, tmp_path / "bad.mp4", keep=lambda number: number >= keys[2]).read_bytes())
    victim = bytes(packets_of(whole)[keys[3]])
    place = data.index(victim) + 5
    data[place : place + len(victim) - 5] = b"\x55" * (len(victim) - 5)
    (tmp_path / "bad.mp4").write_bytes(data)
    with pytest.raises(CalseError, match=r"bad\.mp4"):
        frames_of(tmp_path / "bad.mp4")


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087


def pq(image):
    """SDR in a PQ signal, white at 203 nits (BT.2408), by BT.2100's formula."""
    light = ((image / 255) ** 2.4 @ TO_2020.T * 203 / 10_000) ** 0.1593017578125
    return 255 * ((0.8359375 + 18.8515625 * light) / (1 + 18.6875 * light)) ** 78.84375


def hlg(image):
    """SDR in an HLG signal of a 1000 nit screen, white at 203 nits."""
    light = (image / 255) ** 2.4 @ TO_2020.T * 0.203
    scene = light * (light @ (0.2627, 0.678, 0.0593))[..., None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return 255 * np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


@pytest.mark.parametrize("matrix", [":colormatrix=bt2020nc:colorprim=bt2020", ""])
@pytest.mark.parametrize(("signal", "transfer"), [(pq, "smpte2084"), (hlg, "arib-std-b67")])
def test_hdr_comes_out_as_sdr(tmp_path, signal, transfer, matrix):
    frames = [coded(signal(patches().astype(float)), "2020", 10) for _ in range(2)]
    options = {"crf": "4", "x265-params": f"log-level=none:transfer={transfer}{matrix}"}
    path = write_film(tmp_path / "film.mkv", frames, "libx265", options=options)
    assert patch_error(frames_of(path)[0]) <= 6
    assert patch_error(clip_of(path, 64)[0]) <= 6
    assert patch_error(clip_of(path, 32)[0]) <= 6
    assert not doubts_of(path)


def test_wide_colours_that_do_not_say_whether_they_are_hdr_are_doubted(tmp_path):
    path = write_film(tmp_path / "film.mkv", [coded(patches(), "2020")] * 2, colorspace=9, color_primaries=9)
    assert "BT.2020" in doubts_of(path).pop()


def transparent(count=4, alpha=0):
    """A red square before noise that nobody is to see."""
    for number in range(count):
        image = np.random.default_rng(number).integers(0, 256, (64, 96, 4)).astype(np.uint8)
        image[..., 3] = alpha
        image[16:48, 16 + 4 * number : 56 + 4 * number] = (200, 40, 40, 255)
        yield av.VideoFrame.from_ndarray(image, format="rgba")


@pytest.mark.parametrize(
    ("name", "codec", "format_", "options"),
    [
        ("film.mov", "png", "rgba", {}),
        ("film.mov", "prores_ks", "yuva444p10le", {"profile": "4"}),
        ("film.mkv", "ffv1", "yuva420p", {}),
        ("film.mov", "qtrle", "argb", {}),
        ("film.webm", "libvpx-vp9", "yuva420p", {"auto-alt-ref": "0", "b": "4M"}),
        ("film.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0", "b": "4M"}),
    ],
)
def test_what_is_transparent_shows_one_flat_colour(tmp_path, name, codec, format_, options):
    frames = [frame.reformat(format=format_) for frame in transparent()]
    path = write_film(tmp_path / name, frames, codec, options=options)
    for image in (frames_of(path)[1], clip_of(path, 64)[1]):
        outside = np.concatenate([image[:12].reshape(-1, 3), image[52:].reshape(-1, 3)])
        assert np.ptp(outside.astype(int), axis=0).max() <= 4, "noise would differ by 255"
        assert np.abs(image[32, 40].astype(int) - (200, 40, 40)).max() <= 8


def test_half_transparent_is_half_seen_and_opaque_is_as_coded(tmp_path):
    def film(alpha):
        image = np.full((64, 96, 4), (40, 200, 40, alpha), np.uint8)
        return write_film(tmp_path / f"{alpha}.mov", [av.VideoFrame.from_ndarray(image, format="rgba")] * 2, "png")

    behind = frames_of(film(0))[0][0, 0].astype(float)
    np.testing.assert_allclose(frames_of(film(51))[0][0, 0], 0.2 * np.array((40, 200, 40)) + 0.8 * behind, atol=1)
    np.testing.assert_array_equal(frames_of(film(255))[0][0, 0], (40, 200, 40))


def test_the_default_track_is_taken_as_players_do(tmp_path):
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        still, film = (container.add_stream("libx264", rate=rate) for rate in (2, 25))
        still.disposition, film.disposition = 0, av.stream.Disposition.default
        sides = {still: (96, 128), film: (64, 96)}
        for stream, (stream.height, stream.width) in sides.items():
            stream.pix_fmt = "yuv420p"
        for stream, size in sides.items():
            for _ in range(4):
                container.mux(stream.encode(coded(corners(*size))))
            container.mux(stream.encode(None))
    frames = list(iterate_frames(path))
    assert [frame.image.shape for frame in frames] == [(64, 96, 3)] * 4
    assert frames[1].seconds == pytest.approx(0.04)


def call(folder, *sizes):
    """A film whose size changes, as a call's does when the network gets worse."""
    data = []
    for number, (height, width) in enumerate(sizes):
        part = folder / f"{number}.webm"
        write_film(part, [coded(corners(height, width))] * 4, "libvpx", options={"b": "2M", "auto-alt-ref": "0"})
        data += [bytes(packet) for packet in packets_of(part)]
    with av.open(str(folder / "call.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=25)
        stream.height, stream.width, stream.pix_fmt = *sizes[0], "yuv420p"
        for number, coded_bytes in enumerate(data):
            packet = av.Packet(coded_bytes)
            packet.stream, packet.time_base, packet.pts, packet.dts = stream, Fraction(1, 25), number, number
            packet.is_keyframe = number % 4 == 0
            container.mux(packet)
    return folder / "call.webm"


def test_a_film_of_two_sizes_and_one_shape_comes_out_at_one_size(tmp_path, monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")
    path = call(tmp_path, (64, 96), (126, 190), (64, 96))
    assert {image.shape for image in frames_of(path)} == {(64, 96, 3)}
    clip = clip_of(path, 32)
    assert {image.shape for image in clip} == {(32, 48, 3)}
    assert all(corner_names(image) == list(CORNERS) for image in clip)
    [times] = copy_videos([Foreign(path, tmp_path / "copy.mp4")], 20)
    assert times == Times(pytest.approx([number / 25 for number in range(13)]), 25, constant=True)
    for number, (ours, image) in enumerate(zip(iterate_copy(tmp_path / "copy.mp4"), frames_of(path), strict=True)):
        apart = np.abs(ours.astype(int) - image)
        is_resized = 4 <= number < 8
        assert apart.mean() < 2 if is_resized else not apart.any(), "a copy loses nothing"


def test_a_film_that_changes_its_shape_is_refused_in_words_of_the_film(tmp_path, monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")
    path = call(tmp_path, (64, 96), (96, 64))
    reason = "changes its shape from 96x64 to 64x96 pixels at frame 5; cut it there"
    assert list(copy_videos([Foreign(path, tmp_path / "scratch" / "copy.mp4")], 20)) == [Refused(reason)]


def test_a_copy_never_takes_more_than_half_of_the_free_disk(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.mp4", [coded(patches(64, 64), "601")] * 4)
    frame = 64 * 64 * 3 // 2
    monkeypatch.setattr("calse.video.untrusted.copy.disk_usage", lambda folder: SimpleNamespace(free=6 * frame))
    with pytest.raises(CalseError, match="take over 0.0 GB, half of the free disk; free some, or cut it into parts"):
        safe_copy(Foreign(path, tmp_path / "copy.nut"))
    assert [one.name for one in tmp_path.iterdir()] == ["film.mp4"]
    monkeypatch.setattr("calse.video.untrusted.copy.disk_usage", lambda folder: SimpleNamespace(free=8 * frame))
    assert len(safe_copy(Foreign(path, tmp_path / "copy.nut")).seconds) == 5


@pytest.mark.parametrize(
    ("size", "matrix", "tags"),
    [
        ((720, 1280), "709", {}),
        ((576, 720), "601", {}),
        ((720, 1280), "601", {"colorspace": 6}),
        ((64, 128), "709", {"colorspace": 1}),
    ],
)
def test_colours_without_a_matrix_are_hd_s_or_sd_s(tmp_path, size, matrix, tags):
    path = write_film(tmp_path / "film.mp4", [coded(patches(*size), matrix)] * 2, **tags)
    assert patch_error(frames_of(path)[0]) <= 6
    assert patch_error(clip_of(path, 64)[0]) <= 6


FORMATS = [
    ("film.mpg", "mpeg2video", {"qscale": "2", "bf": "2"}),
    ("film.mpeg", "mpeg1video", {"qscale": "2", "bf": "2"}),
    ("film.m2v", "mpeg2video", {"qscale": "2"}),
    ("film.vob", "mpeg2video", {"qscale": "2"}),
    ("film.mts", "libx264", {}),
    ("film.ts", "mpeg2video", {"qscale": "2", "bf": "2"}),
    ("film.m2ts", "libx264", {}),
    ("film.3gp", "libx264", {}),
    ("film.wmv", "wmv2", {"qscale": "2"}),
    ("film.asf", "msmpeg4", {"qscale": "2"}),
    ("film.flv", "flv", {"qscale": "2"}),
    ("film.f4v", "libx264", {}),
    ("film.mxf", "mpeg2video", {"qscale": "2"}),
    ("film.y4m", "wrapped_avframe", {}),
    ("film.ogv", "libvpx", {"b": "2M"}),
    ("film.webm", "libvpx-vp9", {"b": "2M"}),
    ("film.avi", "mpeg4", {"qscale": "2", "bf": "2"}),
]


@pytest.mark.parametrize(("name", "codec", "options"), FORMATS)
def test_every_format_gives_every_picture_once_and_in_time(tmp_path, name, codec, options):
    path = write_film(tmp_path / name, [coded(numbered(number)) for number in range(12)], codec, options=options)
    frames = list(iterate_frames(path))
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 25, atol=0.002)


def test_the_names_of_formats_are_those_that_are_read():
    from calse.corpus.naming import SUFFIXES

    assert {f".{name.split('.')[1]}" for name, _, _ in FORMATS} <= set(SUFFIXES)


def test_a_format_that_is_not_read_is_said_to_be_none(tmp_path):
    path = write_film(tmp_path / "film.h264", [coded(numbered(number)) for number in range(4)])
    with pytest.raises(CalseError, match="in no format that is read here .mov, matroska"):
        next(itertools.islice(iterate_frames(path), 1))


def two_parts(path, *parts):
    """Put recordings one after another: each a height, a width and a pixel's aspect."""
    data = b""
    for height, width, sar in parts:
        write_film(path, [coded(corners(height, width))] * 4, sar=sar)
        data += path.read_bytes()
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("first", [(1, 1), (4, 3)])
def test_an_aspect_that_changes_inside_a_film_changes_its_shape(tmp_path, first):
    path = two_parts(tmp_path / "film.ts", (96, 144, first), (96, 144, (4, 3) if first == (1, 1) else (1, 1)))
    change = "from 144x96 to 192x96" if first == (1, 1) else "from 192x96 to 144x96"
    with pytest.raises(CalseError, match=f"changes its shape {change} pixels at frame 5; cut it there"):
        frames_of(path)


def test_another_size_and_aspect_of_one_shape_come_out_at_one_size(tmp_path):
    path = two_parts(tmp_path / "film.ts", (128, 192, (1, 1)), (128, 144, (4, 3)))
    assert [image.shape for image in frames_of(path)] == [(128, 192, 3)] * 8
    clip = clip_of(path, 64)
    assert [image.shape for image in clip] == [(64, 96, 3)] * 8
    assert all(corner_names(image) == list(CORNERS) for image in clip)


@pytest.mark.parametrize("matrix", [8, 10, 11, 12, 13, 14])
def test_a_matrix_that_is_not_known_is_doubted_and_the_usual_one_taken(tmp_path, matrix):
    path = write_film(tmp_path / "film.mkv", [coded(patches())] * 2, colorspace=matrix)
    assert patch_error(frames_of(path)[0]) <= 6
    assert patch_error(clip_of(path, 64)[0]) <= 6
    assert doubts_of(path) == {f"its colour matrix (number {matrix} of H.273) is not known here"}


def test_a_picture_that_ffmpeg_cannot_convert_refuses_its_film_only():
    frame = coded(patches())
    frame.colorspace = 8
    with pytest.raises(CalseError, match="its pictures do not convert"):
        next(fitted([Picture(0, 0.04, frame, 1, (128, 64), Orientation())], 32))


def test_the_unused_byte_of_raw_rgb_in_an_avi_hides_nothing(tmp_path):
    image = np.dstack([patches(), np.zeros((64, 128, 1), np.uint8)])
    frames = [av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="bgra")] * 2
    path = write_film(tmp_path / "film.avi", frames, "rawvideo")
    assert patch_error(frames_of(path)[0]) <= 1
    assert patch_error(clip_of(path, 64)[0]) <= 6
    assert not doubts_of(path)


def test_a_film_that_is_wholly_transparent_is_doubted(tmp_path):
    image = np.zeros((64, 128, 4), np.uint8)
    path = write_film(tmp_path / "film.mov", [av.VideoFrame.from_ndarray(image, format="rgba")] * 2, "png")
    assert "wholly transparent" in doubts_of(path).pop()


def test_a_turn_that_only_the_first_picture_has_stays(tmp_path):
    """H.264 in MPEG-TS says it once, in the stream itself (ITU-T H.264, D.1.27)."""
    whole = write_film(tmp_path / "whole.ts", [coded(corners(64, 96))] * 4)
    with av.open(str(whole)) as old, av.open(str(tmp_path / "film.ts"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        turning = BitStreamFilterContext("h264_metadata=display_orientation=insert:rotate=90", old.streams.video[0])
        for packet in old.demux(video=0):
            for turned in turning.filter(packet if packet.size else None):
                turned.stream = stream
                new.mux(turned)
    with av.open(str(tmp_path / "film.ts")) as container:
        assert [frame.rotation for frame in container.decode(video=0)] == [90, 0, 0, 0]
    assert [corner_names(image) for image in frames_of(tmp_path / "film.ts")] == [
        ["green", "yellow", "red", "blue"]
    ] * 4
