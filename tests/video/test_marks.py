"""The C2PA mark of a generated video: told back, broken by any change, signed with any key."""

import datetime
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from typer.testing import CliRunner

from calse.cli.publishing import marking, publishing
from calse.data.clips import provenance
from calse.runtime.errors import CalseError
from calse.video.marks.label import labelled
from calse.video.marks.mark import Marker, Origin, unmarked
from calse.video.marks.signing_key import own_file, signing_key
from calse.video.marks.verify import print_verified, verify_files
from calse.video.ours.encode import write_video
from calse.video.ours.read import read_frames
from calse.video.untrusted.decode import probe
from toys import ramp

c2pa = pytest.importorskip("c2pa", reason='needs the extra "publish"')
MADE = {"by": "swap", "method": "autoencoder", "donor": "DONOR-1", "model": "7" * 64, "face": "synthetic face: a toy"}
SWAPPED = Origin(MADE, "DF-1-A.mp4", "A", "5" * 64)


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """A generated clip as a stage leaves it, in an otherwise empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    write_video(Path("plain.mp4"), ramp(), 25, provenance("A", MADE))
    return Path("plain.mp4")


@pytest.fixture
def marked(plain):
    Marker(signing_key(None)).mark(plain, Path("marked.mp4"), SWAPPED)
    return Path("marked.mp4")


def test_the_mark_names_what_was_done_the_parent_and_the_model(marked):
    """Read with the library alone, as anybody's C2PA viewer does."""
    store = json.loads(c2pa.Reader(str(marked)).json())
    manifest = store["manifests"][store["active_manifest"]]
    actions = next(one["data"]["actions"] for one in manifest["assertions"] if one["label"].startswith("c2pa.actions"))
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    ingredients = {one["relationship"]: one["instance_id"] for one in manifest["ingredients"]}
    assert ingredients == {"parentOf": f"urn:sha256:{'5' * 64}", "inputTo": f"urn:sha256:{'7' * 64}"}
    assert manifest["claim_generator_info"][0]["name"] == "calse"
    assert store["validation_state"] == "Valid"


def test_frames_and_the_containers_comment_stay(plain, marked):
    assert np.array_equal(read_frames(marked), read_frames(plain))
    before, after = probe(plain), probe(marked)
    assert after == before
    comment = provenance("A", MADE)["comment"].encode()
    assert comment in plain.read_bytes()
    assert comment in marked.read_bytes()


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ({"by": "affine"}, "algorithmicallyEnhanced"),
        ({"by": "omit", "face": "blurred"}, "algorithmicallyEnhanced"),
        ({"by": "anonymise", "method": "mesh"}, "compositeSynthetic"),
        ({"by": "synthesise"}, "algorithmicMedia"),
    ],
)
def test_every_kind_of_clip_has_its_source_type(plain, made, kind):
    Marker(signing_key(None)).mark(
        plain, Path("marked.mp4"), Origin(made, parent_sha256="" if "syn" in str(made) else "5")
    )
    [one] = verify_files([Path("marked.mp4")], [])
    assert not one.fault
    assert any(f"({kind})" in line for line in one.says)


