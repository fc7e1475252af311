"use strict";
const LONGEST = 30000; // milliseconds of a recording
const element = id => document.getElementById(id);
let about, clip, recorder, asked = 0; // `asked` counts clips: an answer to a former one is dropped

function make(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

// Post the clip as it is; what is wrong comes back as one line.
async function ask(path) {
  if (clip.size > about.largest) throw new Error(`the clip has more than ${about.largest / 1e6} MB; cut it`);
  let answer;
  try { answer = await fetch(path, { method: "POST", body: clip }); }
  catch { throw new Error("no answer; is calse serve still running?"); }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

async function working(words, work) {
  const mine = ++asked;
  element("error").textContent = "";
  element("state").textContent = words;
  element("anonymise").disabled = true;
  try {
    const show = await work();
    if (mine === asked) show();
  } catch (error) {
    if (mine === asked) element("error").textContent = error.message;
  }
  if (mine !== asked) return;
  element("state").textContent = "";
  element("anonymise").disabled = false;
}

function take(file) {
  if (!file) return;
  clip = file;
  forget("shown"); forget("copy");
  element("shown").src = URL.createObjectURL(file);
  element("name").textContent = file.name;
  element("preview").hidden = false;
  element("results").replaceChildren();
  element("exposed").replaceChildren();
  element("says").textContent = "";
  element("copy").hidden = element("save").hidden = true;
  const nothing = async () => () => {};
  working("looking at the clip ...", about.predicts ? predict : nothing);
}

function forget(id) {
  const video = element(id);
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
}

async function predict() {
  const results = await (await ask("predict")).json();
  return () => element("results").replaceChildren(...results.flatMap(shown));
}

function shown(result) {
  const parts = [make("h3", result.by)];
  for (const doubt of result.doubts || []) parts.push(make("p", doubt, "warning"));
  if (result.refused) return [...parts, make("p", result.refused, "bad")];
  const list = make("ol", "", "ten");
  for (const one of result.glosses || []) list.append(row(one.gloss, one.probability.toFixed(3), one.probability));
  for (const one of result.signs || []) list.append(row(one.gloss, `${one.distance.toFixed(3)} from ${one.clip}`, 0));
  return [...parts, make("p", result.signs ? "nearest known signs, with their distance" : "glosses, with their probability", "note"), list];
}

function row(name, figure, share) {
  const line = make("li"), bar = make("i");
  bar.style.width = `${100 * share}%`;
  line.append(bar, make("span", name), make("span", figure));
  return line;
}

async function anonymise() {
  const answer = await ask("anonymise");
  const said = JSON.parse(answer.headers.get("X-Calse")), copy = await answer.blob();
  return () => {
    forget("copy");
    element("copy").src = element("save").href = URL.createObjectURL(copy);
    element("save").download = `${clip.name.replace(/\.[^.]*$/, "")}-anonymised.mp4`;
    element("copy").hidden = element("save").hidden = false;
    element("says").textContent = said.says;
    const dangers = said.exposed.map(danger => make("p", `somebody may still be recognised: ${danger}`, "bad"));
    element("exposed").replaceChildren(...dangers, make("p", "Look at the copy before you share it."));
  };
}

async function record() {
  if (recorder) return recorder.stop();
  let camera;
  try { camera = await navigator.mediaDevices.getUserMedia({ video: true }); }
  catch (error) { element("error").textContent = `no camera: ${error.message}`; return; }
  const type = ["video/webm", "video/mp4"].find(kind => MediaRecorder.isTypeSupported(kind)), parts = [];
  recorder = new MediaRecorder(camera, { mimeType: type, videoBitsPerSecond: 4e6 });
  recorder.ondataavailable = event => parts.push(event.data);
  recorder.onstop = () => {
    clearTimeout(timer);
    for (const track of camera.getTracks()) track.stop();
    recorder = null;
    pressed(false);
    take(new File(parts, `recording.${type.slice(6)}`, { type }));
  };
  forget("shown");
  element("shown").srcObject = camera;
  element("shown").play();
  element("name").textContent = "recording ...";
  element("preview").hidden = false;
  recorder.start();
  const timer = setTimeout(() => recorder && recorder.stop(), LONGEST);
  pressed(true);
}

function pressed(on) {
  element("record").setAttribute("aria-pressed", on);
  element("record").textContent = on ? "stop" : "record";
}

async function begin() {
  about = await (await fetch("about")).json();
  element("anonymising").hidden = !about.anonymises;
  element("file").onchange = event => take(event.target.files[0]);
  element("record").onclick = record;
  element("anonymise").onclick = () => working("putting the donor's face on; this takes longer than the clip ...", anonymise);
  element("shown").onerror = () => { if (element("shown").src) element("name").textContent = `${clip.name}: this browser cannot play it`; };
  addEventListener("dragover", event => { event.preventDefault(); document.body.classList.add("over"); });
  addEventListener("dragleave", event => { if (!event.relatedTarget) document.body.classList.remove("over"); });
  addEventListener("drop", event => {
    event.preventDefault();
    document.body.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  document.body.dataset.ready = "";
}
begin();
