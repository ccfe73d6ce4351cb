"use strict";
// The page: its sections, from the data of a run.

const data = JSON.parse(document.getElementById("data").textContent);

// ---- Light and dark ----
const themes = ["auto", "light", "dark"];
let theme = "auto";
const remember = (value) => { try { localStorage.setItem("stoker-theme", value); } catch { /* None for files, in some browsers. */ } };
const themeButton = document.getElementById("theme");
function setTheme(value) {
  theme = themes.includes(value) ? value : "auto";
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = {auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark"}[theme];
  document.dispatchEvent(new Event("themechange"));
}
themeButton.addEventListener("click", () => {
  setTheme(themes[(themes.indexOf(theme) + 1) % themes.length]);
  remember(theme);
});

// ---- Curves ----
// A metric and its validation share a chart.
function chartsOf(curves) {
  const charts = new Map();
  const known = new Set(curves.map((curve) => curve.name));
  for (const curve of curves) {
    const trained = curve.name.startsWith("val_") ? curve.name.slice(4) : null;
    const name = trained !== null && known.has(trained) ? trained : curve.name;
    if (!charts.has(name)) charts.set(name, {name, lines: []});
    charts.get(name).lines.push({curve, isValidation: name !== curve.name});
  }
  return [...charts.values()];
}
const numbersOf = (curve) => ({x: curve.x || data.epochs, y: curve.y});
function seriesOf(chart) {
  return chart.lines.sort((a, b) => a.isValidation - b.isValidation).map(({curve, isValidation}) => ({
    name: chart.lines.length > 1 ? (isValidation ? "validation" : "training") : curve.name,
    color: color(isValidation ? "ink" : "accent"), dash: isValidation, ...numbersOf(curve)}));
}

function curvesSection() {
  const all = chartsOf(data.curves.filter((curve) => curve.y.length));
  if (!all.length) return null;
  const redraw = [];
  let isLog = false, shown = 12, wanted = "";
  const grid = el("div", {class: "grid"});
  const more = el("button", {type: "button", onclick: () => { shown += 24; show(); }});
  const moreRow = el("div", {class: "more-row"}, more);
  const count = el("span", {class: "small muted", role: "status"});
  const show = () => {
    redraw.length = 0;
    const found = all.filter((chart) => chart.name.toLowerCase().includes(wanted));
    grid.replaceChildren(...found.slice(0, shown).map((chart) =>
      card(chart.name, lineChart(chart.name, seriesOf(chart), {isLog: () => isLog, redraw}))));
    const rest = found.length - Math.min(shown, found.length);
    moreRow.hidden = rest === 0;
    more.textContent = `Show ${Math.min(24, rest)} more of ${grouped(rest)}`;
    count.textContent = wanted ? plural(found.length, "metric") : "";
  };
  show();
  const log = el("input", {type: "checkbox", onchange: (event) => {
    isLog = event.target.checked;
    for (const again of redraw) again();
  }});
  const filter = all.length > 12 && el("label", {}, "Find", el("input", {type: "search", "aria-label": "Find a metric",
    oninput: (event) => { wanted = event.target.value.trim().toLowerCase(); shown = 12; show(); }}));
  return [
    el("div", {class: "tools"}, el("label", {}, log, "Logarithmic"), filter, count), grid, moreRow,
    data.left_out_curves ? el("p", {class: "small muted"}, `${plural(data.left_out_curves, "more metric")} of this fit are left out here.`) : null,
    progressCard(redraw, () => isLog), valuesTable()];
}

// Within the epochs: means since the epoch began.
function progressCard(redraw, isLog) {
  const progress = data.progress;
  if (!progress || !progress.steps || progress.steps.length <= Math.max(1, data.epochs_run)) return null;
  const x = progress.steps;
  return el("div", {class: "more-row"}, el("details", {open: data.epochs.length < 4}, el("summary", {}, "By step"),
    el("div", {class: "grid"}, progress.curves.map((curve) =>
      card(`${curve.name}, mean of the epoch so far`,
           lineChart(curve.name, [{name: curve.name, color: color("accent"), x, y: curve.y}], {what: "step", isLog, redraw}))))));
}

function valuesTable() {
  const curves = data.curves.slice(0, 12);
  if (!data.epochs.length) return null;
  const places = new Map(curves.map((curve) => [curve, new Map(numbersOf(curve).x.map((epoch, i) => [epoch, i]))]));
  return el("div", {class: "more-row"}, el("details", {}, el("summary", {}, "As a table"), card(null,
    table("Values by epoch", [{name: "Epoch"}, ...curves.map((curve) => ({name: curve.name, number: true}))],
      data.epochs.map((epoch) => [grouped(epoch), ...curves.map((curve) => {
        const i = places.get(curve).get(epoch);
        return i === undefined ? "–" : figure(curve.y[i], 5);
      })]), {tall: data.epochs.length > 14, quiet: true}))));
}

// ---- The figures at the top ----
function figureOf(name, value, unit, more) {
  return el("div", {class: "card figure"}, el("div", {class: "name"}, name),
    el("div", {class: "value"}, value, unit && el("small", {}, unit)), more && el("div", {class: "more"}, more));
}
function split(text) {
  const at = text.lastIndexOf(" ");
  return at < 0 || text.includes(" min ") || text.includes(" h ") ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}
function bestOf(curve) {
  const {x, y} = numbersOf(curve);
  let best = -1;
  const down = curve.larger_is_better !== true;
  y.forEach((value, i) => {
    if (isNumber(value) && (best < 0 || (down ? value < y[best] : value > y[best]))) best = i;
  });
  return best < 0 ? null : {value: y[best], epoch: x[best]};
}
function figures() {
  const cells = [];
  const named = new Map(data.curves.map((curve) => [curve.name, curve]));
  const told = data.curves.filter((curve) => !named.has("val_" + curve.name) && curve.name !== "learning_rate");
  for (const curve of told.slice(0, 3)) {
    const last = curve.y[curve.y.length - 1];
    const best = curve.larger_is_better === undefined ? null : bestOf(curve);
    cells.push(figureOf(curve.name, figure(last), null,
      best && (best.value === last ? `the best, epoch ${grouped(best.epoch)}` : `best ${figure(best.value)}, epoch ${grouped(best.epoch)}`)));
  }
  if (data.feed) {
    const wall = data.feed.parts.reduce((a, b) => a + b, 0);
    if (wall > 0) {
      cells.push(figureOf("Time", ...split(seconds(wall)), `${plural(data.epochs_run, "epoch")}, ${plural(data.feed.batches, "step")}`));
      cells.push(figureOf("Speed", three(data.feed.samples / wall), "samples/s", `${seconds(data.feed.seconds_per_batch)} a step`));
    }
  }
  if (data.model && data.model.parameters !== undefined) cells.push(figureOf("Parameters", grouped(data.model.parameters), null, data.model.name));
  return cells.length ? el("div", {class: "figures"}, cells) : null;
}

// ---- The model, its memory, the settings ----
function modelSection() {
  const model = data.model;
  if (!model || !model.layers) return null;
  const columns = [{name: "Layer", wide: true}, {name: "Type"}, {name: "Output shape", code: true}, {name: "Parameters", number: true}];
  // Relus that are 0 for all of the validation data have no slope, and may never get one again.
  const silent = model.layers.filter((layer) => layer[4] > 0.5);
  const hasSilent = model.layers.some((layer) => layer[4] !== undefined);
  if (hasSilent) columns.push({name: "Silent units", number: true});
  const rows = model.layers.map(([name, kind, shape, count, share]) =>
    [name, kind, shape, grouped(count)].concat(hasSilent ? [share === undefined ? "" : percent(share)] : []));
  return [
    silent.length ? el("p", {class: "lead"}, `Most units of ${silent.map(([name]) => name).join(", ")} are silent: their relus are 0 for every row of the validation data. Units that have no slope do not learn.`) : null,
    card(null, table(`Layers of ${model.name}`, columns, rows, {tall: rows.length > 16}),
      model.left_out ? el("p", {class: "small muted"}, `${plural(model.left_out, "more layer")} are left out here.`) : null,
      el("p", {class: "small muted"}, model.totals.map(([name, value]) => `${name}: ${grouped(value)}`).join(" · ")))];
}
function memorySection() {
  const memory = data.memory;
  if (!memory) return null;
  const total = memory.purposes.reduce((sum, [, size]) => sum + size, 0);
  const largest = Math.max(...memory.purposes.map(([, size]) => size), 1);
  const bar = (size) => el("span", {class: "stack", "aria-hidden": "true", style: {height: "10px", minWidth: "80px", marginTop: "6px"}},
    el("span", {style: {width: 100 * size / largest + "%", background: "var(--accent)"}}));
  const column = (name) => ({name, number: true});
  return [
    el("p", {class: "lead"}, `${bytes(total)} on ${memory.device}, without the backend's own code and libraries.`),
    el("div", {class: "grid two"},
      card("By purpose", table("Memory by purpose", [{name: "Purpose"}, column("Size"), {name: "Share"}],
        memory.purposes.filter(([, size]) => size > 0).map(([name, size]) => [name, bytes(size), bar(size)]), {quiet: true})),
      memory.plans.length ? card("Compiled steps", table("Compiled steps", [{name: "Step"}, column("Rows"), column("Arena")],
        memory.plans.map(([mode, rows, size]) => [mode, grouped(rows), bytes(size)]), {quiet: true})) : null),
    memory.layers.length ? el("div", {class: "more-row"}, el("details", {}, el("summary", {}, "By layer"), card(null, table("Memory by layer",
      [{name: "Layer", wide: true}, column("Weights"), column("Gradients"), column("Optimizer"), column("Activations")],
      memory.layers.map(([name, ...sizes]) => [name, ...sizes.map(bytes)]), {tall: memory.layers.length > 14, quiet: true})))) : null];
}
function settingsSection() {
  if (!data.settings || !data.settings.length) return null;
  return el("div", {class: "grid"}, data.settings.map((group) => card(group.name, facts(group.name, group.rows))));
}

// ---- All of it ----
function head() {
  const status = data.status || {kind: "done", text: ""};
  const words = {done: "Finished", stopped: "Stopped early", failed: "Failed", running: "Under way"};
  return el("div", {class: "head"}, el("h1", {}, data.title || "Training report"),
    el("p", {class: "sub"}, el("span", {class: "chip " + status.kind}, words[status.kind] || status.kind),
       "\u2002", [data.model && data.model.name, data.device, data.written].filter(Boolean).join(" · ")),
    status.text ? el("p", {class: "note"}, status.text) : null);
}
function build() {
  const main = document.getElementById("main");
  const nav = document.querySelector("nav");
  document.title = data.title || "Training report";
  const sections = [["curves", "Curves", curvesSection], ["feed", "Feed", () => feedSection(data)],
    ["classes", "Mistakes", () => classesSection(data)], ["model", "Model", modelSection],
    ["memory", "Memory", memorySection], ["settings", "Settings", settingsSection]];
  main.replaceChildren(head());
  const top = figures();
  if (top) main.append(top);
  nav.replaceChildren();
  for (const [id, name, make] of sections) {
    const parts = [make()].flat(Infinity).filter(Boolean);
    if (!parts.length) continue;
    main.append(el("section", {id, "aria-labelledby": id + "-title"}, el("h2", {id: id + "-title"}, name), parts));
    nav.append(el("a", {href: "#" + id}, name));
  }
  if (main.querySelectorAll("section").length === 0) main.append(el("p", {class: "lead"}, "This fit ended before its first epoch did."));
  document.querySelector("footer").textContent = data.version ? `Stoker ${data.version}` : "";
  watch(nav);
}
// Marks the section that is being read.
function watch(nav) {
  const links = new Map([...nav.children].map((link) => [link.getAttribute("href").slice(1), link]));
  const sections = [...document.querySelectorAll("section")];
  const mark = () => {
    const read = sections.filter((section) => section.getBoundingClientRect().top < innerHeight * 0.4).pop();
    for (const [id, link] of links) {
      if (read && read.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", mark, {passive: true});
  mark();
}

let saved = "auto";
try { saved = localStorage.getItem("stoker-theme") || "auto"; } catch { /* As above. */ }
setTheme(saved);
build();
// The colours of a confusion matrix are worked out from those of the theme.
const redrawClasses = () => {
  const section = document.getElementById("classes");
  if (section) section.replaceChildren(section.firstChild, ...[classesSection(data)].flat(Infinity).filter(Boolean));
};
document.addEventListener("themechange", redrawClasses);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawClasses);
// On paper everything is open, in the light theme, and drawn for the width of a sheet.
let before = null;
addEventListener("beforeprint", () => {
  before = {theme, closed: [...document.querySelectorAll("details:not([open])")]};
  for (const node of before.closed) node.open = true;
  setTheme("light");
  document.documentElement.classList.add("paper");
  drawAll();
});
addEventListener("afterprint", () => {
  if (!before) return;
  for (const node of before.closed) node.open = false;
  setTheme(before.theme);
  document.documentElement.classList.remove("paper");
  drawAll();
});
