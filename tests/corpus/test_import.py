import csv
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from calse.config.params import Source
from calse.corpus.gate.validate import validate
from calse.corpus.glossary import one_spelling
from calse.corpus.import_report import print_report
from calse.corpus.importing import import_folder, offered_videos
from calse.corpus.ingest import ingest
from calse.corpus.naming import Offer
from calse.corpus.raw import read_index
from calse.corpus.takes import limited, numbered
from calse.data.clips import clip_ids, slug
from calse.data.manifests import read_manifest
from calse.data.paths import Layout
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of
from videos import small_params, write_bad_files, write_clip

PUBLIC = Source("public", 1)


@pytest.fixture
def layout(tmp_path):
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
    assert taken(report) == {"AÑO/a.mp4": ("AÑO", 1), "AÑO/b.mp4": ("AÑO", 2), "no/x.mp4": ("no", 1)}
    assert [sha256_of(path) for path in offered] == before
    videos = read_index(layout.raw("mine") / "SACU")
    assert [(video.gloss, video.take, video.signer) for video in videos] == [
        ("AÑO", 1, "SACU"),
        ("AÑO", 2, "SACU"),
        ("no", 1, "SACU"),
    ]
    assert all(sha256_of(report.folder / video.file) == video.sha256 for video in videos)
    assert all(video.file.isascii() for video in videos)
    assert layout.glossary("mine").read_text(encoding="utf-8") == "gloss\nAÑO\nno\n"


