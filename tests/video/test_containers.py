"""Every picture at its time, whatever a container leaves out: empty chunks, times, pictures before a cut."""

import struct
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from calse.runtime.errors import CalseError
from calse.video.untrusted.decode import iterate_frames
from calse.video.untrusted.normalise import at_rate
from calse.video.untrusted.packets import decoded
from film import coded, copied, number_of, numbered, packets_of, write_film

B_FRAMES = {"crf": "6", "x264-params": "bframes=3:b-adapt=0"}
KEPT = [0, 1, 2, 3, 4, 8, 9, 10, 11, 13, 14, 15, 16, 17, 18, 19]  # of twenty pictures, as a camera drops some


def seen(path):
    """Return the numbers of the pictures of a film and when they are on screen; the last is the end."""
    frames = list(iterate_frames(path))
    times = [frame.seconds for frame in frames] + [frames[-1].seconds + frames[-1].duration]
    return [number_of(frame.image) for frame in frames], times


def film(path, numbers, codec="libx264", **more):
    frames = [coded(numbered(number)) for number in numbers]
    if codec == "mjpeg":
        frames = [frame.reformat(format="yuvj420p") for frame in frames]
    return write_film(path, frames, codec, places=list(numbers), **more)


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("mjpeg", {"qscale": "2"}),
        ("rawvideo", {}),
        ("mpeg4", {"qscale": "2"}),
        ("mpeg4", {"qscale": "2", "bf": "2"}),
        ("libx264", {"bf": "0"}),
        ("libx264", B_FRAMES),
    ],
)
def test_an_empty_chunk_of_an_avi_lets_the_picture_stay(tmp_path, codec, options):
    path = film(tmp_path / "film.avi", KEPT, codec, options=options)
    assert path.read_bytes().count(b"00dc\0\0\0\0") >= 4
    numbers, times = seen(path)
    assert numbers == KEPT
    np.testing.assert_allclose(times, np.array([*KEPT, 20]) / 25, atol=1e-6)
    shown = [number_of(frame.image) for frame in at_rate(iterate_frames(path), 25)]
    assert shown == [0, 1, 2, 3, 4, 4, 4, 4, 8, 9, 10, 11, 11, 13, 14, 15, 16, 17, 18, 19]


def test_an_avi_of_twice_the_places_keeps_the_times(tmp_path):
    """Copied from a film with B-frames, whose clock's unit is half a picture."""
    whole = film(tmp_path / "film.ts", range(20), options=B_FRAMES)
    numbers, times = seen(copied(whole, tmp_path / "film.avi"))
    assert numbers == list(range(20))
    np.testing.assert_allclose(times, np.arange(21) / 25, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_an_avi_of_fewer_pictures_than_wait_in_the_decoder_keeps_the_times(tmp_path, count):
    numbers, times = seen(film(tmp_path / "film.avi", range(count), options=B_FRAMES))
    assert numbers == list(range(count))
    np.testing.assert_allclose(times, np.arange(count + 1) / 25, atol=1e-6)


def test_a_rest_at_the_end_of_an_avi_lasts(tmp_path):
    path = film(tmp_path / "film.avi", [0, 1, 2, 9], "mjpeg", options={"qscale": "2"})
    data = bytearray(path.read_bytes())
    for name in (b"00dc", b"idx1"):  # the last picture's chunk becomes one that nobody knows
        at = data.rindex(b"00dc", 0, data.index(b"idx1")) if name == b"00dc" else data.rindex(b"00dc")
        data[at : at + 4] = b"JUNK"
    place = data.index(b"idx1")
    struct.pack_into("<4sI", data, data.rindex(b"JUNK", 0, place), b"00dc", 0)
    path.write_bytes(data)
    numbers, times = seen(path)
    assert numbers == [0, 1, 2]
    np.testing.assert_allclose(times, np.array([0, 1, 2, 10]) / 25, atol=1e-6)


@pytest.mark.parametrize("promised", [21, 4000])
def test_an_avi_that_promises_more_than_its_chunks_is_refused(tmp_path, promised):
    path = film(tmp_path / "film.avi", KEPT, "mjpeg", options={"qscale": "2"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"strh") + 8 + 32, promised)
    path.write_bytes(data)
    with pytest.raises(CalseError, match=f"promises {promised} frames, there: 20"):
        seen(path)


def test_an_avi_with_empty_chunks_that_is_cut_off_is_refused(tmp_path):
    path = film(tmp_path / "film.avi", KEPT, "mjpeg", options={"qscale": "2"})
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"00dc", 0, data.index(b"idx1")) + 40])
    with pytest.raises(CalseError, match="film.avi"):
        seen(path)