def test_any_byte_of_the_pictures_that_changes_breaks_the_mark(plain, marked):
    whole, frames = marked.read_bytes(), plain.read_bytes()
    start = whole.index(b"mdat")
    for place in range(start, len(whole), max(1, len(frames) // 40)):
        Path("changed.mp4").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        [one] = verify_files([Path("changed.mp4")], [])
        assert one.fault, place


def test_verify_names_what_has_no_mark_or_was_changed_and_fails(marked, plain):
    Path("changed.mp4").write_bytes(marked.read_bytes()[:-9] + bytes(9))
    Path("text.txt").write_text("text")
    Path("cut.mp4").write_bytes(marked.read_bytes()[:900])
    names = [str(marked), "changed.mp4", str(plain), "text.txt", "none.mp4", "cut.mp4"]
    done = CliRunner().invoke(publishing, ["verify", *names])
    assert isinstance(done.exception, CalseError)
    assert str(done.exception).startswith("5 of 6 files have no mark that holds: changed.mp4, plain.mp4")
    said = {line.partition(": ")[0]: line for line in done.output.splitlines() if line[0] != " "}
    assert "as it was signed" in said[str(marked)]
    assert "was changed after it was signed" in said["changed.mp4"]
    assert "has no C2PA manifest" in said["plain.mp4"]
    assert "no format that carries" in said["text.txt"]
    assert "is not there" in said["none.mp4"]
    assert "cannot be read" in said["cut.mp4"]
    assert '"donor":"DONOR-1"' in done.output  # what the unmarked file's comment says
    print_verified(verify_files([marked], []))


def test_the_self_made_key_is_kept_for_its_owner_alone_and_trusted_here_only(marked, tmp_path):
    assert own_file().stat().st_mode & 0o777 == 0o600
    assert signing_key(None) == signing_key(None)
    assert "trusted here" in verify_files([marked], [])[0].says[-1]
    own_file().rename(tmp_path / "elsewhere.pem")
    assert "anybody can have made it" in verify_files([marked], [])[0].says[-1]
    assert "trusted here" in verify_files([marked], [tmp_path / "elsewhere.pem"])[0].says[-1]


def write_key(path, signs=True):
    """A key of P-256 with its certificate and that of the authority; or with one that is not made for signing."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    day, made = datetime.datetime.now(datetime.UTC), []
    for name, public, end in (("a studio", key.public_key(), True), ("an authority", authority.public_key(), False)):
        names = [x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)]) for text in ("an authority", name)]
        usage = (end and signs, False, False, False, False, not end, False, False, False)
        draft = (
            x509.CertificateBuilder(*names, public, x509.random_serial_number())
            .not_valid_before(day - datetime.timedelta(days=1))
            .not_valid_after(day + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(not end, None), critical=True)
            .add_extension(x509.KeyUsage(*usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )
        if end:
            draft = draft.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        made.append(draft.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM))
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + b"".join(made))
    return path


def test_a_key_of_ones_own_signs_and_is_trusted_by_whoever_has_its_certificate(plain, tmp_path, capsys):
    key = write_key(tmp_path / "studio.pem")
    marking(key)(plain, Path("marked.mp4"), SWAPPED)
    assert not capsys.readouterr().out
    assert not own_file().exists()
    [one] = verify_files([Path("marked.mp4")], [key])
    assert not one.fault
    assert "signed by: a studio (Es256); trusted here" in one.says[-1]


def test_a_key_that_cannot_sign_is_refused_in_one_line_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CalseError, match=r"signing key none.pem: No such file"):
        marking(Path("none.pem"))
    Path("text.pem").write_text("text")
    with pytest.raises(CalseError, match=r"signing key text.pem: .*as PEM"):
        marking(Path("text.pem"))
    one, other = (write_key(tmp_path / name).read_bytes() for name in ("one.pem", "other.pem"))
    Path("mixed.pem").write_bytes(one[: one.index(b"-----BEGIN CERT")] + other[other.index(b"-----BEGIN CERT") :])
    with pytest.raises(CalseError, match=r"mixed.pem: its first certificate is of another key"):
        marking(Path("mixed.pem"))
    with pytest.raises(CalseError, match=r"C2PA does not take the signing key: .*digitalSignature"):
        marking(write_key(tmp_path / "other.pem", signs=False))


def test_without_the_extra_the_comment_is_all_and_a_key_is_refused(plain, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "c2pa" else found(name))
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    assert marking(None) is unmarked
    assert 'needs the extra "publish": make extras' in capsys.readouterr().out
    before = plain.read_bytes()
    unmarked(plain, Path("out/clip.mp4"), SWAPPED)
    assert Path("out/clip.mp4").read_bytes() == before
    with pytest.raises(CalseError, match='a C2PA mark needs the extra "publish"'):
        marking(write_key(Path("studio.pem")))
    with pytest.raises(CalseError, match='calse verify needs the extra "publish"'):
        verify_files([Path("out/clip.mp4")], [])


@pytest.mark.parametrize(("height", "width"), [(256, 342), (1080, 1920), (64, 48)])
def test_a_label_is_read_in_the_corner_and_changes_nothing_else(height, width):
    frame = np.full((height, width, 3), 120, np.uint8)
    changed = (labelled(frame, SWAPPED.label) != frame).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[-1], columns[0]) == (height - 1, 0)
    assert 8 < len(rows) < max(24, 0.15 * height)
    assert len(columns) <= width
    assert SWAPPED.label == "synthetic face"
