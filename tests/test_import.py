import csv
import os

import pytest

from calse.corpus.importing import import_folder, print_report
from calse.corpus.raw import read_index
from calse.errors import CalseError
from calse.files import sha256_of
from calse.layout import Layout
from videos import write_bad_files, write_clip


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setenv("CALSE_WORKERS", "1")  # each more is a process to start
    return Layout(tmp_path / "repository")


def taken(report):
    return {offer.name: (offer.gloss, offer.take) for offer in report.taken}


def refusals(report):
    return {offer.name: offer.refusal for offer in report.offers if offer.refusal}


def test_gloss_folders_are_taken_and_the_originals_stay(tmp_path, layout):
    offered = [
        write_clip(tmp_path / "in" / name, seed) for seed, name in enumerate(["AÑO/b.mp4", "AÑO/a.mp4", "no/x.mp4"])
    ]
    before = [sha256_of(path) for path in offered]
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    assert taken(report) == {"AÑO/a.mp4": ("AÑO", 1), "AÑO/b.mp4": ("AÑO", 2), "no/x.mp4": ("NO", 1)}
    assert [sha256_of(path) for path in offered] == before
    videos = read_index(layout.raw("mine") / "SACU")
    assert [(video.gloss, video.take, video.signer) for video in videos] == [
        ("AÑO", 1, "SACU"),
        ("AÑO", 2, "SACU"),
        ("NO", 1, "SACU"),
    ]
    assert all(sha256_of(report.folder / video.file) == video.sha256 for video in videos)
    assert all(video.file.isascii() for video in videos)
    assert layout.glossary("mine").read_text(encoding="utf-8") == "gloss\nAÑO\nNO\n"


def test_flat_files_tell_gloss_and_take(tmp_path, layout):
    names = ["hola.mp4", "hola_2.mp4", "hola-take3.mp4", "buenos dias.mp4", "010.mp4", "covid-19.mp4"]
    for seed, name in enumerate(names):
        write_clip(tmp_path / "in" / name, seed)
    assert taken(import_folder(tmp_path / "in", layout, "mine", "SACU")) == {
        "hola.mp4": ("HOLA", 1),
        "hola_2.mp4": ("HOLA", 2),
        "hola-take3.mp4": ("HOLA", 3),
        "buenos dias.mp4": ("BUENOS DIAS", 1),
        "010.mp4": ("010", 1),
        "covid-19.mp4": ("COVID-19", 1),
    }


def test_a_table_names_the_files(tmp_path, layout):
    for seed in range(2):
        write_clip(tmp_path / f"in/deep/{seed}.mp4", seed)
    table = tmp_path / "in/list.csv"
    table.write_text(
        "file,gloss,signer,take\ndeep/0.mp4,NULL,Ana,4\ndeep/1.mp4,YES,,\ndeep/2.mp4,NO,,\ndeep/0.mp4,NO,,x\n"
    )
    report = import_folder(table, layout, "mine", "SACU")
    assert [(v.gloss, v.signer, v.take) for v in read_index(report.folder)] == [("NULL", "Ana", 4), ("YES", "SACU", 1)]
    assert [offer.refusal for offer in report.offers if offer.refusal] == [
        "its take 'x' is not a number of up to 6 digits",
        "is missing",
    ]


def test_a_pattern_reads_the_whole_path(tmp_path, layout):
    write_clip(tmp_path / "in/session 1/ana_HOLA_2.mp4")
    write_clip(tmp_path / "in/HOLA.mp4", 1)
    report = import_folder(tmp_path / "in", layout, "mine", "SACU", "*/{signer}_{gloss}_{take}.mp4")
    assert taken(report) == {"session 1/ana_HOLA_2.mp4": ("HOLA", 2)}
    assert read_index(report.folder)[0].signer == "ana"
    assert refusals(report) == {"HOLA.mp4": "does not match the pattern"}


@pytest.mark.parametrize("pattern", ["{word}.mp4", "*.mp4", "{gloss}_{gloss}.mp4"])
def test_a_pattern_without_sense_is_refused(tmp_path, layout, pattern):
    write_clip(tmp_path / "in/HOLA.mp4")
    with pytest.raises(CalseError, match="--pattern"):
        import_folder(tmp_path / "in", layout, "mine", "SACU", pattern)


def test_every_bad_file_is_refused_by_name_with_a_reason(tmp_path, layout, capsys):
    good = write_clip(tmp_path / "in/GOOD.mp4", frames=16)
    write_bad_files(tmp_path / "in", good)
    (tmp_path / "in/notes.txt").write_text("x")
    (tmp_path / "in/COPY.mp4").write_bytes(good.read_bytes())
    (tmp_path / "in/COPY.mp4").rename(tmp_path / "in/SAME.avi")
    os.mkfifo(tmp_path / "in/PIPE.mp4")
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    found = refusals(report)
    assert found["EMPTY.mp4"] == "is empty"
    assert found["PIPE.mp4"] == "is not a regular file"
    assert found["notes.txt"].startswith("is not a video")
    assert found["AUDIO.mp4"] == "holds no video"
    assert found["SAME.avi"] == "has the same content as GOOD.mp4"
    assert {"TEXT.mp4", "CUT.mp4", "FLIPPED.mp4"} < set(found)
    assert taken(report)["GOOD.mp4"] == ("GOOD", 1)
    print_report(report)
    shown = capsys.readouterr().out
    assert all(name in shown for name in found)
    with open(report.folder / "import-report.csv", encoding="utf-8", newline="") as file:
        assert {row["file"] for row in csv.DictReader(file)} == {offer.name for offer in report.offers}


