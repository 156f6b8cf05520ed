// Divides the deck into slides that fit, then hands it to reveal.js.
// Heights are known only where the type is, so what is too tall is divided here, and not when it is built.
const WIDTH = 1280, HEIGHT = 720;
// px of type, by kind: while there is something to divide a page takes one of the first, and never a smaller one.
const SIZES = {
  words: [[38, 34], [38, 34, 30, 27]],
  claims: [[38, 34, 30], [34, 30, 27]],
  code: [[24, 21], [28, 24, 21, 19, 17]],
  predict: [[38, 34, 30, 26], [38, 34, 30, 26]],
  ask: [[40, 34, 30], [40, 34, 30]],
};
const AIR = { words: 0.78, claims: 0.85 }; // the share of a page that such blocks may fill
const LEAST = 17; // px: no code is smaller, however wide; at 1920 × 1080 that is 25
const INK = { title: "#0b2a3f", divider: "#0b2a3f", predict: "#fff6e3", ask: "#eaf4fb" };

const main = document.getElementById("deck");
const bodyOf = (page) => page.querySelector(".body");
const kindOf = (page) => page.classList[1];
const bottom = (element) => element.getBoundingClientRect().bottom;

// Set the size of the type; code that is too wide gets smaller, down to LEAST, and then wraps.
function set(page, size) {
  const body = bodyOf(page);
  body.style.fontSize = `${size}px`;
  for (const block of body.querySelectorAll("pre, mjx-container[display]")) {
    block.style.fontSize = "";
    const own = parseFloat(getComputedStyle(block).fontSize), ratio = block.clientWidth / block.scrollWidth;
    if (ratio >= 1) continue;
    const least = block.tagName === "PRE" ? LEAST : 0;
    block.style.fontSize = `${Math.max(least, Math.floor(10 * own * ratio) / 10)}px`;
    if (block.scrollWidth > block.clientWidth) block.classList.add("wrapped");
  }
}

const room = (page) => bodyOf(page).clientHeight;
const height = (page) => {
  const { firstElementChild: first, lastElementChild: last } = bodyOf(page);
  return first ? bottom(last) - first.getBoundingClientRect().top : 0;
};

// A new page after this one, of the same kind, with these blocks.
function follow(page, blocks) {
  const next = page.cloneNode(false), body = bodyOf(page).cloneNode(false);
  body.append(...blocks);
  if (kindOf(page) === "code" && blocks.every((block) => block.matches(".claims"))) {
    next.classList.replace("code", "claims");
    body.insertAdjacentHTML("afterbegin", '<p class="label" data-keep>Measured</p>');
  }
  next.append(body);
  page.after(next);
  return next;
}

// Cut a block so that it ends above `limit`; returns the rest, or null where it is one piece.
function cut(block, limit) {
  if (!/^(PRE|UL|OL|TABLE|DIV|P)$/.test(block.tagName)) return null;
  const inner = block.tagName === "TABLE" ? block.tBodies[0] : block, parts = [...inner.children];
  let count = parts.findIndex((part) => bottom(part) > limit);
  if (block.tagName === "PRE") count = middle(parts, count);
  let piece = [];
  if (count === 0) { // its first part alone is too tall
    piece = [cut(parts[0], limit)];
    count = 1;
    if (!piece[0]) return null;
  }
  if (count < 0) return null;
  const rest = block.cloneNode(block.tagName === "TABLE"), left = [...piece, ...parts.slice(count)];
  if (block.tagName === "TABLE") rest.tBodies[0].replaceChildren(...left);
  else rest.append(...left);
  if (block.tagName === "OL") rest.start = block.start + count;
  return rest;
}

// Code of which at most the first `most` rows fit is cut into pieces of one length, best at an empty row.
function middle(rows, most) {
  const goal = Math.ceil(rows.length / Math.ceil(rows.length / Math.max(most, 1)));
  const empty = rows.map((row, place) => (row.textContent.trim() ? 0 : place)).filter((p) => p > 1 && p <= most);
  const [near] = empty.sort((a, b) => Math.abs(a - goal) - Math.abs(b - goal));
  return near && Math.abs(near - goal) < goal / 2 ? near : Math.min(goal, most);
}