@pytest.mark.parametrize("codec", ["libvpx", "mpeg4"])
def test_a_packet_without_bytes_lets_the_picture_stay(tmp_path, codec):
    """As Theora has it in Ogg; encoders here write no such packet."""
    path = film(tmp_path / "film.mkv", [0, 1, 2], codec, options={"b": "2M"})
    with av.open(str(path)) as container:

        def demux(stream):
            for number, packet in enumerate(packet for packet in container.demux(stream) if packet.size):
                for place in range(4):
                    one = packet if place == 0 else av.Packet(b"")
                    one.pts = one.dts = 40 * (4 * number + place)
                    one.time_base, one.duration = Fraction(1, 1000), 40
                    yield one
            yield av.Packet(b"")

        stand_in = SimpleNamespace(demux=demux, format=container.format)
        pictures = [
            (time, lasts, number_of(frame.to_ndarray(format="rgb24")))
            for time, lasts, frame in decoded(stand_in, container.streams.video[0])
        ]
    assert [number for _, _, number in pictures] == [0, 1, 2]
    assert [time for time, _, _ in pictures] == pytest.approx([0, 0.16, 0.32])
    assert pictures[-1][1] == pytest.approx(0.16)


@pytest.fixture
def open_gops(tmp_path):
    """A film whose groups of pictures lean on the one before, and its packets and the numbers of the key ones."""
    params = "keyint=8:min-keyint=8:open-gop=1:bframes=3:b-adapt=0:scenecut=0"
    whole = film(tmp_path / "whole.ts", range(32), options={"preset": "medium", "x264-params": params})
    packets = packets_of(whole)
    return whole, packets, [number for number, packet in enumerate(packets) if packet.is_keyframe]


def cut_of(open_gops, path):
    """Cut at the third key picture, which is at 0 then: Matroska keeps no time before that, AVI none at all."""
    whole, packets, keys = open_gops

    def earlier(packet):
        packet.pts, packet.dts = packet.pts - packets[keys[2]].pts, packet.dts - packets[keys[2]].pts

    muxer = {} if path.suffix == ".avi" else {"avoid_negative_ts": "disabled"}
    return copied(whole, path, lambda number: number >= keys[2], earlier, muxer)


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4", "mov"])
def test_a_cut_whose_first_pictures_have_no_time_is_no_damage(tmp_path, open_gops, suffix):
    numbers, times = seen(cut_of(open_gops, tmp_path / f"cut.{suffix}"))
    assert numbers == list(range(16, 32)), "the pictures that lean on nothing before the cut"
    np.testing.assert_allclose(times, np.arange(17) / 25, atol=0.001)


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
@pytest.mark.parametrize("victim", [9, 12])
def test_damage_after_such_a_cut_is_refused(tmp_path, open_gops, suffix, victim):
    path = cut_of(open_gops, tmp_path / f"cut.{suffix}")
    packet = bytes(packets_of(path)[victim])
    data = bytearray(path.read_bytes())
    place = data.index(packet) + len(packet) // 2
    data[place : place + len(packet) // 3] = b"\x55" * (len(packet) // 3)
    path.write_bytes(data)
    with pytest.raises(CalseError, match="damaged"):
        seen(path)


@pytest.mark.parametrize("suffix", ["mkv", "avi"])
@pytest.mark.parametrize("victim", [0, 1, 2])
def test_damage_at_the_start_of_a_film_that_was_not_cut_is_refused(tmp_path, suffix, victim):
    whole = film(tmp_path / f"film.{suffix}", range(12), options=B_FRAMES)
    packet = bytes(packets_of(whole)[victim])
    data = bytearray(whole.read_bytes())
    place = data.index(packet[-24:])
    data[place : place + 24] = b"\x55" * 24
    whole.write_bytes(data)
    with pytest.raises(CalseError, match="damaged"):
        seen(whole)
