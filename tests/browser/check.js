"use strict";
// What check_pages.py asks of a page. It runs in the page once that is drawn, and sends its
// complaints to the page around it.
const isDrawn = () => [...document.querySelectorAll("main .chart, main .trace .scroll > div")]
    .filter((node) => node.clientWidth > 0).every((node) => node.childElementCount > 0);
function check() {
  const faults = [];
  const expect = (holds, what) => { if (!holds) faults.push(what); };
  const shortened = (text) => text.trim().replace(/\s+/g, " ").slice(0, 60);

  // ---- Colours ----
  function rgba(text) {
    const parts = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return parts.length < 4 ? [...parts, 1] : parts;
  }
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  function behind(element) {
    const layers = [];
    for (let node = element; node; node = node.parentElement) {
      const shade = rgba(getComputedStyle(node).backgroundColor);
      if (shade[3] > 0) layers.push(shade);
      if (shade[3] === 1) break;
    }
    let color = [255, 255, 255, 1];
    for (const layer of layers.reverse()) color = over(layer, color);
    return color;
  }
  // WCAG 2.1, relative luminance and contrast ratio.
  function luminance(color) {
    const [r, g, b] = color.map((value) => {
      const v = value / 255;
      return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  function contrast(a, b) {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  }
  let texts = 0, lowest = Infinity;
  function checkContrast() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const owner = node.parentElement;
      if (!node.data.trim() || ["SCRIPT", "STYLE", "NOSCRIPT", "title"].includes(owner.tagName)) continue;
      if (!owner.checkVisibility()) continue;
      const style = getComputedStyle(owner);
      const back = behind(owner);
      const ink = over(rgba(owner instanceof SVGElement ? style.fill : style.color), back);
      const ratio = contrast(ink, back);
      ++texts;
      lowest = Math.min(lowest, ratio);
      expect(ratio >= 4.5, `a contrast of ${ratio.toFixed(2)}: "${shortened(node.data)}"`);
    }
  }

  // ---- Shape ----
  const root = document.documentElement;
  expect(innerWidth === EXPECTED.width, `expected a window ${EXPECTED.width} wide, received ${innerWidth}`);
  expect(matchMedia("(prefers-color-scheme: dark)").matches === EXPECTED.dark, "the theme is the other one");
  expect(isDrawn(), "a chart is not drawn");
  expect(root.scrollWidth <= innerWidth, `it is ${root.scrollWidth} wide in a window of ${innerWidth}`);
  for (const node of document.querySelectorAll("main *")) {
    const box = node.getBoundingClientRect();
    if (box.width && box.right > innerWidth + 1 && !node.closest(".scroll") && !node.closest(".visually-hidden")) {
      faults.push(`<${node.tagName} class="${node.getAttribute("class")}"> ends at ${box.right}: "${shortened(node.textContent)}"`);
    }
  }
  checkContrast();

  // ---- Names ----
  for (const node of document.querySelectorAll("main svg, main canvas")) {
    expect((node.getAttribute("aria-label") || "").length > 3, `<${node.tagName}> without a label`);
    expect(node.getAttribute("role") === "img", `<${node.tagName}> without a role`);
    if (node.tagName === "svg") expect(node.querySelector("title"), "<svg> without a title");
  }
  for (const node of document.querySelectorAll("table")) {
    expect(node.querySelector("th[scope]"), "a table without heads");
    expect(node.caption && node.caption.textContent, "a table without a caption");
  }
  expect(document.title.length > 0 && document.querySelectorAll("h1").length === 1, "no title");
  for (const node of document.querySelectorAll("section")) {
    expect(document.getElementById(node.getAttribute("aria-labelledby")), "a section without a name");
  }
  expect(document.querySelectorAll("body script:not([id])").length === EXPECTED.scripts, "another script than the page's own");
  expect(!window.alerted, "a name in the data was run as a script");
  for (const word of EXPECTED.words) expect(document.body.textContent.includes(word), `no text "${word}"`);
  expect(document.querySelectorAll("section").length >= EXPECTED.sections,
         `expected ${EXPECTED.sections} sections, received ${document.querySelectorAll("section").length}`);

  // ---- Keys and pointers ----
  const tip = document.getElementById("tip");
  const chart = document.querySelector("#curves svg");
  if (chart) {
    chart.focus();
    expect(document.activeElement === chart, "a chart can't have the focus");
    chart.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowLeft", bubbles: true}));
    expect(!tip.hidden && /^Epoch \d+\n/.test(tip.textContent), `the arrow key shows "${tip.textContent}"`);
    checkContrast();
    dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
    expect(tip.hidden, "Escape leaves the text there");
  }
  const bar = document.querySelector("#feed [data-tip]");
  if (bar) {
    bar.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: 50, clientY: 50}));
    expect(!tip.hidden && tip.textContent.length > 5, "the pointer shows nothing");
    const box = tip.getBoundingClientRect();
    expect(box.left >= 0 && box.right <= innerWidth, "the text beside the pointer is cut");
  }
  tip.hidden = true;
  const button = document.getElementById("theme");
  const before = getComputedStyle(document.body).backgroundColor;
  const seen = new Set();
  for (let i = 0; i < 3; ++i) {
    button.click();
    seen.add(getComputedStyle(document.body).backgroundColor);
    checkContrast();
  }
  expect(seen.size === 2 && seen.has(before), "the switch does not switch");

  parent.postMessage(JSON.stringify({faults: [...new Set(faults)].slice(0, 40), texts, lowest,
                                     charts: document.querySelectorAll("main svg").length}), "*");
}
// Details are unfolded first, since what is folded is not drawn.
let tries = 0;
function begin() {
  for (const node of document.querySelectorAll("details")) node.open = true;
  if (++tries < 5 || (!isDrawn() && tries < 200)) setTimeout(begin, 50);
  else check();
}
addEventListener("load", begin);
