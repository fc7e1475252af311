"""`calse serve` as a user has it: the command, a port of this machine, real requests, hostile files."""

import http.client
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks.browser import CHROMIUM, Browser
from calse.config.params import read_params
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.recognition.architectures.landmarks.settings import LandmarksSettings
from calse.recognition.lookup import Enrolment, enrol, lookup
from calse.recognition.predict import VideoInput, load_predictor, predict_videos
from calse.recognition.training.fit import fit
from calse.recognition.training.jobs import jobs_of
from calse.runtime.errors import CalseError
from calse.runtime.sandbox import Refused
from calse.serve.models import load_models
from calse.serve.reader import Reader
from calse.serve.server import LARGEST
from calse.video.ours.encode import write_video
from calse.video.untrusted.decode import probe
from faces import filmed, with_models
from signers.signers import DONORS, SOURCES
from toys import make_repository, toy_params
from videos import write_bad_files, write_clip

PRESET = Path(__file__).parents[2] / "presets/synthetic.yaml"
CHECKPOINT, INDEX = Path("models/SACU/seed-1.safetensors"), Path("signs.index")
FPS = 25 / 3


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A repository with a checkpoint, an index of one sign, a donor's video, and a stranger's of that sign."""
    root = tmp_path_factory.mktemp("study")
    layout = with_models(root)
    make_repository(root, takes=1)
    (root / "dvc.yaml").touch()
    shutil.copy(PRESET, root / "params.yaml")
    for name, who in (("known", "SACU"), ("asked", "STS")):
        studio = SOURCES[who][0]
        write_video(root / f"{name}.mp4", filmed(studio, studio, "BEBER", 192)[0][::3], FPS)
    donor = DONORS["DONOR-2"]
    write_video(root / "donor.mp4", filmed(donor, donor, "NO")[0][4:28:3], FPS)
    params = read_params(PRESET)
    ingest = replace(params.ingest, fps=FPS, short_side=192)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        job = jobs_of(
            toy_params(epochs=1), Layout(), read_split(Layout().split("Baseline")), "i3d", "Baseline",
            Path("models"), Path("curves"),
        )[0]  # fmt: skip
        fit(job, lambda *_: None)
        settings = replace(params, ingest=ingest, train={"landmarks": LandmarksSettings("dtw")})
        enrol(settings, layout, [Enrolment(Path("known.mp4"), "known.mp4", "BEBER")], INDEX, 300)
    return root


def started(root, *options):
    """Start the command and return its process and address."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "DVC_ROOT": str(root)}
    words = ["calse", "serve", "--port", "0", *map(str, options)]
    process = subprocess.Popen(
        words, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=(root / "log").open("w"), text=True
    )
    for line in process.stdout:
        if "http://" in line:
            return process, line.split()[-4]
    raise AssertionError((root / "log").read_text())


def stopped(process):
    """Press Ctrl-C and return the exit code."""
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=30)


@pytest.fixture(scope="module")
def address(root):
    process, address = started(root, "--model", CHECKPOINT, "--index", INDEX)
    yield address
    assert stopped(process) == 0
    assert not left(root)
    assert "clip" not in (root / "log").read_text()


def asked(address, path="/predict", body=b"", method="POST", **headers):
    """Send a request and return status, text and headers of the answer."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content if answer.getheader("content-type") == "video/mp4" else content.decode(), answer


def left(root):
    """What lies in the server's temporary folder."""
    return [path for folder in (root / ".scratch").glob(".serve.*") for path in folder.rglob("*") if path.is_file()]


def test_a_clip_gets_what_predict_and_lookup_say(root, address, monkeypatch):
    monkeypatch.chdir(root)
    status, text, _ = asked(address, body=Path("asked.mp4").read_bytes())
    assert status == 200
    by_network, by_signs = json.loads(text)
    (expected,) = predict_videos(CHECKPOINT, [Path("asked.mp4")], 60)
    assert by_network == {"by": str(CHECKPOINT), "glosses": expected.plain()["glosses"]}
    (found,) = lookup(Layout(), INDEX, [Path("asked.mp4")], 60)
    assert by_signs == {"by": str(INDEX), "signs": found.plain()["signs"]}
    assert by_signs["signs"][0]["gloss"] == "BEBER"
    assert not left(root)


def test_a_clip_is_read_by_a_process_that_waited_for_it_and_met_no_other(root, monkeypatch):
    monkeypatch.chdir(root)
    others = set(multiprocessing.active_children())
    reader = Reader([load_predictor(CHECKPOINT)])
    for clip, kind in (("params.yaml", Refused), ("asked.mp4", VideoInput)):
        (waiting,) = set(multiprocessing.active_children()) - others
        (found,) = reader.read(Path(clip))
        assert isinstance(found, kind)
        assert waiting not in multiprocessing.active_children()
    (waiting,) = set(multiprocessing.active_children()) - others
    waiting.kill()
    waiting.join()


def test_what_one_model_refuses_the_other_answers(root, address):
    status, text, _ = asked(address, body=write_clip(root / "nobody" / "waves.mp4").read_bytes())
    by_network, by_signs = json.loads(text)
    assert status == 200
    assert len(by_network["glosses"]) == 3
    assert (by_signs["signs"], by_signs["refused"]) == ([], "shows no person")


