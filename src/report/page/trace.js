"use strict";
// Batches on their way from the generator to the step, like a trace: a row for each thread.

const STAGES = {
  generate: ["Generate", "generator"], convert: ["Convert", "convert"],
  wait_for_slot: ["Worker waits: it is ahead", "idle"],
  wait_for_generator: ["Loop waits for a batch", "idle"], upload: ["Upload", "upload"],
  wait_for_upload: ["Step waits for the upload", "idle"], launch: ["Launch", "launch"],
  compute: ["Step", "accent"], callback: ["Callbacks", "other"],
};
const stageName = (stage) => (STAGES[stage] || [stage])[0];
const stageColor = (stage) => color((STAGES[stage] || [0, "other"])[1]);
const ROW = 22;

// Times of single batches are whole nanoseconds.
const span = (value) => seconds(value * 1e-9);

// What waits is drawn below what works, and a conversion within its generation.
const order = (stage) => (stage.startsWith("wait") ? 0 : stage === "convert" ? 2 : 1);

function stampsOf(part, stages) {
  return part.stamps.map(([track, stage, batch, begin, length]) =>
    ({track, stage: stages[stage], batch, begin, length}))
    .sort((a, b) => order(a.stage) - order(b.stage));
}

function stageLegend(stamps) {
  const seen = new Set(stamps.map((stamp) => stamp.stage));
  const waits = [...seen].filter((stage) => stage.startsWith("wait"));
  return legend([...Object.keys(STAGES).filter((stage) => seen.has(stage) && !stage.startsWith("wait"))
      .map((stage) => ({name: stageName(stage), color: stageColor(stage)})),
    ...(waits.length ? [{name: "Waiting", color: color("idle")}] : [])]);
}

function traceCard(title, part, timeline) {
  const stamps = stampsOf(part, timeline.stages);
  if (!stamps.length) return null;
  const used = [...new Set(stamps.map((stamp) => stamp.track))].sort((a, b) => a - b);
  const row = new Map(used.map((track, i) => [track, i]));
  const begin = Math.min(...stamps.map((stamp) => stamp.begin));
  const end = Math.max(...stamps.map((stamp) => stamp.begin + stamp.length));
  const height = ROW * used.length + 24;
  const described = `${title}: ${plural(part.batches, "batch", "batches")} in ${span(end - begin)}, ${plural(used.length, "row")}`;
  const holder = el("div");
  const view = scroller(described, false, holder);
  let zoom = 1;
  const draw = () => {
    const width = Math.max(40, Math.floor(view.clientWidth * zoom));
    const toX = scale(begin, end, 0, width);
    const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": described},
                     svg("title", {}, described));
    for (const mark of ticks(0, end - begin, Math.max(2, Math.floor(width / 130)))) {
      const x = toX(begin + mark), edge = x > width - 60;
      root.append(svg("line", {class: "grid-line", x1: x, x2: x, y1: 0, y2: height - 20}),
                  svg("text", {x: edge ? x - 4 : x + 3, y: height - 6, "text-anchor": edge ? "end" : "start"}, span(mark)));
    }
    for (const stamp of stamps) {
      const inner = stamp.stage === "convert" ? 5 : 0;
      root.append(svg("rect", {
        x: toX(stamp.begin).toFixed(2), y: ROW * row.get(stamp.track) + 3 + inner,
        width: Math.max(0.6, toX(stamp.begin + stamp.length) - toX(stamp.begin) - (zoom > 4 ? 0.6 : 0)).toFixed(2),
        height: ROW - 6 - 2 * inner, rx: 1.5, fill: stageColor(stamp.stage),
        "data-tip": `${stageName(stamp.stage)}, batch ${grouped(stamp.batch + 1)}\n${span(stamp.length)}, at ${span(stamp.begin - begin)}`}));
    }
    holder.replaceChildren(tipsOf(root));
  };
  whenSized(view, draw);
  const slider = el("input", {type: "range", min: 0, max: 6, step: 0.25, value: 0, oninput: (event) => {
    const middle = (view.scrollLeft + view.clientWidth / 2) / (view.clientWidth * zoom);
    zoom = 2 ** Number(event.target.value);
    draw();
    view.scrollLeft = middle * view.clientWidth * zoom - view.clientWidth / 2;
  }});
  return card(title,
    el("div", {class: "tools"}, el("label", {}, "Zoom", slider),
       el("span", {class: "small muted"}, `${plural(part.batches, "batch", "batches")} in ${span(end - begin)}`)),
    el("div", {class: "trace"},
       el("div", {class: "labels", "aria-hidden": "true"}, used.map((track) =>
         el("div", {style: {height: ROW + "px", lineHeight: ROW + "px"}}, timeline.tracks[track]))),
       view),
    stageLegend(stamps));
}
// The batches that took longest, a row each, from the beginning of their generation on.
function slowestCard(timeline) {
  const rows = timeline.slowest || [];
  if (!rows.length) return null;
  const longest = Math.max(...rows.map((one) => one.length), 1e-9);
  const all = rows.flatMap((one) => stampsOf(one, timeline.stages));
  const title = "The slowest batches, from generator to step";
  const holder = el("div", {class: "chart"});
  const height = ROW * rows.length + 24;
  drawn(holder, (width) => {
    const left = 86, right = width - 66;
    const toX = scale(0, longest, left, right);
    const described = `${title}: the slowest took ${span(longest)}`;
    const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": described},
                     svg("title", {}, described));
    for (const mark of ticks(0, longest, Math.max(2, Math.floor((right - left) / 110)))) {
      root.append(svg("line", {class: "grid-line", x1: toX(mark), x2: toX(mark), y1: 0, y2: height - 20}),
                  svg("text", {x: toX(mark), y: height - 6, "text-anchor": "middle"}, span(mark)));
    }
    rows.forEach((one, i) => {
      const y = ROW * i;
      root.append(svg("text", {x: left - 8, y: y + 15, "text-anchor": "end"}, "batch " + grouped(one.batch + 1)),
                  svg("rect", {x: left, y: y + 8, width: Math.max(1, toX(one.length) - left), height: 6, rx: 2,
                               fill: color("idle"), "data-tip": `Batch ${grouped(one.batch + 1)}\nin the queue, or under way`}));
      for (const stamp of stampsOf(one, timeline.stages)) {
        if (stamp.stage.startsWith("wait")) continue;
        const from = Math.max(0, stamp.begin);
        root.append(svg("rect", {x: toX(from), y: y + 3, rx: 1.5, height: ROW - 6,
          width: Math.max(0.8, toX(Math.min(longest, stamp.begin + stamp.length)) - toX(from)), fill: stageColor(stamp.stage),
          "data-tip": `${stageName(stamp.stage)}, batch ${grouped(one.batch + 1)}\n${span(stamp.length)}, ${span(from)} after it began`}));
      }
      root.append(svg("text", {x: toX(one.length) + 7, y: y + 15}, span(one.length)));
    });
    return tipsOf(root);
  });
  return card(title, holder, stageLegend([...all.filter((s) => !s.stage.startsWith("wait")), {stage: "wait_for_slot"}]));
}

function traceCards(timeline) {
  if (!timeline) return null;
  return [timeline.parts.map((part) => traceCard(part.name, part, timeline)), slowestCard(timeline)];
}
