"use strict";
// The player: all versions of a clip in step, on the same frame.

const player = {stage: null, playing: false, frame: 0};
const stages = new Map();   // prepared, by clip: that in the player and its neighbours, so that the next one plays at once

// ---- what a clip's own script holds: landmarks, predictions

const waiting = new Map(), details = new Map();

/** Called by clips/<id>.js. */
function loaded(id, found) {
  const text = atob(found.points), bytes = Uint8Array.from(text, letter => letter.charCodeAt(0));
  found.points = new Int16Array(bytes.buffer);
  details.set(id, found);
}

function load(id) {
  if (!waiting.has(id)) waiting.set(id, new Promise((resolve, reject) => {
    const script = make("script", {src: `clips/${id}.js`, onload: () => resolve(details.get(id)), onerror: () => reject(Error(`clips/${id}.js is missing; run calse browse again`))});
    document.head.append(script);
  }));
  return waiting.get(id);
}

// ---- landmarks

/** Draw the landmarks of a frame; `matrix` is where the version's pixels went. */
function drawPoints(canvas, points, frame, matrix) {
  const {steps, points: count, nose, arms, left, right, face} = study.drawing;
  const context = canvas.getContext("2d"), start = 2 * count * frame, [a, b, c, d, e, f] = matrix ?? [1, 0, 0, 0, 1, 0];
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (start >= points.length) return;
  const place = number => {
    const x = points[start + 2 * number], y = points[start + 2 * number + 1];
    return x === -32768 ? null : [(a * x + b * y) / steps + c, (d * x + e * y) / steps + f];
  };
  const width = Math.max(1, canvas.height / 200);
  const line = (numbers, colour) => {
    const places = numbers.map(place);
    if (places.includes(null)) return;
    context.strokeStyle = colour; context.lineWidth = width;
    context.beginPath(); places.forEach(([x, y]) => context.lineTo(x, y)); context.stroke();
  };
  const dot = (number, colour, size) => {
    const found = place(number);
    if (found) { context.fillStyle = colour; context.fillRect(found[0] - size / 2, found[1] - size / 2, size, size); }
  };
  for (let number = face; number < count; number++) dot(number, "#fff", width);
  for (const bone of arms) line(bone, "#ffdc00");
  dot(nose, "#ffdc00", 4 * width);
  for (const finger of left) line(finger, "#00dcff");
  for (const finger of right) line(finger, "#ff50c8");
}

function drawTile(tile, frame) {
  tile.frame = frame;
  if (!tile.details) return;
  const shown = !tile.video || at("overlay").checked, matrix = tile.version === tile.clip ? null : tile.details.moved[tile.version.id];
  if (shown && matrix !== undefined) drawPoints(tile.canvas, tile.details.points, frame, matrix);
  else tile.canvas.getContext("2d").clearRect(0, 0, tile.canvas.width, tile.canvas.height);
}

// ---- tiles and stages

function makeTile(clip, version, caption, other) {
  const [width, height] = clip.size, canvas = make("canvas", {width, height});
  const tile = {clip, version, canvas, frames: version.frames, fps: clip.fps, frame: -1, video: null};
  const frame = make("div", {className: "frame"}, canvas);
  frame.style.aspectRatio = `${width} / ${height}`;
  if (version.video) {
    tile.video = make("video", {muted: true, playsInline: true, preload: "auto", tabIndex: -1, src: version.video});
    tile.video.onerror = () => { tile.caption.textContent = `${caption}: ${version.video} is missing; dvc checkout brings it back`; };
    frame.prepend(tile.video);
  }
  tile.caption = make("figcaption", {}, version.video ? caption : `${caption}: landmarks only`);
  tile.element = make("figure", {className: `tile${other ? " other" : ""}${version.video ? "" : " drawn"}`}, frame, tile.caption);
  load(clip.id).then(found => { tile.details = found; drawTile(tile, Math.max(0, tile.frame)); }, error => { tile.caption.textContent = error.message; });
  return tile;
}

const captionOf = version => version.set === "original" ? "original" : `${version.set}${study.sets[version.set] && study.sets[version.set] !== "blurred" ? ` · ${study.sets[version.set]}` : ""}`;

