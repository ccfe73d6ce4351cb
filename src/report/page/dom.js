"use strict";
// Elements and numbers. Text from the data gets into the page as text nodes only, and never as
// markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);
const color = (name) => `var(--${name})`;

// ---- Numbers as people read them ----
const THIN = "\u202f";
function grouped(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}
// A number of a log may be missing (null), or not finite, which JSON has no word for but a string.
const isNumber = (value) => typeof value === "number";
const WORDS = {"nan": "not a number", "inf": "infinite", "-inf": "minus infinity"};
function figure(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (!isNumber(value)) return WORDS[value] || String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e7 || size < 1e-4) return value.toExponential(digits - 1).replace("-", "−");
  if (Number.isInteger(value)) return grouped(value);
  const text = size >= 10 ** digits ? grouped(value) : value.toPrecision(digits);
  return text.replace("-", "−");
}
function three(value) {
  if (value >= 999.5) return grouped(value);
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}
function seconds(value) {
  if (!isNumber(value)) return "–";
  if (value === 0) return "0 s";
  if (value < 1e-3) return three(value * 1e6) + " µs";
  if (value < 1) return three(value * 1e3) + " ms";
  if (value < 120) return three(value) + " s";
  const minutes = Math.floor(value / 60);
  if (minutes < 120) return `${minutes} min ${Math.floor(value % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) value /= 1000, ++unit;
  return (unit === 0 ? grouped(value) : three(value)) + " " + units[unit];
}
const percent = (share) => (100 * share).toFixed(share >= 0.9995 || share === 0 ? 0 : 1) + "%";
const plural = (count, one, many) => `${grouped(count)} ${count === 1 ? one : many || one + "s"}`;

// ---- Tables ----
// columns: {name, number, code, wide}; rows: lists of texts or nodes, whose first is the row's head.
function table(caption, columns, rows, options = {}) {
  const kind = (column) =>
    [column.number && "n", column.code && "code", column.wide && "break"].filter(Boolean).join(" ") || null;
  const head = el("thead", {}, el("tr", {}, columns.map(
    (column) => el("th", {scope: "col", class: column.number ? "n" : null}, column.name))));
  const body = el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) =>
    i === 0 ? el("th", {scope: "row", class: kind(columns[i])}, cell)
            : el("td", {class: kind(columns[i])}, cell)))));
  const shown = el("table", {}, el("caption", {class: options.quiet ? "visually-hidden" : null}, caption),
                   head, body);
  return scroller(caption, options.tall, shown);
}
// Pairs of a name and a value.
function facts(caption, pairs) {
  return el("table", {class: "facts"}, el("caption", {class: "visually-hidden"}, caption),
            el("tbody", {}, pairs.map(([name, value]) =>
              el("tr", {}, el("th", {scope: "row"}, name), el("td", {}, value)))));
}
function legend(entries) {
  return el("ul", {class: "legend"}, entries.map((entry) => el("li", {},
    entry.cross ? el("span", {class: "swatch cross", "aria-hidden": "true"}, "×")
    : el("span", {class: "swatch" + (entry.line ? " line" : "") + (entry.dash ? " dash" : ""),
                  "aria-hidden": "true",
                  style: entry.line ? {borderColor: entry.color} : {background: entry.color}}),
    entry.name)));
}
const card = (title, ...children) => el("div", {class: "card"}, title && el("h3", {}, title), ...children);

// ---- The text beside the pointer, or beside what has the focus ----
const tip = {
  node: document.getElementById("tip"),
  show(text, x, y) {
    this.node.textContent = text;
    this.node.hidden = false;
    const box = this.node.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth - 8 ? x - 14 - box.width : x + 14;
    const top = y + 14 + box.height > innerHeight - 8 ? y - 14 - box.height : y + 14;
    this.node.style.left = Math.max(8, left) + "px";
    this.node.style.top = Math.max(8, top) + "px";
  },
  hide() { this.node.hidden = true; },
};
// Shapes in `root` that have a data-tip show it.
function tipsOf(root) {
  root.addEventListener("pointermove", (event) => {
    const text = event.target.dataset && event.target.dataset.tip;
    if (text) tip.show(text, event.clientX, event.clientY);
    else tip.hide();
  });
  root.addEventListener("pointerleave", () => tip.hide());
  return root;
}
addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hide(); });
addEventListener("scroll", () => tip.hide(), {passive: true, capture: true});

// Calls `draw` with the width of `node` once that is known, and again whenever it changes. It waits
// for the next frame, because a change of the layout while sizes are observed is an error.
const sized = new Set();
function whenSized(node, draw) {
  let width = 0;
  const check = () => {
    const now = Math.floor(node.clientWidth);
    if (now === width || now === 0) return;
    width = now;
    draw(now);
  };
  sized.add({node, check});
  new ResizeObserver(() => requestAnimationFrame(check)).observe(node);
}
// Does so at once for everything that has come to be seen.
function drawAll() {
  for (const one of sized) {
    if (one.node.isConnected) one.check();
    else sized.delete(one);
  }
}
// What may be wider or taller than its place; keys scroll it where it is.
function scroller(label, isTall, ...children) {
  const node = el("div", {class: isTall ? "scroll tall" : "scroll", role: "region", "aria-label": label}, ...children);
  new ResizeObserver(() => requestAnimationFrame(() => {
    const isLarge = node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1;
    if (isLarge) node.setAttribute("tabindex", "0");
    else node.removeAttribute("tabindex");
  })).observe(node);
  return node;
}
function drawn(node, draw) {
  whenSized(node, (now) => node.replaceChildren(draw(now)));
  return node;
}