def test_hostile_names_and_links_do_no_harm(tmp_path, layout, capsys):
    outside = write_clip(tmp_path / "private.mp4", 1)
    write_clip(tmp_path / "in/GOOD.mp4")
    write_clip(tmp_path / "in/line\nbreak.mp4", 2)
    write_clip(tmp_path / "in/bell\a.mp4", 3)
    (tmp_path / "in/LINK.mp4").symlink_to(outside)
    (tmp_path / "in/FOLDER").symlink_to(tmp_path)
    (tmp_path / "in" / os.fsdecode(b"bytes\xff.mp4")).write_bytes(b"x")
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    assert taken(report) == {"GOOD.mp4": ("GOOD", 1), "line\nbreak.mp4": ("LINE BREAK", 1)}
    assert "outside" in refusals(report)["LINK.mp4"]
    assert "outside" in refusals(report)["FOLDER"]
    print_report(report)
    assert "\a" not in capsys.readouterr().out


def test_a_second_source_keeps_to_the_glossary_and_repeats_no_content(tmp_path, layout):
    write_clip(tmp_path / "a/HOLA.mp4")
    write_clip(tmp_path / "b/HOLA.mp4", 1)
    write_clip(tmp_path / "b/ADIOS.mp4", 2)
    write_clip(tmp_path / "b/HOLA_2.mp4")
    import_folder(tmp_path / "a", layout, "mine", "SACU")
    report = import_folder(tmp_path / "b", layout, "mine", "STS")
    assert taken(report) == {"HOLA.mp4": ("HOLA", 1)}
    assert "--add-glosses" in refusals(report)["ADIOS.mp4"]
    assert refusals(report)["HOLA_2.mp4"] == "has the same content as SACU/SACU-HOLA-1.mp4"
    import_folder(tmp_path / "b", layout, "mine", "STS", add_glosses=True, replace=True)
    assert layout.glossary("mine").read_text() == "gloss\nHOLA\nADIOS\n"


def test_a_given_glossary_rules(tmp_path, layout):
    write_clip(tmp_path / "in/HOLA.mp4")
    write_clip(tmp_path / "in/OTRO.mp4", 1)
    (tmp_path / "glosses.csv").write_text("gloss\nhola\nADIOS\n")
    report = import_folder(tmp_path / "in", layout, "mine", "SACU", glossary=tmp_path / "glosses.csv")
    assert set(taken(report)) == {"HOLA.mp4"}
    assert layout.glossary("mine").read_text() == "gloss\nHOLA\nADIOS\n"


def test_takes_even_an_uneven_source(tmp_path, layout):
    for seed, name in enumerate(["A/1.mp4", "A/2.mp4", "A/3.mp4", "B/1.mp4"]):
        write_clip(tmp_path / "in" / name, seed)
    report = import_folder(tmp_path / "in", layout, "mine", "SACU", takes=1)
    assert set(taken(report)) == {"A/1.mp4", "B/1.mp4"}


def test_the_same_take_twice_is_refused(tmp_path, layout):
    write_clip(tmp_path / "in/HOLA_1.mp4")
    write_clip(tmp_path / "in/HOLA_01.mp4", 1)
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    assert refusals(report) == {"HOLA_1.mp4": "is take 1 of HOLA, as is HOLA_01.mp4"}


def test_a_source_is_replaced_only_on_request_and_wholly(tmp_path, layout):
    write_clip(tmp_path / "a/HOLA.mp4")
    write_clip(tmp_path / "b/ADIOS.mp4", 1)
    import_folder(tmp_path / "a", layout, "mine", "SACU")
    with pytest.raises(CalseError, match="--replace"):
        import_folder(tmp_path / "b", layout, "mine", "SACU")
    import_folder(tmp_path / "b", layout, "mine", "SACU", replace=True)
    files = sorted(path.name for path in (layout.raw("mine") / "SACU").iterdir())
    assert files == ["SACU-ADIOS-1.mp4", "clips.csv", "import-report.csv"]


def test_nothing_to_take_writes_nothing(tmp_path, layout):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/HOLA.mp4").write_bytes(b"")
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    with pytest.raises(CalseError, match="no video was taken"):
        print_report(report)
    assert not layout.root.exists()


def test_a_wrong_name_or_place_is_refused(tmp_path, layout):
    with pytest.raises(CalseError, match="--source"):
        import_folder(tmp_path, layout, "mine", "../SACU")
    with pytest.raises(CalseError, match="neither a folder nor a CSV"):
        import_folder(tmp_path / "none", layout, "mine", "SACU")
