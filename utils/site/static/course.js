// What the pages do by themselves, without a server: predictions that are kept, tables that are searched.
document.documentElement.classList.add("js"); // from here on what follows an open prediction is hidden

const kept = {
  read(name) {
    try { return localStorage.getItem("dlmap:" + name); } catch { return null; }
  },
  write(name, choice) {
    try { localStorage.setItem("dlmap:" + name, choice); } catch { /* a browser that keeps nothing */ }
  },
};

// Show what waited for a prediction, and say beside its outcome what was chosen.
function reveal(name, choice) {
  const named = `[data-name="${CSS.escape(name)}"]`;
  for (const box of document.querySelectorAll(".prediction" + named)) {
    box.classList.add("chosen");
    for (const button of box.querySelectorAll("button")) {
      button.disabled = true;
      button.setAttribute("aria-pressed", choice !== "" && button.value === choice);
    }
  }
  for (const line of document.querySelectorAll(".outcome" + named)) {
    if (choice === "") continue;
    const right = choice === line.dataset.measured;
    line.dataset.right = right;
    line.append(right ? " ✔ You said so." : ` ✗ You said: ${choice}.`);
  }
}

function find(field) {
  const rows = [...document.querySelectorAll(field.dataset.rows)];
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  const shown = rows.filter((row) => !row.hidden).length;
  field.parentElement.querySelector("span").textContent = `${shown} of ${rows.length}`;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const box of document.querySelectorAll(".prediction")) {
    const choice = kept.read(box.dataset.name);
    if (choice !== null && !box.classList.contains("chosen")) reveal(box.dataset.name, choice);
    box.addEventListener("click", (event) => {
      if (event.target.tagName !== "BUTTON") return;
      kept.write(box.dataset.name, event.target.value);
      reveal(box.dataset.name, event.target.value);
    });
  }
  for (const field of document.querySelectorAll("input[data-rows]")) {
    field.addEventListener("input", () => find(field));
    find(field);
  }
  // A page opened from a file may not fetch the others for its excerpts.
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
});