def test_hostile_files_get_one_line_each_and_the_server_lives(root, address, tmp_path):
    good = write_clip(tmp_path / "good.mp4")
    (tmp_path / "bad").mkdir()
    write_bad_files(tmp_path / "bad", good)  # tests of importing and predicting try every one of them
    files = [(tmp_path / "bad" / f"{name}.mp4").read_bytes() for name in ("EMPTY", "FLIPPED", "AUDIO")]
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    page = b"<!doctype html><script>alert(1)</script>" * 50
    for content in (*files, playlist, page, os.urandom(5000)):
        status, text, answer = asked(address, body=content)
        assert (status, text.count("\n")) == (422 if content else 400, 0)
        assert text
        assert str(root) not in text
        assert answer.getheader("content-type").startswith("text/plain")
    assert asked(address, body=good.read_bytes())[0] == 200
    assert not left(root)


def test_too_much_is_answered_before_it_is_read(root, address):
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.putrequest("POST", "/predict")
    connection.putheader("Content-Length", str(LARGEST + 1))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode()) == (
        413,
        "the clip has more than 100 MB; cut it, or call: calse predict",
    )
    connection.close()
    parts = (bytes(2**20) for _ in range(LARGEST // 2**20 + 1))  # chunked: no length is declared
    assert asked(address, body=parts)[0] == 413
    assert not left(root)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/predict/../../x", "/%2e%2e/serve.py", "//etc/passwd"])
def test_a_path_leads_nowhere(address, path):
    for method in ("GET", "POST"):
        status, text, _ = asked(address, path, method=method)
        assert (status, text) == (404, "Not Found")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_other_sites_are_refused(address, headers):
    for method, path in (("GET", "/"), ("POST", "/predict")):
        status, text, _ = asked(address, path, method=method, **headers)
        assert (status, text.count("\n")) == (403, 0)


def test_its_own_page_is_not_refused_and_allows_nothing_from_elsewhere(address):
    status, text, answer = asked(address, "/", method="GET", Origin=address, Sec_Fetch_Site="same-origin")
    assert status == 200
    assert "serve.js" in text
    assert "default-src 'none'" in answer.getheader("content-security-policy")
    assert answer.getheader("access-control-allow-origin") is None


def test_nobody_else_on_the_network_reaches_it(address):
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.2", urlsplit(address).port, timeout=5).request("GET", "/")


@pytest.mark.parametrize(
    ("models", "index"), [([], None), ([], Path("none.index")), ([Path("none.safetensors")], None)], ids=str
)
def test_what_cannot_be_served_is_one_line(root, monkeypatch, models, index):
    monkeypatch.chdir(root)
    with pytest.raises(CalseError) as caught:
        load_models(models, index, None, Layout())
    assert "\n" not in str(caught.value)


def test_an_anonymised_copy_comes_with_what_is_to_be_said_of_it_and_ctrl_c_ends_a_clip_at_work(root):
    process, address = started(root, "--donor-video", "donor.mp4")
    status, copy, answer = asked(address, "/anonymise", Path(root, "asked.mp4").read_bytes())
    assert (status, answer.getheader("content-type")) == (200, "video/mp4")
    said = json.loads(answer.getheader("x-calse"))
    assert said["says"].startswith("anonymised.mp4: ")
    assert "frames swapped" in said["says"]
    assert isinstance(said["exposed"], list)
    (root / "copy.mp4").write_bytes(copy)
    shown, source = probe(root / "copy.mp4"), probe(root / "asked.mp4")
    assert (shown.width, shown.height, shown.frames) == (source.width, source.height, source.frames)
    assert not left(root)
    assert asked(address, "/predict", b"x")[:2] == (
        422, "no model is named: calse serve --model CHECKPOINT, or --index INDEX"
    )  # fmt: skip
    status, text, _ = asked(address, "/anonymise", b"no video")
    assert (status, text.count("\n")) == (422, 0)
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request("POST", "/anonymise", Path(root, "asked.mp4").read_bytes())
    while not left(root):
        pass
    assert stopped(process) == 0
    assert not list((root / ".scratch").glob(f".serve.*-{process.pid}.part"))


RECORDED = """(async () => {
const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
[canvas.width, canvas.height] = [96, 64];
let number = 0;
setInterval(() => { context.fillStyle = `hsl(${number++ * 9} 80% 50%)`; context.fillRect(0, 0, 96, 64); }, 30);
navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(25);
await record();
})()"""
LISTED = "[...document.querySelectorAll('#results li span:nth-of-type(1)')].map(line => line.textContent)"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_chosen_clip_and_a_recorded_one_get_their_glosses_on_the_page(root, address, tmp_path):
    with Browser(tmp_path / "profile") as browser:
        browser.open(address)
        browser.until("'ready' in document.body.dataset")
        node = browser.do("DOM.getDocument")["root"]["nodeId"]
        field = browser.do("DOM.querySelector", nodeId=node, selector="#file")["nodeId"]
        browser.do("DOM.setFileInputFiles", nodeId=field, files=[str(root / "asked.mp4")])
        assert browser.until(f"{LISTED}.length && {LISTED}")[-1] == "BEBER"
        assert not browser.value("document.getElementById('copy').checkVisibility()")  # no donor is named
        browser.value(RECORDED)
        browser.until("document.getElementById('shown').currentTime > 1")
        browser.value("record()")
        browser.until(f"!recorder && {LISTED}.length === 3")
        assert "shows no person" in browser.value("document.getElementById('results').textContent")
        (tmp_path / "bad.mp4").write_text("no video")
        browser.do("DOM.setFileInputFiles", nodeId=field, files=[str(tmp_path / "bad.mp4")])
        assert browser.until("document.getElementById('error').textContent")
        assert not browser.value(f"{LISTED}.length")
        elsewhere = [url for url in browser.fetched if not url.startswith((address, "blob:", "data:"))]
        assert not elsewhere