// Make a page fit: the largest type that does; else divide it between its blocks, or within one.
function fit(page) {
  const sizes = SIZES[kindOf(page)];
  if (!sizes) return;
  const body = bodyOf(page), blocks = [...body.children];
  if (blocks[0]?.classList.contains("fragment")) blocks[0].classList.remove("fragment");
  // What introduces the next block stays with it.
  const starts = blocks.map((_, place) => place).filter((p) => p > 0 && !("keep" in blocks[p - 1].dataset));
  const limit = starts.length ? (AIR[kindOf(page)] ?? 1) * room(page) : room(page);
  for (const size of sizes[starts.length ? 0 : 1]) {
    set(page, size);
    if (height(page) <= limit) return;
  }
  const top = blocks[0].getBoundingClientRect().top, whole = height(page);
  const goal = whole / Math.ceil(whole / limit);
  const ends = starts.map((place) => [place, bottom(blocks[place - 1]) - top]).filter(([, end]) => end <= room(page));
  if (ends.length) {
    const [place] = ends.sort((a, b) => Math.abs(a[1] - goal) - Math.abs(b[1] - goal))[0];
    const rest = follow(page, blocks.slice(place));
    fit(page);
    fit(rest);
    return;
  }
  if (starts.length) { // the first group alone is taller than a page at this size
    const rest = follow(page, blocks.slice(starts[0]));
    fit(page);
    fit(rest);
    return;
  }
  const edge = top + room(page), place = blocks.findIndex((block) => bottom(block) > edge);
  const rest = cut(blocks[place], edge);
  if (rest || place > 0) {
    const next = follow(page, rest ? [rest, ...blocks.slice(place + 1)] : blocks.slice(place));
    fit(page);
    fit(next);
    return;
  }
  body.style.fontSize = `${(parseFloat(body.style.fontSize) * room(page)) / height(page)}px`;
}

// What every slide of a section bears: its title above, and for the speaker its notes and its share of time.
function dress(part) {
  const pages = [...part.querySelectorAll(".page")], notes = part.querySelector(".notes");
  for (const spoken of notes.querySelectorAll("mjx-assistive-mml")) spoken.remove(); // seen in the speaker's window
  for (const page of pages) {
    const ground = INK[kindOf(page)];
    if (ground) page.dataset.backgroundColor = ground;
    page.dataset.timing = Math.round((60 * Number(part.dataset.minutes)) / pages.length);
    if (!/title|divider|map/.test(kindOf(page))) {
      const head = document.createElement("p");
      head.className = "head";
      head.innerHTML = "<span></span><span></span>";
      head.children[0].textContent = document.body.dataset.lecture;
      head.children[1].textContent = part.dataset.title;
      page.prepend(head);
    }
    page.append(notes.cloneNode(true));
  }
  notes.remove();
}

// "12 / 90"; none on the map, which needs the corner.
function number(slide = Reveal.getCurrentSlide()) {
  return !slide || kindOf(slide) === "map" ? [""] : [Reveal.getSlidePastCount(slide) + 1, "/", Reveal.getTotalSlides()];
}

async function start() {
  await MathJax.startup.promise;
  await MathJax.typesetPromise([main]);
  await document.fonts.ready;
  main.querySelectorAll(".page").forEach(fit);
  main.querySelectorAll(".part").forEach(dress);
  document.querySelector(".slides").append(...main.children);
  main.remove();
  await Reveal.initialize({
    plugins: [RevealNotes], totalTime: Number(document.body.dataset.seconds), width: WIDTH, height: HEIGHT, margin: 0, minScale: 0.1, maxScale: 8, center: false, hash: true,
    controls: false, slideNumber: number, navigationMode: "linear", transition: "none", backgroundTransition: "none",
    pdfSeparateFragments: false,
  });
}
start();