def test_flat_files_tell_gloss_and_take(tmp_path, layout):
    names = ["hola.mp4", "hola_2.mp4", "hola-take3.mp4", "buenos dias.mp4", "010.mp4", "covid-19.mp4"]
    for seed, name in enumerate(names):
        write_clip(tmp_path / "in" / name, seed)
    assert taken(import_folder(tmp_path / "in", layout, "mine", "SACU")) == {
        "hola.mp4": ("hola", 1),
        "hola_2.mp4": ("hola", 2),
        "hola-take3.mp4": ("hola", 3),
        "buenos dias.mp4": ("buenos dias", 1),
        "010.mp4": ("010", 1),
        "covid-19.mp4": ("covid-19", 1),
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
    assert taken(report) == {"GOOD.mp4": ("GOOD", 1), "line\nbreak.mp4": ("line break", 1)}
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
    assert layout.glossary("mine").read_text() == "gloss\nhola\nADIOS\n"


def test_takes_even_an_uneven_source(tmp_path, layout):
    for seed, name in enumerate(["A/1.mp4", "A/2.mp4", "A/3.mp4", "B/1.mp4"]):
        write_clip(tmp_path / "in" / name, seed)
    report = import_folder(tmp_path / "in", layout, "mine", "SACU", takes=1)
    assert set(taken(report)) == {"A/1.mp4", "B/1.mp4"}


def test_the_same_take_twice_is_refused(tmp_path, layout):
    write_clip(tmp_path / "in/HOLA_1.mp4")
    write_clip(tmp_path / "in/HOLA_01.mp4", 1)
    report = import_folder(tmp_path / "in", layout, "mine", "SACU")
    assert refusals(report) == {"HOLA_1.mp4": "is take 1 of HOLA by SACU, as is HOLA_01.mp4"}


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
    with pytest.raises(CalseError, match="none is missing; name a folder of videos"):
        import_folder(tmp_path / "none", layout, "mine", "SACU")
    (tmp_path / "glosses.xlsx").touch()
    with pytest.raises(CalseError, match=r"xlsx is neither a folder, a video \(.*\) nor a CSV"):
        import_folder(tmp_path / "glosses.xlsx", layout, "mine", "SACU")
    (tmp_path / "bare").mkdir()
    with pytest.raises(CalseError, match="bare holds no files"):
        import_folder(tmp_path / "bare", layout, "mine", "SACU")


def test_a_name_that_tables_disks_or_params_cannot_have_is_refused_before_anything_is_written(tmp_path, layout):
    write_clip(tmp_path / "in/HOLA.mp4")
    declared = {"Sts": PUBLIC}
    for name in ("mean", "Clip", "gloss", "glossary", "CON", "nul", "lpt1", "x" * 65, "", "a\n", "sts", "STS"):
        with pytest.raises(CalseError, match="--source"):
            import_folder(tmp_path / "in", layout, "mine", name, declared=declared)
    with pytest.raises(CalseError, match="--corpus 'aux'"):
        import_folder(tmp_path / "in", layout, "aux", "SACU")
    assert not layout.root.exists()
    import_folder(tmp_path / "in", layout, "mine", "Sts", declared=declared)
    for source, corpus in (("sTS", "mine"), ("SACU", "Mine")):
        with pytest.raises(CalseError, match="but for capitals"):
            import_folder(tmp_path / "in", layout, corpus, source)


def test_a_donor_is_taken_whatever_its_signs_and_leaves_the_glossary_alone(tmp_path, layout, capsys):
    for seed, name in enumerate(("donor/WAVE.mp4", "donor/NO.mp4", "sacu/SUR.mp4", "sacu/NO.mp4")):
        write_clip(tmp_path / name, seed)
    donor, declared = Source("donor", None), {"SACU": PUBLIC}
    standing = layout.glossary("mine")
    import_folder(tmp_path / "donor", layout, "first", "EARLY", donor=True)
    assert not layout.glossary("first").exists()
    import_folder(tmp_path / "donor", layout, "mine", "EARLY")  # before params.yaml says what it is
    report = import_folder(tmp_path / "sacu", layout, "mine", "SACU", declared=declared | {"EARLY": donor})
    assert taken(report) == {"SUR.mp4": ("SUR", 1), "NO.mp4": ("NO", 1)}
    assert standing.read_text().split() == ["gloss", "NO", "SUR"]
    with pytest.raises(CalseError, match="leaves the glossary alone"):
        import_folder(tmp_path / "donor", layout, "mine", "EARLY", add_glosses=True, donor=True)
    for known, flag in ((declared | {"EARLY": donor}, False), (declared, True)):
        report = import_folder(tmp_path / "donor", layout, "mine", "EARLY", replace=True, declared=known, donor=flag)
        assert taken(report) == {"WAVE.mp4": ("WAVE", 1), "NO.mp4": ("NO", 1)}
        assert standing.read_text().split() == ["gloss", "NO", "SUR"]
        print_report(report)
        shown = capsys.readouterr().out
        assert "EARLY.clips_per_gloss: null" in shown
        assert "EARLY.kind: donor" in shown
        assert "glossary" not in shown
        assert "corpus.glosses" not in shown
    standing.write_text("gloss\nNO\nSUR\nWAVE\n")  # by --add-glosses, once
    print_report(import_folder(tmp_path / "donor", layout, "mine", "EARLY", replace=True, donor=True))
    assert "lists what no source but a donor has; remove: WAVE" in capsys.readouterr().out


def test_the_spellings_of_a_signers_name_are_one_person_as_first_written(tmp_path, layout, capsys):
    for seed in range(4):
        write_clip(tmp_path / f"in/{seed}.mp4", seed)
    (tmp_path / "in/list.csv").write_text(
        "file,gloss,signer\n0.mp4,A,Ana\n1.mp4,A,ana\n2.mp4,A,ANA \n3.mp4,A,Ána\n", encoding="utf-8"
    )
    report = import_folder(tmp_path / "in/list.csv", layout, "mine", "SACU")
    found = [(video.signer, video.take) for video in read_index(report.folder)]
    assert sorted(found) == [("Ana", 1), ("Ana", 2), ("Ana", 3), ("Ána", 1)]
    print_report(report)
    shown = capsys.readouterr().out
    assert "signers in another spelling: ana is Ana, ANA is Ana" in shown
    assert "by 2 signers" in shown
    write_clip(tmp_path / "more/A_aNA.mp4", 9)
    report = import_folder(tmp_path / "more", layout, "mine", "STS", "{gloss}_{signer}.mp4")
    assert [video.signer for video in read_index(report.folder)] == ["Ana"]


def test_a_file_that_a_table_lists_twice_loses_no_label_silently(tmp_path, layout):
    for seed in range(4):
        write_clip(tmp_path / f"in/{seed}.mp4", seed)
    (tmp_path / "in/list.csv").write_text(
        "file,gloss,signer\n0.mp4,A,\n0.mp4,A,\n1.mp4,B,\n./1.mp4,C,\n2.mp4,D,ana\n2.mp4,d,luis\n3.mp4,E,\n,F,\n"
    )
    report = import_folder(tmp_path / "in/list.csv", layout, "mine", "S")
    assert [(offer.name, offer.gloss) for offer in report.taken] == [("0.mp4", "A"), ("3.mp4", "E")]
    assert sorted((offer.name, offer.refusal) for offer in report.offers if offer.refusal) == [
        ("(no file)", "is a row of gloss 'F' that names no file"),
        ("./1.mp4", "is listed twice, as C and B; keep the right row"),
        ("0.mp4", "is listed twice"),
        ("1.mp4", "is listed twice, as C and B; keep the right row"),
        ("2.mp4", "is listed twice, as signer ana and luis; keep the right row"),
        ("2.mp4", "is listed twice, as signer ana and luis; keep the right row"),
    ]


def test_two_sources_whose_clips_would_have_one_id_are_refused_by_name(tmp_path, layout):
    write_clip(tmp_path / "a/B-C.mp4")
    write_clip(tmp_path / "a-b/C.mp4", 1)
    import_folder(tmp_path / "a", layout, "mine", "A")
    with pytest.raises(
        CalseError, match="--source A-B: its gloss C would be clip A-B-C-1, as is gloss B-C of source A;"
    ):
        import_folder(tmp_path / "a-b", layout, "mine", "A-B", add_glosses=True)
    assert not (layout.raw("mine") / "A-B").exists()


def test_two_thousand_takes_of_one_gloss_are_numbered_in_as_many_steps():
    """A look at every number for every file would be two million."""
    offers = [Offer(Path(str(n)), str(n), "A", "S", 5 if n == 3 else None) for n in range(2_000)]
    steps = 0

    def count(frame, event, arg):
        nonlocal steps
        steps += event == "line"
        return count

    sys.settrace(count)
    try:
        result = limited(numbered(offers), 1_900)
    finally:
        sys.settrace(None)
    assert {offer.take for offer in result} == set(range(1, 2_001))
    assert sum(not offer.refusal for offer in result) == 1_900
    assert steps < 200 * len(offers)


def composed(text):
    return unicodedata.normalize("NFC", text)


def decomposed(text):
    return unicodedata.normalize("NFD", text)


def test_signers_who_each_count_from_one_are_all_taken_and_pass_the_gate(tmp_path, layout):
    """Sign, signer and repetition in a file's name: two signs of two signers, twice each."""
    names = [f"{sign:03}_{signer:03}_{take:03}.mp4" for sign in (1, 2) for signer in (1, 2) for take in (1, 2)]
    for seed, name in enumerate(names):
        write_clip(tmp_path / "in" / name, seed)
    report = import_folder(tmp_path / "in", layout, "mine", "LSA", "{gloss}_{signer}_{take}.mp4")
    assert refusals(report) == {}
    videos = read_index(report.folder)
    assert {f"{v.gloss}_{v.signer}_{v.take:03}.mp4" for v in videos} == set(names)
    assert len({video.file for video in videos}) == 8
    params = small_params(glosses=2, sources=("LSA",), clips_per_gloss=4)
    ingest(params, layout, "LSA")
    validate(params, layout)
    clips = read_manifest(layout.source_manifest("LSA"))
    assert [clip.clip for clip in clips][:2] == ["LSA-001_001-1", "LSA-001_001-2"]
    assert sorted((clip.gloss, clip.signer, clip.take) for clip in clips) == sorted(
        (name[:3], name[4:7], int(name[8:11])) for name in names
    )


def test_takes_without_a_number_and_the_limit_of_takes_are_each_signers_own(tmp_path, layout, capsys):
    for seed, name in enumerate(["ana/HOLA-x.mp4", "ana/HOLA-y.mp4", "luis/HOLA-x.mp4", "luis/NO-x.mp4"]):
        write_clip(tmp_path / "in" / name, seed)
    report = import_folder(tmp_path / "in", layout, "mine", "S", "{signer}/{gloss}-*.mp4")
    assert sorted((v.gloss, v.signer, v.take) for v in read_index(report.folder)) == [
        ("HOLA", "ana", 1),
        ("HOLA", "ana", 2),
        ("HOLA", "luis", 1),
        ("NO", "luis", 1),
    ]
    print_report(report)
    assert "clips_per_gloss: null  (glosses have 1 to 3 clips)" in capsys.readouterr().out
    report = import_folder(tmp_path / "in", layout, "mine", "S", "{signer}/{gloss}-*.mp4", replace=True, takes=1)
    assert refusals(report) == {"ana/HOLA-y.mp4": "is beyond --takes 1 of HOLA by ana"}


def test_ids_name_the_signer_only_where_takes_do_not_tell_clips_apart():
    assert clip_ids("S", [("AÑO", "Ana", 1), ("NO", "Luis", 1), ("NO", "Ana", 2)]) == [
        "S-ANO-5079-1",
        "S-NO-1",
        "S-NO-2",
    ]
    told = clip_ids("S", [("NO", "Ana", 1), ("NO", "José", 1), ("A-B", "C", 1), ("A", "B-C", 1)])
    assert told == ["S-NO_Ana-1", f"S-NO_{slug('José')}-1", "S-A-B_C-1", "S-A_B-C-1"]


@pytest.mark.parametrize(
    ("spellings", "glosses"),
    [
        (["sınır", "sinir", "ılık", "ilik"], ["sınır", "sinir", "ılık", "ilik"]),
        (["SINIR", "SİNİR", "ILIK", "İLİK"], ["SINIR", "SİNİR", "ILIK", "İLİK"]),
        (["SINIR", "SİNİR", "sınır", "sinir"], ["SINIR", "SİNİR", "SINIR", "SİNİR"]),
        (["İZMİR", "izmir", "İzmir", "i\u0307zmi\u0307r"], ["İZMİR"] * 4),
        (["ISPARTA", "isparta", "kız", "KIZ"], ["ISPARTA", "ISPARTA", "kız", "kız"]),
        (["straße", "STRASSE", "STRAẞE"], ["straße"] * 3),
        (["ΟΔΟΣ", "οδος", "οδοσ", "οδός"], ["ΟΔΟΣ", "ΟΔΟΣ", "ΟΔΟΣ", "οδός"]),
        (["ＨＯＬＡ", "hola", "ﬁn", "FIN"], ["ＨＯＬＡ", "ＨＯＬＡ", "ﬁn", "ﬁn"]),
        (["می\u200cخواهم", "میخواهم"], ["می\u200cخواهم"] * 2),
        (["AÑO", "ANO", "año", "A NO"], ["AÑO", "ANO", "AÑO", "A NO"]),
    ],
)
def test_spellings_of_one_gloss_are_one_and_the_first_one_stays(spellings, glosses):
    """Pairs from Unicode's CaseFolding and from Turkish, German, Greek and Persian orthography."""
    kept = one_spelling(map(composed, spellings))
    assert [kept[composed(gloss)] for gloss in spellings] == glosses


def test_a_turkish_folder_keeps_its_words_and_a_second_source_takes_their_spelling(tmp_path, layout, capsys):
    for seed, gloss in enumerate(["sınır", "sinir", "İZMİR", "izmir"]):
        write_clip(tmp_path / "a" / f"{gloss}.mp4", seed)
    report = import_folder(tmp_path / "a", layout, "mine", "A")
    assert sorted(offer.gloss for offer in report.taken) == ["izmir", "izmir", "sinir", "sınır"]
    for seed, gloss in enumerate(["SINIR", "SİNİR", decomposed("İzmir")], start=4):
        write_clip(tmp_path / "b" / f"{gloss}.mp4", seed)
    report = import_folder(tmp_path / "b", layout, "mine", "B")
    assert sorted(video.gloss for video in read_index(report.folder)) == ["izmir", "sinir", "sınır"]
    assert layout.glossary("mine").read_text(encoding="utf-8") == "gloss\nizmir\nsinir\nsınır\n"
    print_report(report)
    assert "SINIR is sınır" in capsys.readouterr().out


def test_words_that_differ_in_capitals_alone_never_share_a_file_name(tmp_path, layout):
    """SINIR is a capital sınır here; a disk that ignores capitals takes its name for that of sinir."""
    (tmp_path / "list.csv").write_text("file,gloss\n0.mp4,SINIR\n1.mp4,sinir\n2.mp4,sınır\n", encoding="utf-8")
    for seed in range(3):
        write_clip(tmp_path / f"{seed}.mp4", seed)
    report = import_folder(tmp_path / "list.csv", layout, "mine", "S")
    assert [offer.gloss for offer in report.taken] == ["SINIR", "sinir", "SINIR"]
    assert len({video.file.casefold() for video in read_index(report.folder)}) == 3


@pytest.mark.parametrize(("on_disk", "in_table"), [(decomposed, composed), (composed, decomposed)])
def test_accents_composed_otherwise_in_a_table_than_on_the_disk_name_the_same_file(tmp_path, layout, on_disk, in_table):
    for seed, gloss in enumerate(["AÑO", "QUÉ"]):
        write_clip(tmp_path / on_disk(f"señas/{gloss}.mp4"), seed)
    rows = "".join(in_table(f"señas/{gloss}.mp4,{gloss}\n") for gloss in ("AÑO", "QUÉ"))
    (tmp_path / "list.csv").write_text(f"file,gloss\n{rows}", encoding="utf-8")
    report = import_folder(tmp_path / "list.csv", layout, "mine", "S")
    assert [offer.gloss for offer in report.taken] == ["AÑO", "QUÉ"]
    report = import_folder(tmp_path, layout, "yours", "S", in_table("señas/{gloss}.mp4"))
    assert [offer.gloss for offer in report.taken] == ["AÑO", "QUÉ"]


ROWS = "file,gloss\nvideos/1.mp4,AÑO\nvideos/2.mp4,NO\n"


@pytest.mark.parametrize(
    "table",
    [
        ROWS.encode("utf-8-sig"),
        ROWS.encode("utf-16"),
        ROWS.encode("utf-16-be"),
        ROWS.replace(",", ";").replace("\n", "\r\n").encode("utf-8-sig"),
        ROWS.replace(",", "\t").encode("utf-16"),
        ROWS.replace(",", "|").encode(),
        ROWS.replace(",", " , ").encode(),
        ROWS.replace("file,gloss", "\n File, GLOSS").encode(),
        ROWS.replace("/", "\\").encode(),
        ROWS.replace("\n", "\r").encode(),
        ROWS.replace("\n", ",,\n,,,\n\n").encode(),
        b'"file", "gloss"\n"videos/1.mp4", "A\xc3\x91O"\n"videos/2.mp4" , "NO" \n',
        f"sep=;\r\n{ROWS.replace(',', ';')}".encode(),
        ROWS.replace("file,gloss", "note;with;semicolons,file,gloss").replace("videos", "a;b,videos").encode(),
    ],
)
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, layout, table):
    for number in (1, 2):
        write_clip(tmp_path / f"videos/{number}.mp4", number)
    (tmp_path / "list.csv").write_bytes(table)
    report = import_folder(tmp_path / "list.csv", layout, "mine", "S")
    assert [(offer.path.name, offer.gloss) for offer in report.taken] == [("1.mp4", "AÑO"), ("2.mp4", "NO")]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (ROWS.encode("cp1252"), "list.csv:2 is not UTF-8; as cp1252 .* reads 'videos/1.mp4,AÑO'.*iconv"),
        (ROWS.replace("\n", "\r").encode("mac-roman"), "list.csv:2 is not UTF-8"),
        (b"videos/1.mp4,41\n", "list.csv needs a first line that names its columns.*reads 'videos/1.mp4,41'"),
        (b"archivo;glosa\n1;2\n", "needs a first line .* file, gloss; it reads 'archivo;glosa'"),
        (b"", "needs a first line .* file, gloss; it is empty"),
        (
            b"sep=,\r\nfile;gloss\r\n1.mp4;A\r\n",
            "it reads 'file;gloss', and the line sep=, above it says that ',' parts",
        ),
        (b'file,gloss\n1.mp4,"a" b"\n', "list.csv:2 cannot be read: .* write a quote inside it twice"),
        (b"file,gloss\n", "list.csv lists no files"),
        (b"file,gloss\n1.mp4,ROJO, A\n", "list.csv:2 has more cells than the header"),
        (b'file,gloss\n1.mp4,"NO\n2.mp4,SUR\n', "list.csv:3 cannot be read: unexpected end"),
        (b"file,gloss,Gloss\n", "names the column 'gloss' twice"),
        (ROWS.encode("utf-16")[:-1], "damaged UTF-16"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_what_is_wrong(tmp_path, layout, table, says):
    (tmp_path / "list.csv").write_bytes(table)
    with pytest.raises(CalseError, match=says):
        import_folder(tmp_path / "list.csv", layout, "mine", "S")
    assert not layout.root.exists()


def test_a_pattern_tells_the_signers_that_a_table_leaves_open(tmp_path, layout):
    """As AUTSL comes: labels in a table, signers in the names of its files."""
    names = ["signer0_sample1_color.mp4", "signer1_sample1_color.mp4", "signer1_sample2_color.mp4"]
    for seed, name in enumerate(names):
        write_clip(tmp_path / name, seed)
    rows = f"{names[0]},41,\n{names[1]},41,\n{names[2]},41,Ayşe\nother.mp4,1,\n"
    (tmp_path / "list.csv").write_text(f"file,gloss,signer\n{rows}", encoding="utf-8")
    report = import_folder(tmp_path / "list.csv", layout, "mine", "S", "signer{signer}_sample{take}_color.mp4")
    assert sorted((v.signer, v.take) for v in read_index(report.folder)) == [("0", 1), ("1", 1), ("Ayşe", 2)]
    assert refusals(report) == {"other.mp4": "does not match the pattern"}


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{gloss}_{signer}_{take}.mp4", "BUENOS_DIAS_ana_2.mp4"),
        ("{signer}_{gloss}_{take}.mp4", "ana_BUENOS_DIAS_2.mp4"),
        ("*/{gloss}-{signer}-{take}.mp4", "x/BUENOS_DIAS-ana-2.mp4"),
        ("{signer}/{gloss}_{take}.mp4", "ana/BUENOS_DIAS_2.mp4"),
    ],
)
def test_what_parts_a_pattern_may_be_in_a_gloss_but_not_in_a_signers_name(tmp_path, layout, pattern, name):
    write_clip(tmp_path / "in" / name)
    video = read_index(import_folder(tmp_path / "in", layout, "mine", "S", pattern).folder)[0]
    assert (video.gloss, video.signer, video.take) == ("BUENOS_DIAS", "ana", 2)


def test_a_macs_notes_beside_videos_are_hidden_files(tmp_path, layout):
    write_clip(tmp_path / "in/AÑO.mp4")
    (tmp_path / "in/._AÑO.mp4").write_bytes(b"\0\5\x16\7" + bytes(78))
    report = import_folder(tmp_path / "in", layout, "mine", "S")
    assert refusals(report) == {"._AÑO.mp4": "is a hidden file"}


def test_a_video_alone_is_a_folder_of_one(tmp_path):
    write_clip(tmp_path / "CASA_2.mp4")
    write_clip(tmp_path / "SOL.mp4")
    ((one,), refused) = offered_videos(tmp_path / "CASA_2.mp4", None)
    assert (one.name, one.gloss, one.take, refused) == ("CASA_2.mp4", "CASA", 2, [])
