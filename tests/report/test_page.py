"""The report page: what it says, what it shows, what it never shows, and how it looks in a real browser."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from calse.config.params import Report, check_params
from calse.data.manifests import read_rows, write_manifest, write_rows
from calse.data.paths import Layout
from calse.data.splits import read_split
from calse.evaluation.measures import confusion
from calse.report.fusion import fusions_of
from calse.report.page.charts import Axis, points
from calse.report.page.glosses import confusion_matrix, counts_of
from calse.report.page.page import write_page
from calse.report.page.results import finding_of
from calse.report.published import published_comparisons, read_published
from calse.report.report import report
from calse.report.study import results_of
from calse.report.table import BETTER, UNDECIDED, WORSE, recogniser_table
from calse.runtime.errors import CalseError
from calse.runtime.files import write_json, write_text
from toys import PRESET, make_repository

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SOURCES = ("SACU", "STS", "INTERPRETER")
BROWSER = "../browse/index.html#"
RECIPES = {"Baseline": [], "AF1": ["AF1"], "DF1": ["DF-1"]}
FEATURE = {"floor": -0.2, "r": 0.7, "ceiling": 0.9}
SWAPPED = {"frames": 9, "frames_swapped": 9, "passed": False, "failed": ["expression kept 0.3"], "kept": 0.3}
SWAPPED |= {"identity": {"moved": 0.9}, "detail": {"median": 0.6}, "expression": {"yaw": FEATURE}}
SWAPPED |= {"oracle": {"lips": {"swapped": 0.8, "before": 0.93, "clips": 6}}}
BLURRED = {"clips": 3, "share_blurred": 1.0, "not_recognised": 0.9}
CHECK = {"text": "every gloss is in the glossary", "severity": "critical", "passed": True, "offenders": []}
WARNING = {"text": "raw frames: few", "severity": "warning", "passed": False, "offenders": [{"gloss": "<b>NO</b>"}]}


def study_params(recipes=RECIPES, **sections):
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))
    tree |= {"recipes": recipes, "test_sources": ["SACU", "STS"], "omit": ["SACU"], "evaluate": {"topk": [1, 2]}}
    return check_params(tree | {"train": {"i3d": tree["train"]["i3d"]}} | sections)


PARAMS = study_params()


def predictions(recipes=RECIPES):
    """AÑO is always right, NO taken for SUR by all, SUR right in SACU only."""
    rows = []
    for recipe in recipes:
        for source in ("SACU", "STS"):
            for gloss, first in (("AÑO", "AÑO"), ("NO", "SUR"), ("SUR", "SUR" if source == "SACU" else "NO")):
                clip = f"{source}-{'ANO-5079' if gloss == 'AÑO' else gloss}-1"
                row = {"recipe": recipe, "test_source": source, "test_set": "filmed", "seed": 1, "clip": clip}
                rows.append(row | {"gloss": gloss, "rank": 1 + (gloss != first), "gloss_1": first})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of moving squares with everything that a page can show."""
    layout = make_repository(tmp_path_factory.mktemp("study"), takes=1)
    clips = read_split(layout.split("Baseline")).clips
    for source in SOURCES:
        write_manifest(layout.source_manifest(source), [clip for clip in clips if clip.source == source])
    for name in ("AF1", "DF-1"):
        copies = [replace(c, clip=f"{name}-{c.clip}-1", parent=c.clip, set=name) for c in clips]
        write_manifest(layout.set_manifest(name), [c for c in copies if c.source == "INTERPRETER"])
    layout.augmented("DF-1").mkdir(parents=True)
    noise = np.random.default_rng(1).integers(0, 255, (40, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(layout.augmented("DF-1") / "contact-sheet.png"), noise)
    write_json(layout.metrics("swap") / "DF-1.json", SWAPPED)
    write_json(layout.metrics("reidentify") / "DF-1.json", {"people": 1, "signers": 1})
    write_json(layout.metrics("omit") / "SACU.json", BLURRED)
    for name in ("glossary", "SACU"):
        outcome = {"name": name, "summary": "3 clips", "passed": True, "outcomes": [CHECK, WARNING]}
        write_json(layout.metrics("validate") / f"{name}.json", outcome)
    for recipe in RECIPES:
        curve = "epoch,loss,accuracy,lr\n1,1.1,0.3,0.001\n2,0.6,0.8,0.001\n"
        write_text(layout.metrics("train") / "i3d" / recipe / "SACU-seed-1.csv", curve)
    return layout


def copied(study, folder):
    return Layout(shutil.copytree(study.root, folder, dirs_exist_ok=True))


@pytest.fixture(scope="module")
def page(finished, tmp_path_factory):
    """The page of that study."""
    return made(copied(finished, tmp_path_factory.mktemp("page")))


@pytest.fixture(scope="module")
def published_page(finished, tmp_path_factory):
    """The same with the changes that were published."""
    layout = copied(finished, tmp_path_factory.mktemp("published"))
    return made(layout, changes=published_comparisons(read_published("calse-100")))


@pytest.fixture
def layout(finished, tmp_path):
    """A copy of that study."""
    return copied(finished, tmp_path)


def confused(rows):
    """What evaluate counts for every recipe."""
    counts = [confusion(part.to_dict("records")) for _, part in rows.groupby("recipe")]
    return pd.DataFrame([row for count in counts for row in count])


def evaluated(layout, params):
    """Write what evaluate writes, the same for every recogniser."""
    for recogniser in params.train:
        for recipe, rows in predictions(params.recipes).groupby("recipe"):
            folder = layout.metrics("evaluate") / recogniser / recipe
            rows = rows.drop(columns="recipe")
            write_rows(folder / "predictions.csv", list(rows.columns), rows.to_dict("records"))
            scores = [{gloss: int(gloss == first) for gloss in ("AÑO", "NO", "SUR")} for first in rows["gloss_1"]]
            write_rows(folder / "scores.csv", ["AÑO", "NO", "SUR"], scores)
            counts = confusion(rows.to_dict("records"))
            write_rows(folder / "confusion.csv", ["gloss", "predicted", "clips"], counts)
            by_source = {source: {"mrr": 0.625} for source in params.test_sources}
            figures = {"filmed": by_source, "mean": {"filmed": {"top1": 0.5, "mrr": 0.625}}}
            steps = {"SACU": 12, "STS": 14 if recipe == "Baseline" else 12}
            write_json(folder / "metrics.json", figures | {"steps": steps})


def made(layout, params=PARAMS, changes=None):
    evaluated(layout, params)
    results = [results_of(params, layout, name, {}) for name in params.train]
    versus = recogniser_table({one.recogniser: one.cells for one in results}, list(params.train))
    write_page(params, layout, results, versus, changes, fusions_of(params, layout))
    return layout.page().read_text(encoding="utf-8")


class Outline(HTMLParser):
    """The sections, headings and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.headings, self.addresses, self.images = [], [], [], []
        self.open = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.open = tag
        self.sections += [named["id"]] if tag == "section" else []
        self.images += [named["src"]] if tag == "img" else []
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data):
        if self.open in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())


def test_the_page_has_every_part_needs_nothing_else_and_is_the_same_twice(page, layout):
    outline = Outline(page)
    assert outline.sections == ["results", "learning", "glosses", "sets", "gate", "provenance"]
    assert outline.headings[0] == "No recipe can be told apart from Baseline"
    assert all(address.startswith(("#", "data:image/webp;base64,", BROWSER)) for address in outline.addresses)
    assert not re.findall(r"<script|<link|@import|url\(|https?://", page)
    again = made(layout)
    assert str(layout.root) not in again
    assert again == page


def test_confusions_open_the_clips_where_these_can_be_played(page):
    addresses = [address for address in Outline(page).addresses if address.startswith(BROWSER)]
    assert f"{BROWSER}gloss=NO&taken=SUR" in addresses, "a red cell of the matrix"
    assert f"{BROWSER}gloss=NO&taken=SUR&clip=SACU-NO-1" in addresses
    assert len(addresses) == 2 * 2, "NO and SUR are confused, AÑO never is"


def test_it_tells_quality_gate_parameters_and_hashes(layout):
    i3d = PARAMS.train["i3d"]
    begun = replace(i3d, model=replace(i3d.model, pretrained="/home/somebody/kinetics.pt"))
    params = replace(PARAMS, train={"i3d": begun})
    text = " ".join(made(layout, params).split())
    assert "<code>&#34;kinetics.pt&#34;</code>" in text, "and not whose folder it lies in"
    assert 'DF-1: <span class="bad">fails</span>' in text
    assert "expression kept 0.3." in text
    assert "Lips follow the truth by 0.80, less than 0.85 (6 clips" in text
    assert "Re-identification: whether the signer can still be named was not measured" in text
    assert "passes with warnings" in text
    assert "&lt;b&gt;NO&lt;/b&gt;" in text
    assert "<b>NO</b>" not in text
    assert "<code>augment.AF1.rotation</code></td><td><code>12.0</code>" in text
    assert "<code>swap-train.autoencoder.size</code></td><td><code>64</code>" in text
    clip_hash = read_rows(layout.source_manifest("SACU"), ["sha256"])[0]["sha256"]
    assert clip_hash not in text, "a clip's own hash is in its manifest"
    assert text.count('class="hash"') == len(SOURCES) + 2 + 1 + 1  # sets, omitted clips, Baseline's split


def test_recipes_tell_what_they_train_on(layout):
    equal = {"sets": ["AF1"], "equal_steps": True, "seeds": [1, 5]}
    text = made(layout, study_params({"Baseline": [], "AF1": equal}))
    assert ">Baseline</th><td></td><td>6</td><td>12 to 14</td><td>1</td>" in text
    assert ">AF1</th><td>AF1</td><td></td><td>12 (held equal to the filmed clips' alone)</td><td>1, 5</td>" in text
    assert "<dt>trainings</dt><dd>6</dd>" in text  # two sources, one and two seeds


def test_pictures_show_hard_glosses_and_every_set(page):
    assert len(Outline(page).images) == 2 * 2 + 3 + 1  # two hard glosses beside their answers, three copies, one sheet
    assert len(page.encode()) < 300_000


def test_no_pixel_of_a_clip_is_on_the_page_when_faces_are_not_to_be_shown(layout):
    for folder in ("data/clips", "data/augmented"):
        shutil.rmtree(layout.root / folder)
    text = made(layout, replace(PARAMS, report=Report(show_faces=False)))
    assert "<img" not in text
    assert "data:" not in re.sub(r"img-src data:", "", text)
    assert text.count("<code>report.show_faces</code> is false") == 3  # the hard glosses, two sets


@pytest.mark.parametrize("use", ["share", "show"])
def test_no_pixel_of_a_source_that_is_not_to_be_shared_or_shown_or_of_its_copies_is_on_the_page(layout, use):
    sources = {name: replace(source, **{use: name != "INTERPRETER"}) for name, source in PARAMS.corpus.sources.items()}
    params = replace(PARAMS, corpus=replace(PARAMS.corpus, sources=sources))
    shutil.rmtree(layout.clips("INTERPRETER"))
    text = made(layout, params)
    assert len(Outline(text).images) == 2 * 2, "the hard glosses, which others signed"
    assert text.count("Not everybody in INTERPRETER is to be shown and shared, so frames are left out") == 3


def test_no_sheet_that_shows_a_donor_who_is_not_to_be_shared_is_on_the_page(layout):
    sources = PARAMS.corpus.sources | {"DONOR-1": replace(PARAMS.corpus.sources["DONOR-1"], share=False)}
    text = made(layout, replace(PARAMS, corpus=replace(PARAMS.corpus, sources=sources)))
    assert len(Outline(text).images) == 2 * 2 + 3


def test_a_clip_that_changed_since_is_not_shown_as_if_it_were_the_same(layout):
    path = layout.clips("SACU") / "SACU-NO-1.mp4"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CalseError, match="clip SACU-NO-1: .* has changed"):
        made(layout)
    assert not layout.page().exists()


def test_what_a_study_lacks_leaves_its_section_out(tmp_path):
    params = study_params({"Baseline": []}, omit=[], swap={}, augment={})
    text = made(make_repository(tmp_path, takes=1), params)
    outline = Outline(text)
    assert outline.headings[0] == "Baseline reaches 50.0 % top-1"
    assert "clips of sources never seen (95 % interval" in text
    assert "guessing reaches 7.1 %" in text, "of 14"
    assert outline.sections == ["results", "learning", "glosses", "provenance"]


def test_without_a_baseline_the_accuracies_stand_alone(layout):
    text = made(layout, study_params({"AF1": ["AF1"], "AF2": ["AF2"]}))
    assert "Nothing to compare yet" in text
    assert "Changes against Baseline" not in text


def test_the_published_changes_stand_beside_what_they_can_be(published_page):
    assert Outline(published_page).sections[1] == "published"
    assert "<b>+11.7</b><br><small>could be noise</small>" in " ".join(published_page.split())


def compared(*outcomes, about="recipes"):
    columns = ["recipe", "test_source", "outcome", "delta"]
    rows = pd.DataFrame(outcomes, columns=columns).assign(k=1, low=-0.1, high=0.2, p_adjusted=0.01, about=about)
    return finding_of(pd.DataFrame({"k": [1]}), rows, 3)


def test_the_headline_says_which_recipe_helps():
    quiet = ("DF1", "mean", UNDECIDED, 0.01)
    assert compared(quiet).title == "No recipe can be told apart from Baseline"
    assert compared(quiet, ("AF2", "mean", BETTER, 0.1)).title == "AF2 helps"
    found = compared(("AF2", "SACU", BETTER, 0.1), ("AF2", "STS", BETTER, 0.1), ("DF1", "mean", WORSE, -0.3))
    assert found.title == "AF2 helps on SACU, STS; DF1 harms"
    assert found.lines[0].startswith("3 of the 3 comparisons")
    assert "DF1, −30.0 points" in found.lines[1]
    assert len(found.lines) == 2
    few = compared(("AF2", "mean", BETTER, 0.1), ("DF1", "STS", WORSE, -0.1), about="trainings")
    assert few.title == "AF2 did better in these trainings; DF1 did worse in these trainings on STS"
    assert "another seed" in few.lines[-1]
    assert compared(quiet, about="trainings").title == "No recipe can be told apart from Baseline"
    assert compared(("DF1", "mean", UNDECIDED, 0.0)).lines[1] == "The mean is the same with every recipe."
    many = compared(*((f"R{n}", "mean", BETTER, 0.1) for n in range(4)), quiet)
    assert many.title == "4 of 5 recipes differ from Baseline"
    assert many.lines[0] == "R0 helps; R1 helps; R2 helps; R3 helps."


def test_confusion_is_counted_by_gloss():
    matrix = confusion_matrix(counts_of(confused(predictions(["Baseline", "AF1"]))))
    assert matrix["names"] == ["AÑO", "NO", "SUR"]
    counts = {(cell["row"], cell["column"]): (cell["count"], cell["share"]) for cell in matrix["cells"]}
    assert counts == {(0, 0): (4, 1.0), (1, 2): (4, 1.0), (2, 2): (2, 0.5), (2, 1): (2, 0.5)}


def test_measures_beside_top_k_are_shown_by_name(page):
    text = " ".join(page.split())
    assert "<th>recipe</th><th>mrr</th><th>top1_worst_source</th></tr>" in text, "top-K has tables of its own"
    assert '<tr><th scope="row">DF1</th><td>0.625</td><td>0.333 (STS)</td></tr>' in text


def two_recognisers():
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))["train"]
    return study_params(train={"i3d": tree["i3d"], "s3d": tree["i3d"] | {"model": tree["i3d"]["model"] | {"width": 1}}})


def test_recognisers_stand_side_by_side_each_with_its_own_tables(layout, monkeypatch):
    params = two_recognisers()
    monkeypatch.setattr(type(params.train["s3d"]), "sees_faces", False)
    text = " ".join(made(layout, params).split())
    assert re.findall(r'<h3 class="recogniser">(\w+)</h3>', text) == ["i3d", "s3d"] * 2, "of results and of trainings"
    assert "i3d: None of the 6 comparisons" in text
    row = '<tr><th scope="row">s3d</th><td>top-1</td><td>50.0</td><td>i3d</td><td>+0.0</td>'
    assert row in text
    assert text.count("which a swapped face does not change: what swapped sets add in DF1 is the same") == 2
    monkeypatch.undo()
    assert "a swapped face does not change" not in made(layout, params)


def test_a_fusion_stands_in_every_table_of_recognisers(layout):
    tree = YAML(typ="safe", pure=True).load(PRESET.read_text(encoding="utf-8"))["train"]
    params = study_params(train={"i3d": tree["i3d"], "landmarks": {"distance": "dtw"}})
    evaluated(layout, params)
    for name in params.swap:
        write_json(layout.metrics("swap") / f"{name}.json", SWAPPED)
        write_json(layout.metrics("reidentify") / f"{name}.json", {"people": 1, "signers": 1})
    report(params, layout)
    text, folder = " ".join(layout.page().read_text(encoding="utf-8").split()), layout.metrics("report")
    row = '<tr><th scope="row">landmarks + i3d</th><td>SACU</td><td>66.7</td><td>66.7</td>'
    assert row in text
    assert (
        "| landmarks + i3d | SACU | 66.7 | 66.7 | 66.7 | 66.7 | 66.7 | 66.7 | 0 |" in (folder / "table.md").read_text()
    )
    assert (folder / "fusions.csv").read_text().splitlines()[0] == "fusion,test_source,0,0.25,0.5,1,2,chosen,weights"
    compared = pd.read_csv(folder / "recognisers.csv").query("k == 1")
    assert compared["recogniser"].tolist() == ["landmarks", "landmarks + i3d", "landmarks + i3d"]


def test_a_training_that_learned_nothing_is_named(layout):
    curve = "epoch,loss,accuracy,lr\n1,1.1,0.3,0.001\n2,1.1,0.5,0.001\n"
    write_text(layout.metrics("train") / "i3d/Baseline/STS-seed-1.csv", curve)
    text = " ".join(made(layout).split())
    assert "Baseline without STS, seed 1, learned nothing: right about 50 % of its 6 training clips" in text
    assert "Baseline without SACU" not in text


def test_axes_place_values_and_changes_have_a_sign():
    axis = Axis(-10, 30, 100, 300)
    assert [axis(-10), axis(0), axis(30)] == [100, 150, 300]
    assert [points(change) for change in (-0.1234, 0.05, -0.0001)] == ["−12.3", "+5.0", "+0.0"]


MEASURE = """<script>addEventListener("load", () => {
for (const part of document.querySelectorAll("details")) part.open = true;
const wide = [...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, nav, svg")
  && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80));
parent.postMessage(JSON.stringify({width: innerWidth, page: document.documentElement.scrollWidth, wide,
  fetched: performance.getEntriesByType("resource").map(e => e.name).filter(name => !name.startsWith("data:")),
  broken: [...document.images].filter(e => e.loading !== "lazy" && !e.naturalWidth).length,
  headings: [...document.querySelectorAll("h2")].map(e => e.textContent)}), "*");
});</script></body>"""
# A browser's window has a least width, a frame has none.
FRAMES = """<script>const found = []
onmessage = message => { found.push(JSON.parse(message.data)); document.title = JSON.stringify(found) }</script>
<iframe src="probed.html" width="390" height="900" style="border: 0"></iframe>
<iframe src="probed.html" width="1280" height="900" style="border: 0"></iframe>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_real_browser_shows_it_all_within_the_width_of_a_telephone_and_of_a_screen(published_page, tmp_path):
    probed = re.sub(r"<meta http-equiv[^>]*>", "", published_page).replace("</body>", MEASURE)
    (tmp_path / "probed.html").write_text(probed)
    (tmp_path / "frames.html").write_text(FRAMES)
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/browser"]
    command += ["--window-size=1400,1900", "--virtual-time-budget=4000", "--dump-dom"]
    command.append((tmp_path / "frames.html").as_uri())
    shown = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    found = json.loads(re.search(r"<title>(.*?)</title>", shown, re.S)[1].replace("&lt;", "<").replace("&gt;", ">"))
    assert sorted(one["width"] for one in found) == [390, 1280]
    names = ["Results", "As published", "Learning", "Glosses", "Augmentation sets", "Validation gate"]
    for one in found:
        assert one["page"] <= one["width"]
        assert one["wide"] == []
        assert one["fetched"] == []
        assert one["broken"] == 0
        assert one["headings"] == [*names, "Parameters and hashes"]
