"use strict";
// What is said of the clip in the player, what is noted about it, keys and addresses. Runs last and starts the page.

// ---- notes: clips to leave out and glosses to correct, kept by this browser until they are exported

const KEPT = `calse ${study.corpus} ${location.pathname}`;
const notes = (() => { try { return JSON.parse(localStorage.getItem(KEPT)) ?? {}; } catch { return {}; } })();

function takeNote(change) {
  const note = {raw: details.get(current.id)?.raw ?? "", ...notes[current.id], ...change};
  if (note.flag || note.correction || note.text) notes[current.id] = note;
  else delete notes[current.id];
  try { localStorage.setItem(KEPT, JSON.stringify(notes)); } catch { /* then they last as long as the page */ }
  showNote();
  markCard(current);
}

function showNote() {
  const note = notes[current.id] ?? {}, count = Object.keys(notes).length;
  at("flag-clip").setAttribute("aria-pressed", Boolean(note.flag));
  if (document.activeElement !== at("correction")) at("correction").value = note.correction ?? "";
  if (document.activeElement !== at("note")) at("note").value = note.text ?? "";
  countNotes(count);
}

function countNotes(count) {
  at("export").disabled = !count;
  at("noted").textContent = count ? `${count} noted; calse import --corrections corrections.csv applies them` : "nothing noted yet";
}

/** The notes as CSV, a row a clip, in the order of the study. */
function corrections() {
  const cell = value => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
  const rows = study.clips.filter(clip => clip.id in notes).map(clip => {
    const {raw, flag, correction, text} = notes[clip.id];
    return [study.corpus, clip.source, clip.id, raw, glossOf(clip), correction ?? "", flag ? "yes" : "", text ?? ""];
  });
  return [["corpus", "source", "clip", "raw_sha256", "gloss", "correction", "leave_out", "note"], ...rows].map(row => row.map(cell).join(",")).join("\n") + "\n";
}

// ---- the clip in the player

/** A clip of a gloss to see beside another one: of the same source and signer where there is one. */
function example(gloss, clip) {
  const far = one => (one.source !== clip.source) + (one.signer !== clip.signer);
  return study.clips.filter(one => one.gloss === gloss && one !== clip).reduce((best, one) => best && far(best) <= far(one) ? best : one, null);
}

/** The clip that this one is most often confused with. */
function confused(clip) {
  const wrong = firstOf(clip, at("recipe").value).filter(gloss => gloss !== clip.gloss), counts = new Map();
  for (const gloss of wrong) counts.set(gloss, (counts.get(gloss) ?? 0) + 1);
  const asked = study.glosses.indexOf(at("taken").value);
  const most = wrong.includes(asked) ? asked : wrong.reduce((best, gloss) => best === null || counts.get(gloss) > counts.get(best) ? gloss : best, null);
  return most === null ? null : example(most, clip);
}

function prepared(clip) {
  const other = confused(clip), kept = stages.get(clip.id);
  if (kept && kept.other === other && kept.wanted === at("set").value) return kept;
  if (kept && kept !== player.stage) release(kept);
  stages.set(clip.id, makeStage(clip, other));
  return stages.get(clip.id);
}

function prepareNeighbours() {
  if (!current) return;
  const place = listed.indexOf(current), near = [listed[place + 1], current, listed[place - 1]].filter(Boolean);
  for (const [id, stage] of stages) if (!near.some(clip => clip.id === id)) { release(stage); stages.delete(id); }
  for (const clip of near) prepared(clip);
}

let preparing = 0;
const still = matchMedia("(prefers-reduced-motion: reduce)");

function open(clip, stage = prepared(clip)) {
  const playing = current ? player.playing : !still.matches;
  if (player.stage) for (const {video} of player.stage.tiles) video?.pause();
  if (current) cardOf(current).removeAttribute("aria-current");
  current = clip;
  stages.set(clip.id, stage);
  Object.assign(player, {stage, frame: 0, playing: false});
  at("detail").hidden = false;
  at("stage").replaceChildren(...stage.tiles.map(tile => tile.element));
  for (const tile of stage.tiles) drawTile(tile, 0);
  for (const {video} of stage.tiles) if (video?.currentTime) video.currentTime = 0;
  showTime();
  if (playing) play(); else goTo(0);
  for (const one of listed) cardOf(one).tabIndex = one === clip ? 0 : -1;
  cardOf(clip).setAttribute("aria-current", "true");
  bringToView(clip);
  at("gloss-name").textContent = glossOf(clip);
  at("facts").textContent = `${clip.id} · ${clip.source}${clip.signer !== clip.source ? `, ${clip.signer}` : ""}, take ${clip.take} · ${clip.size.join(" × ")}, ${clip.fps} frames a second`;
  at("flags").replaceChildren(...(clip.flags ?? []).map(flag => make("li", {}, `⚠ ${flag}`)));
  showNote();
  at("predictions").replaceChildren();
  load(clip.id).then(found => { if (current === clip) showPredictions(clip, found.predictions); }, () => {});
  showAddress();
  clearTimeout(preparing);
  preparing = setTimeout(prepareNeighbours, 150);   // once this clip plays: loading others would hold it up
}

/** Scroll the list to a clip's card; where the list lies below the player, the page to the player. */
function bringToView(clip) {
  const list = at("list"), card = cardOf(clip).parentElement;
  if (list.scrollHeight > list.clientHeight) {
    const above = card.offsetTop - list.scrollTop, below = above + card.offsetHeight - list.clientHeight;
    list.scrollTop += above < 0 ? above : Math.max(0, below);
  } else if (at("detail").getBoundingClientRect().bottom < 80) at("detail").scrollIntoView();
}