/** Make the videos of a clip and, beside them, a clip of another gloss. */
function makeStage(clip, other) {
  const wanted = at("set").value;
  const versions = videosOf(clip).filter(version => !wanted || ["original", wanted].includes(version.set));
  const tiles = versions.map(version => makeTile(clip, version, captionOf(version), false));
  if (other) tiles.push(makeTile(other, other, `a clip of ${glossOf(other)} · ${other.id}`, true));
  // The longest video keeps the time; without any the clock does.
  const master = tiles.filter(tile => tile.video).reduce((longest, tile) => longest && longest.frames >= tile.frames ? longest : tile, null);
  const stage = {clip, other, tiles, master, frames: Math.max(...tiles.map(tile => tile.frames)), fps: clip.fps, wanted};
  for (const tile of tiles) if (tile.video) watch(stage, tile);
  if (master) master.video.onended = () => { if (stage === player.stage && player.playing) at("loop").checked ? restart() : pause(); };
  return stage;
}

/** Follow which frame a video shows. A browser tells the time of the very frame that it puts on the screen. */
function watch(stage, tile) {
  tile.video.requestVideoFrameCallback((now, shown) => {
    drawTile(tile, Math.round(shown.mediaTime * tile.fps));
    if (stage === player.stage && tile === stage.master) inStep(stage);
    watch(stage, tile);
  });
}

/** Show where the player is, and bring back videos that are more than a frame away from it. */
function inStep(stage) {
  player.frame = stage.master ? stage.master.frame : player.frame;
  showTime();
  for (const tile of stage.tiles) {
    if (!tile.video) drawTile(tile, Math.min(player.frame, tile.frames - 1));
    else if (player.playing && tile !== stage.master && player.frame < tile.frames && Math.abs(tile.frame - player.frame) > 1 && !tile.video.seeking)
      tile.video.currentTime = stage.master.video.currentTime;
  }
}

function release(stage) {
  for (const {video} of stage.tiles) if (video) { video.pause(); video.removeAttribute("src"); video.load(); }
}

// ---- commands

/** Put every video on a frame; resolves once all show it. */
function goTo(frame) {
  const stage = player.stage;
  player.frame = Math.max(0, Math.min(frame, stage.frames - 1));
  showTime();
  return Promise.all(stage.tiles.map(tile => new Promise(resolve => {
    const own = Math.min(player.frame, tile.frames - 1);
    if (!tile.video) { drawTile(tile, own); return resolve(); }
    tile.video.addEventListener("seeked", resolve, {once: true});
    tile.video.addEventListener("error", resolve, {once: true});
    tile.video.currentTime = (own + 0.5) / tile.fps;   // the middle of a frame: its edge may be either side's
  })));
}

function play() {
  const stage = player.stage;
  player.playing = true;
  at("play").textContent = "pause";
  for (const {video} of stage.tiles) if (video) { video.playbackRate = Number(at("speed").value); video.play().catch(() => {}); }
  if (!stage.master) tick(stage, performance.now(), player.frame);
}

function pause() {
  player.playing = false;
  at("play").textContent = "play";
  for (const {video} of player.stage.tiles) video?.pause();
  return goTo(player.frame);
}

async function restart() {
  const stage = player.stage;
  await goTo(0);
  if (stage === player.stage && player.playing) play();
}

/** Play landmarks alone, by the clock. */
function tick(stage, since, first) {
  if (stage !== player.stage || !player.playing) return;
  const frame = first + Math.floor((performance.now() - since) / 1000 * stage.fps * Number(at("speed").value));
  if (frame < stage.frames) {
    if (frame !== player.frame) { player.frame = frame; inStep(stage); }
    requestAnimationFrame(() => tick(stage, since, first));
  } else if (at("loop").checked) restart();
  else pause();
}

const toggle = () => !player.playing ? player.frame >= player.stage.frames - 1 ? (player.playing = true, restart()) : play() : pause();
const step = frames => { if (player.playing) pause(); return goTo(player.frame + frames); };

function showTime() {
  at("slider").max = player.stage.frames - 1;
  at("slider").value = player.frame;
  at("time").textContent = `frame ${player.frame + 1} of ${player.stage.frames}, ${(player.frame / player.stage.fps).toFixed(2)} s`;
}
