import os

import pytest

from calse.corpus.import_report import print_report
from calse.corpus.importing import import_folder
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.video.untrusted.decode import iterate_frames
from torture.garbage import garbage
from torture.hostile import encode
from videos import patched, write_clip


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "repository")


def test_garbage_is_refused_by_name_and_nothing_crashes_hangs_or_escapes(forked):
    outcomes = garbage(flips=2, every=24, giants=False)
    assert all(outcome.sound for outcome in outcomes), outcomes
    offered, listed, *ingested, predicted = outcomes
    assert len(offered.refused) > 20
    assert offered.accepted > 15
    assert listed.accepted == 2
    assert [one.accepted for one in ingested][:2] > [20, 1]
    assert len(ingested[2].refused) > 10
    assert predicted.accepted > 15
    assert len(predicted.refused) > 15


def refusals(report):
    return {offer.name: offer.refusal for offer in report.offers if offer.refusal}


def test_a_sparse_giant_is_neither_read_nor_copied(tmp_path, layout):
    write_clip(tmp_path / "in/GOOD.mp4")
    os.truncate(write_clip(tmp_path / "in/SPARSE.mp4", 1), 2**43)
    assert refusals(import_folder(tmp_path / "in", layout, "mine", "SACU")) == {
        "SPARSE.mp4": "is larger than 4 GiB; cut it into signs"
    }


def test_a_table_reaches_nothing_outside_its_folder(tmp_path, layout):
    write_clip(tmp_path / "in/GOOD.mp4")
    secret = write_clip(tmp_path / "secret.mp4", 1)
    (tmp_path / "in/LINK.mp4").symlink_to(secret)
    table = tmp_path / "in/table.csv"
    table.write_text(f"file,gloss\n../secret.mp4,A\n{secret},B\nLINK.mp4,C\n{tmp_path}/in/GOOD.mp4,D\n")
    report = import_folder(table, layout, "mine", "SACU")
    assert [offer.gloss for offer in report.taken] == ["D"]
    assert set(refusals(report).values()) == {"lies outside the table's folder"}


def test_a_gloss_as_long_as_a_file_name_can_be_is_taken(tmp_path, layout):
    write_clip(tmp_path / "in/a.mp4").rename(tmp_path / "in" / f"{'x' * 251}.mp4")
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    assert len(report.taken) == 1
    assert all(len(path.name) < 128 for path in report.folder.iterdir())


def test_a_video_no_encoder_could_take_is_refused_before_one_is_asked(tmp_path):
    encode(tmp_path / "ribbon.mov", "png", (2, 9000), 2)
    with pytest.raises(CalseError, match="9000x2 pixels"):
        next(iterate_frames(tmp_path / "ribbon.mov"))


def test_a_pipe_what_is_no_video_and_a_clock_that_claims_days_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    endless = patched(write_clip(tmp_path / "a.mp4"), tmp_path / "endless.mp4", b"stts", 16, 500_000_000)
    (tmp_path / "README.md").write_text("# Not a video")
    for path, says in [
        (tmp_path / "pipe.mp4", "no regular file"),
        (tmp_path, "is a folder; name the videos in it"),
        (tmp_path / "README.md", "is no video, or damaged from its start"),
        (endless, "more than 6 hours"),
    ]:
        with pytest.raises(CalseError, match=says):
            list(iterate_frames(path))


def test_a_title_that_is_not_utf_8_does_no_harm(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    data = path.read_bytes()
    brand = b"Lavf"  # what the muxer signs with
    if brand not in data:
        data = data.replace(b"isom", b"\xff\xfeom")
    path.write_bytes(data.replace(brand, b"\xff\xfe\xf1f"))
    assert len(list(iterate_frames(path))) == 12


def test_when_nothing_is_taken_every_file_is_named_on_the_screen(tmp_path, layout, capsys):
    (tmp_path / "in").mkdir()
    for number in range(60):
        (tmp_path / "in" / f"EMPTY-{number}.mp4").touch()
    with pytest.raises(CalseError):
        print_report(import_folder(tmp_path / "in", layout, "mine", "SACU"))
    shown = capsys.readouterr().out
    assert all(f"EMPTY-{number}.mp4: is empty" in shown for number in range(60))