function showPredictions(clip, rows) {
  const parts = {filmed: "Predicted", omitted: "Predicted with the face blurred", validation: "Predicted while choosing settings"}, shown = [];
  for (const [set, words] of Object.entries(parts)) {
    const some = rows.filter(([, testSet]) => testSet === set);
    if (some.length) shown.push(make("h3", {}, words), ...some.map(row => ten(clip, row)));
  }
  if (!rows.length) shown.push(make("p", {className: "soft"}, "No training was tested on this clip."));
  at("predictions").replaceChildren(...shown);
}

/** The ten best glosses of a training; each opens a clip of its own beside. */
function ten(clip, [number, , rank, best]) {
  const [recogniser, recipe, seed] = study.trainings[number], seeds = study.trainings.filter(one => recipeOf(one) === recipeOf([recogniser, recipe])).length;
  const rows = best.map(([gloss, chance]) => {
    const bar = make("i");
    bar.style.width = `${100 * chance}%`;
    const button = make("button", {type: "button", title: `show a clip of ${study.glosses[gloss]} beside`, onclick: () => beside(clip, gloss)},
      bar, make("span", {className: gloss === clip.gloss ? "true" : ""}, study.glosses[gloss]), make("span", {}, `${(100 * chance).toFixed(1)} %`));
    return make("li", {}, button);
  });
  const words = rank === 1 ? make("span", {className: "good"}, "right") : make("span", {className: "bad"}, `rank ${rank}`);
  return make("div", {className: "ten"}, make("h4", {}, `${recogniser} ${recipe}${seeds > 1 ? ` seed ${seed}` : ""}: `, words), make("ol", {}, ...rows));
}

function beside(clip, gloss) {
  const old = player.stage, frame = player.frame;
  open(clip, makeStage(clip, gloss === clip.gloss ? null : example(gloss, clip)));
  release(old);
  if (!player.playing) goTo(frame);
}

const move = by => { const next = listed[current ? listed.indexOf(current) + by : 0]; if (next) open(next); };

// ---- addresses: #clip=ID, and a filter by its name, such as #gloss=NO&taken=SUR

function showAddress() {
  const parts = new URLSearchParams(FILTERS.filter(name => at(name).value).map(name => [name, at(name).value]));
  if (current) parts.set("clip", current.id);
  history.replaceState(null, "", `#${parts}`);
}

function followAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const name of FILTERS) at(name).value = [...at(name).options].some(({value}) => value === parts.get(name)) ? parts.get(name) : "";
  applyFilters();
  const clip = byId.get(parts.get("clip")) ?? (parts.size ? listed[0] : null);
  if (clip) open(clip);
}

// ---- keys and controls

const change = (id, act) => () => { act(at(id)); };
const KEYS = {
  "j": () => move(1), "k": () => move(-1), " ": toggle, ".": () => step(1), ",": () => step(-1),
  "f": () => takeNote({flag: !notes[current.id]?.flag}), "c": () => at("correction").focus(), "/": () => at("search").focus(),
  "l": change("overlay", box => { box.checked = !box.checked; redraw(); }), "r": change("loop", box => { box.checked = !box.checked; }),
  "s": change("speed", list => { list.selectedIndex = (list.selectedIndex + 1) % list.options.length; setSpeed(); }),
};

function redraw() { for (const tile of player.stage?.tiles ?? []) drawTile(tile, Math.max(0, tile.frame)); }
function setSpeed() { for (const {video} of player.stage?.tiles ?? []) if (video) video.playbackRate = Number(at("speed").value); if (player.playing && !player.stage.master) { player.playing = false; setTimeout(play, 20); } }

addEventListener("keydown", event => {
  const typing = event.target.matches("input:not([type=checkbox], [type=range]), select");
  if (event.key === "Escape") {
    document.activeElement.blur();
    if (listed.length) cardOf(listed.includes(current) ? current : listed[0]).focus();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  if (event.key === " " && event.target.matches("button:not(.card), summary, input")) return;   // it presses what has the focus
  event.preventDefault();
  if (current || "jk/".includes(event.key)) KEYS[event.key]();
});

at("search").addEventListener("input", applyFilters);
for (const name of FILTERS) at(name).addEventListener("change", () => { applyFilters(); showAddress(); });
at("clear").onclick = () => { for (const name of [...FILTERS, "search"]) at(name).value = ""; applyFilters(); showAddress(); };
at("play").onclick = toggle;
at("back").onclick = () => step(-1);
at("forward").onclick = () => step(1);
at("slider").oninput = () => { if (player.playing) pause(); goTo(Number(at("slider").value)); };
at("speed").onchange = setSpeed;
at("overlay").onchange = redraw;
at("flag-clip").onclick = KEYS.f;
at("correction").oninput = () => takeNote({correction: at("correction").value.trim()});
at("note").oninput = () => takeNote({text: at("note").value.trim()});
at("export").onclick = () => make("a", {href: URL.createObjectURL(new Blob([corrections()], {type: "text/csv"})), download: "corrections.csv"}).click();

at("title").textContent = document.title = `${study.corpus}: clips`;
at("filters").open = matchMedia("(min-width: 52rem)").matches;
at("glosses").replaceChildren(...study.glosses.map(value => make("option", {value})));
at("grid").replaceChildren(...study.clips.map(makeCard));
fillFilters();
countNotes(Object.keys(notes).length);
followAddress();
addEventListener("hashchange", followAddress);
