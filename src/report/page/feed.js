"use strict";
// What the device waited for: the verdict, its advice, and how the time divides.

const PARTS = [
  {name: "Computed", short: "Computed", color: color("accent")},
  {name: "Waited for the generator", short: "Generator", color: color("generator")},
  {name: "Waited for uploads", short: "Uploads", color: color("upload")},
  {name: "Waited for launches", short: "Launches", color: color("launch")},
  {name: "Other: validation, callbacks, display", short: "Other", color: color("other")},
];

function gauge(share) {
  const r = 44, around = 2 * Math.PI * r;
  const text = `The step computed ${percent(share)} of the device's time`;
  return svg("svg", {class: "gauge", viewBox: "0 0 124 124", role: "img", "aria-label": text},
    svg("title", {}, text),
    svg("circle", {cx: 62, cy: 62, r, fill: "none", stroke: color("idle"), "stroke-width": 11}),
    svg("circle", {cx: 62, cy: 62, r, fill: "none", stroke: color("accent"), "stroke-width": 11,
                   "stroke-linecap": share > 0.02 ? "round" : "butt",
                   "stroke-dasharray": `${share * around} ${around}`, transform: "rotate(-90 62 62)"}),
    svg("text", {x: 62, y: 66, "text-anchor": "middle", style: {fontSize: "22px", fontWeight: 600}},
        Math.round(100 * share) + "%"),
    svg("text", {x: 62, y: 82, "text-anchor": "middle", class: "what"}, "computing"));
}

function verdictCard(feed) {
  const device = feed.parts.slice(0, 4).reduce((a, b) => a + b, 0);
  // The advice follows as a table.
  const lines = feed.verdict.split("\n").map((line) => line.trim())
      .filter((line) => line && !line.startsWith("- ") && line !== "What to change:");
  const label = feed.class + ": ";
  if (lines.length && lines[0].startsWith(label)) {
    const rest = lines[0].slice(label.length);
    lines[0] = rest[0].toUpperCase() + rest.slice(1);
  }
  const title = feed.class[0].toUpperCase() + feed.class.slice(1);
  return el("div", {class: "card verdict"},
    device > 0 ? gauge(feed.parts[0] / device) : el("span"),
    el("div", {}, el("h3", {}, title), lines.map((line) => el("p", {}, line))));
}

function adviceCard(feed) {
  if (!feed.advice.length) return null;
  return card("What to change", table("Changes, the most rewarding first",
    [{name: "Change"}, {name: "A step now", number: true}, {name: "Then", number: true},
     {name: "Gain", number: true}, {name: "Why", wide: true}],
    feed.advice.map((one) => [
      one.change, seconds(one.seconds_per_batch), seconds(one.predicted),
      el("span", {class: "gain"}, three(one.speedup) + " ×"),
      one.reason[0].toUpperCase() + one.reason.slice(1) + "." + (one.condition ? ` It needs ${one.condition} first.` : "")]), {quiet: true}));
}

function whatIfCard(feed) {
  if (!feed.what_if || !feed.what_if.length) return null;
  return card("What if", table("What a step would take with another device, other workers or other data",
    [{name: "If"}, {name: "A step", number: true}, {name: "Gain", number: true}, {name: "Then limited by", wide: true}],
    feed.what_if.map((one) => [one.change, seconds(one.predicted),
      el("span", {class: one.speedup >= 1.05 ? "gain" : "muted"}, three(one.speedup) + " ×"), one.limit])));
}

function wholeBar(parts) {
  const sum = parts.reduce((a, b) => a + b, 0) || 1;
  const text = PARTS.map((part, i) => `${part.name}: ${seconds(parts[i])} (${percent(parts[i] / sum)})`);
  return [
    el("div", {class: "stack", role: "img", "aria-label": text.join("; ")},
       PARTS.map((part, i) => parts[i] > 0 &&
         tipsOf(el("span", {style: {width: 100 * parts[i] / sum + "%", background: part.color}, "data-tip": text[i]})))),
    el("ul", {class: "legend"}, PARTS.map((part, i) => parts[i] > 0 && el("li", {},
       el("span", {class: "swatch", "aria-hidden": "true", style: {background: part.color}}), text[i])))];
}

function stagesCard(feed) {
  const rows = feed.stages.filter((stage) => stage.count > 0).map((stage) => [
    stage.name, grouped(stage.count), seconds(stage.mean), seconds(stage.p50), seconds(stage.p90),
    seconds(stage.p99), seconds(stage.max)]);
  if (!rows.length) return null;
  const column = (name) => ({name, number: true});
  return card("Stages of a batch", table("Durations by stage", [{name: "Stage"}, column("Count"),
    column("Mean"), column("Median"), column("p90"), column("p99"), column("Longest")], rows, {quiet: true}));
}

function sourceStagesCard(feed) {
  const stages = feed.source_stages || [];
  const busy = stages.reduce((sum, stage) => sum + stage.busy, 0);
  if (!(busy > 0)) return null;
  const column = (name) => ({name, number: true});
  return card("Stages of the source", table("What each stage of the source did", [{name: "Stage"},
    column("Elements"), column("Bytes"), column("Threads"), column("Busy"), column("Share"),
    column("Waited for input"), column("Waited for room"), column("Ready when asked")],
    stages.map((stage) => [stage.name, grouped(stage.elements), bytes(stage.bytes),
      stage.workers ? grouped(stage.workers) : "the feed's", seconds(stage.busy),
      percent(stage.busy / busy), stage.workers ? seconds(stage.waited_for_input) : "",
      stage.workers ? seconds(stage.waited_for_room) : "",
      stage.workers ? three(stage.occupancy) : ""]), {quiet: true}));
}

function epochsCard(data) {
  const rows = data.feed_by_epoch;
  if (!rows || !rows.length) return null;
  const title = "Time by epoch";
  return card(title, stackedBars(title, PARTS, rows, seconds, "Epoch"),
    el("details", {}, el("summary", {}, "As a table"),
      table("Time by epoch: computed, waited for, and other", [{name: "Epoch"}, ...PARTS.map((part) => ({name: part.short, number: true}))],
            rows.map(([label, values]) => [label, ...values.map(seconds)]), {tall: rows.length > 14, quiet: true})));
}

function feedSection(data) {
  const feed = data.feed;
  // Where the first epoch did not end, there is no verdict.
  if (!feed) return traceCards(data.timeline);
  const sum = feed.parts.reduce((a, b) => a + b, 0);
  return [
    el("p", {class: "lead"}, `How ${seconds(sum)} of training divide, and what a change would bring. ` +
       "All of it is measured, or computed from what was measured."),
    verdictCard(feed),
    sum > 0 && card("The whole fit", wholeBar(feed.parts)),
    el("div", {class: "grid two"}, [adviceCard(feed), whatIfCard(feed)].filter(Boolean)),
    epochsCard(data),
    stagesCard(feed),
    sourceStagesCard(feed),
    traceCards(data.timeline)];
}
