"use strict";
// The grid of clips and its filters. `study` (study.js) has what there is; other files: player.js, detail.js.

const at = id => document.getElementById(id);
const FILTERS = ["source", "gloss", "set", "recipe", "outcome", "taken", "flag"];
const byId = new Map(study.clips.map(clip => [clip.id, clip]));
let listed = [];      // the clips that the filters leave
let current = null;   // the clip in the player

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) name in element ? element[name] = value : element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const glossOf = clip => study.glosses[clip.gloss];
const videosOf = clip => [clip, ...clip.versions ?? []];
const recipeOf = ([recogniser, recipe]) => `${recogniser} ${recipe}`;

/** The glosses that trainings ranked first for a clip, of one recipe or of all. */
function firstOf(clip, recipe) {
  return (clip.first ?? []).filter((gloss, number) => gloss >= 0 && (!recipe || recipeOf(study.trainings[number]) === recipe));
}

// ---- filters

function fillFilters() {
  const clips = study.clips;
  const options = {
    source: clips.map(clip => clip.source),
    gloss: clips.map(glossOf).sort((a, b) => a.localeCompare(b)),
    set: Object.keys(study.sets),
    recipe: study.trainings.map(recipeOf),
    taken: clips.flatMap(clip => firstOf(clip).filter(gloss => gloss !== clip.gloss)).map(gloss => study.glosses[gloss]).sort((a, b) => a.localeCompare(b)),
    flag: clips.flatMap(clip => clip.flags ?? []).sort(),
  };
  for (const [name, values] of Object.entries(options)) {
    const every = name === "flag" ? [["", "any or none"], ["*", "any flag"], ["mine", "flagged or corrected here"]] : [["", "all"]];
    const each = [...new Set(values)].map(value => [value, value]);
    at(name).replaceChildren(...[...every, ...each].map(([value, text]) => make("option", {value}, text)));
  }
  at("taken").options[0].text = "any gloss";
}

function matches(clip, wanted) {
  const text = `${glossOf(clip)} ${clip.id} ${clip.signer}`.toLocaleLowerCase();
  const first = firstOf(clip, wanted.recipe), wrong = first.filter(gloss => gloss !== clip.gloss);
  const outcome = !first.length ? "untested" : wrong.length ? "wrong" : "right";
  return wanted.words.every(word => text.includes(word))
    && (!wanted.source || clip.source === wanted.source)
    && (!wanted.gloss || glossOf(clip) === wanted.gloss)
    && (!wanted.set || videosOf(clip).some(version => version.set === wanted.set))
    && (!wanted.recipe || first.length > 0)
    && (!wanted.outcome || outcome === wanted.outcome)
    && (!wanted.taken || wrong.some(gloss => study.glosses[gloss] === wanted.taken))
    && (!wanted.flag || (wanted.flag === "mine" ? clip.id in notes : wanted.flag === "*" ? clip.flags : clip.flags?.includes(wanted.flag)));
}

function applyFilters() {
  const wanted = {words: at("search").value.toLocaleLowerCase().split(/\s+/)};
  for (const name of FILTERS) wanted[name] = at(name).value;
  listed = study.clips.filter(clip => matches(clip, wanted));
  const used = FILTERS.filter(name => wanted[name]);
  at("filtered").textContent = used.map(name => at(name).selectedOptions[0].text).join(", ");
  at("count").textContent = `${listed.length} of ${study.clips.length} clips`;
  for (const clip of study.clips) cardOf(clip).parentElement.hidden = true;
  for (const clip of listed) cardOf(clip).parentElement.hidden = false;
  listed.forEach(markCard);
  const shown = listed.includes(current) ? current : listed[0];
  for (const clip of listed) cardOf(clip).tabIndex = clip === shown ? 0 : -1;
  prepareNeighbours();
}

// ---- cards

const cards = new Map();
const cardOf = clip => cards.get(clip.id);
const near = new IntersectionObserver(entries => entries.forEach(entry => showStill(entry.target, entry.isIntersecting)), {rootMargin: "100px"});

function makeCard(clip) {
  const card = make("button", {type: "button", className: "card", tabIndex: -1, onclick: () => open(clip)},
    make("div", {className: "still"}), make("b", {}, glossOf(clip)),
    make("span", {title: clip.id}, `${clip.source} ${clip.take}${clip.signer !== clip.source ? ` · ${clip.signer}` : ""}`), make("span", {className: "marks"}));
  card.clip = clip;
  cards.set(clip.id, card);
  near.observe(card);
  return make("li", {}, card);
}

/** Show a picture from the middle of a clip while its card is near the screen; where nobody may look, the landmarks. */
function showStill(card, visible) {
  const clip = card.clip, still = card.firstChild;
  if (!visible) {
    still.querySelector("video")?.removeAttribute("src");
    still.replaceChildren();
  } else if (clip.video) {
    const middle = (Math.floor(clip.frames / 2) + 0.5) / clip.fps;
    still.replaceChildren(make("video", {muted: true, preload: "metadata", tabIndex: -1, src: `${clip.video}#t=${middle}`}));
  } else {
    const canvas = make("canvas", {width: clip.size[0], height: clip.size[1]});
    still.replaceChildren(canvas);
    load(clip.id).then(details => drawPoints(canvas, details.points, Math.floor(clip.frames / 2), null));
  }
}

/** Say in a card how many trainings were right about its clip, and what is noted. */
function markCard(clip) {
  const first = firstOf(clip, at("recipe").value), right = first.filter(gloss => gloss === clip.gloss).length;
  const marks = [];
  if (first.length) marks.push(make("i", {className: right === first.length ? "right" : right ? "" : "wrong"}, `${right} of ${first.length} right `));
  if (clip.flags) marks.push(make("i", {className: "noted", title: clip.flags.join(", ")}, `⚠ ${clip.flags.length} `));
  const note = notes[clip.id];
  if (note) marks.push(make("i", {className: "noted"}, note.correction ? `→ ${note.correction}` : note.flag ? "left out" : "note"));
  cardOf(clip).lastChild.replaceChildren(...marks);
}
