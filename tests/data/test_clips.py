from dataclasses import replace

import pytest

from calse.corpus.glossary import read_glossary
from calse.data.clips import Clip, normalise_gloss, slug
from calse.data.manifests import read_manifest, verify, write_manifest
from calse.runtime.errors import CalseError
from calse.runtime.files import sha256_of

CLIP = Clip("S-NO-1", "NO", "S", "ana", 1, "", "", "data/a.mp4", "ab", "cd", 64, 48, 29.97, 12, '{"by":"ingest"}')


def test_a_manifest_reads_back_as_written_with_hostile_glosses(tmp_path):
    glosses = ["NO", "ON", "NA", "NULL", "None", "010", "AÑO", 'A,"B"', ""]
    clips = [replace(CLIP, clip=f"S-{number}-1", gloss=gloss) for number, gloss in enumerate(glosses)]
    write_manifest(tmp_path / "S.csv", reversed(clips))
    assert read_manifest(tmp_path / "S.csv") == clips


def test_a_damaged_manifest_names_file_and_line(tmp_path):
    path = tmp_path / "S.csv"
    write_manifest(path, [CLIP])
    path.write_text(path.read_text().replace("29.97", "fast"))
    with pytest.raises(CalseError, match=r"S.csv:2 .*fast"):
        read_manifest(path)
    path.write_text("clip,gloss\n")
    with pytest.raises(CalseError, match="lacks the column 'source'"):
        read_manifest(path)


def test_glosses_that_differ_never_share_a_file_name():
    glosses = ["AÑO", "ANO", "A NO", "A-NO", "NO", "ÑO", "¿QUÉ?", "QUE", "手"]
    names = [slug(gloss) for gloss in glosses]
    assert len(set(names)) == len(glosses)
    assert all(name.isascii() and "/" not in name and name for name in names)
    assert slug("NO") == "NO"


def test_glosses_stay_as_they_were_written_but_for_what_nobody_sees():
    assert normalise_gloss("  an\u0303o\u00a0 Nuevo ") == "año Nuevo"
    assert normalise_gloss("\ufeffHO\u200bLA\u00ad") == "HOLA"
    assert normalise_gloss("\u200cمی\u200cخواهم ") == "می\u200cخواهم", "Persian is spelled with this one"


def test_a_glossary_with_a_gloss_twice_is_refused(tmp_path):
    path = tmp_path / "glossary.csv"
    path.write_text("gloss\nAÑO\nan\u0303o\n")
    with pytest.raises(CalseError, match="'AÑO' twice"):
        read_glossary(path)
    path.write_text("gloss;note\nSINIR;\nSİNİR;\n")
    assert read_glossary(path) == ["SINIR", "SİNİR"]


def test_a_changed_or_missing_clip_is_refused_by_name(tmp_path):
    path = tmp_path / "data/a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"film")
    clip = replace(CLIP, sha256=sha256_of(path))
    assert verify(clip, tmp_path) == path
    path.write_bytes(b"filn")
    with pytest.raises(CalseError, match="S-NO-1.*has changed"):
        verify(clip, tmp_path)
    path.unlink()
    with pytest.raises(CalseError, match="S-NO-1.*is missing"):
        verify(clip, tmp_path)
