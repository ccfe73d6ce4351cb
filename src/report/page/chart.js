"use strict";
// Charts of lines and of stacked bars.

// Returns round numbers that divide [low, high] in about `count` parts.
function ticks(low, high, count) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const result = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) {
    result.push(Number((i * step).toPrecision(12)));
  }
  return result;
}
function powers(low, high) {
  const result = [];
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.max(1, Math.ceil((last - first) / 5));
  for (let p = first; p <= last; p += every) result.push(10 ** p);
  if (last - first === 1) result.splice(1, 0, 2 * 10 ** first, 5 * 10 ** first);
  return result;
}
// A tick's label, short.
function tickText(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-4)) {
    return value.toExponential().replace("e+", "e").replace("-", "−");
  }
  return size >= 1000 ? grouped(value) : String(value).replace("-", "−");
}

// A scale from values to pixels.
function scale(low, high, from, to, isLog) {
  const f = isLog ? Math.log10 : (v) => v;
  const a = f(low), b = f(high) === f(low) ? f(low) + 1 : f(high);
  return (value) => from + ((f(value) - a) / (b - a)) * (to - from);
}

function rangeOf(series, isLog) {
  let low = Infinity, high = -Infinity;
  for (const one of series) {
    for (const y of one.y) {
      if (!isNumber(y) || (isLog && y <= 0)) continue;
      if (y < low) low = y;
      if (y > high) high = y;
    }
  }
  if (low > high) return isLog ? [0.1, 1] : [0, 1];
  if (low === high) {
    const room = Math.abs(low) * 0.1 || 0.5;
    return isLog ? [low / 2, high * 2] : [low - room, high + room];
  }
  return isLog ? [low, high] : [low - 0.04 * (high - low), high + 0.04 * (high - low)];
}

// Where a curve lies, as an SVG path that leaves gaps where a number is not finite. A point between
// two gaps gets a dot.
function pathOf(x, y, toX, toY, isLog) {
  let path = "", dots = [], open = false;
  for (let i = 0; i < x.length; ++i) {
    if (!isNumber(y[i]) || (isLog && y[i] <= 0)) { open = false; continue; }
    const at = `${toX(x[i]).toFixed(1)} ${toY(y[i]).toFixed(1)}`;
    path += (open ? "L" : "M") + at;
    const next = i + 1 < x.length && isNumber(y[i + 1]) && !(isLog && y[i + 1] <= 0);
    if (!open && !next) dots.push(i);
    open = true;
  }
  return {path, dots};
}

function nearest(x, value) {
  let low = 0, high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] < value) low = middle; else high = middle;
  }
  return Math.abs(x[high] - value) < Math.abs(x[low] - value) ? high : low;
}

// series: {name, color, dash, x, y}, where x ascends. A chart that has the focus moves its cursor by
// the arrow keys.
function lineChart(title, series, options = {}) {
  const what = options.what || "epoch";
  const height = options.height || 216;
  const holder = el("div", {class: "chart"});
  const lasts = series.map((s) => `${s.name} ${figure(s.y[s.y.length - 1])}`).join(", ");
  const described = `${title} by ${what}, last: ${lasts}`;
  const broken = series.some((s) => s.y.some((y) => typeof y === "string"));

  const draw = (width) => {
    const isLog = !!(options.isLog && options.isLog());
    const [low, high] = rangeOf(series, isLog);
    const marks = isLog ? powers(low, high) : ticks(low, high, 4);
    const bottom = isLog ? Math.min(low, marks[0]) : low;
    const top = isLog ? Math.max(high, marks[marks.length - 1]) : high;
    const labels = marks.map(tickText);
    const left = Math.min(90, 12 + 6.9 * Math.max(...labels.map((l) => l.length), 1));
    const box = {left, right: width - 10, top: 14, bottom: height - 26};
    const xs = series.flatMap((s) => [s.x[0], s.x[s.x.length - 1]]).filter(isNumber);
    const first = Math.min(...xs), last = Math.max(...xs);
    const toX = first === last ? () => (box.left + box.right) / 2 : scale(first, last, box.left, box.right);
    const toY = scale(bottom, top, box.bottom, box.top, isLog);
    const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: "0",
                             "aria-label": described}, svg("title", {}, described));
    marks.forEach((mark, i) => {
      const y = toY(mark);
      if (y < box.top - 8 || y > box.bottom + 1) return;
      root.append(svg("line", {class: "grid-line", x1: box.left, x2: box.right, y1: y, y2: y}),
                  svg("text", {x: box.left - 8, y: y + 4, "text-anchor": "end"}, labels[i]));
    });
    const xMarks = first === last ? [first]
        : ticks(first, last, Math.max(2, Math.floor((box.right - box.left) / 70)))
            .filter((mark) => Number.isInteger(mark));
    for (const mark of xMarks) {
      const x = toX(mark), edge = x > box.right - 14;
      root.append(svg("text", {x: edge ? box.right : x, y: height - 6, "text-anchor": edge ? "end" : "middle"},
                      tickText(mark)));
    }
    for (const one of series) {
      const {path, dots} = pathOf(one.x, one.y, toX, toY, isLog);
      root.append(svg("path", {d: path, fill: "none", stroke: one.color, "stroke-width": 2,
                               "stroke-linejoin": "round", "stroke-linecap": "round",
                               "stroke-dasharray": one.dash ? "5 4" : null}));
      for (const i of dots) root.append(svg("circle", {cx: toX(one.x[i]), cy: toY(one.y[i]), r: 3.5, fill: one.color}));
      one.y.forEach((y, i) => {
        if (typeof y !== "string") return;
        const x = toX(one.x[i]), at = y === "-inf" ? box.bottom : box.top;
        root.append(
          svg("line", {x1: x, x2: x, y1: box.top, y2: box.bottom, stroke: color("bad"), "stroke-opacity": 0.25}),
          svg("path", {d: `M${x - 4} ${at - 4}l8 8m0 -8l-8 8`, stroke: color("bad"), "stroke-width": 2,
                       fill: "none"}));
      });
    }
    // All places that a cursor can stand on.
    const places = [...new Set(series.flatMap((s) => s.x))].sort((a, b) => a - b);
    const line = svg("line", {class: "cursor", y1: box.top, y2: box.bottom, visibility: "hidden"});
    const balls = series.map((s) => svg("circle", {r: 4, fill: s.color, stroke: color("card"), "stroke-width": 2, visibility: "hidden"}));
    root.append(line, ...balls);
    let at = places.length - 1;
    const point = (index, clientX, clientY) => {
      at = Math.max(0, Math.min(places.length - 1, index));
      const x = toX(places[at]);
      fill(line, {x1: x, x2: x, visibility: "visible"}, []);
      const words = series.map((s, i) => {
        const k = nearest(s.x, places[at]);
        const there = s.x[k] === places[at];
        const seen = there && isNumber(s.y[k]) && !(isLog && s.y[k] <= 0);
        fill(balls[i], seen ? {cx: x, cy: toY(s.y[k]), visibility: "visible"} : {visibility: "hidden"}, []);
        return there ? `${s.name}: ${figure(s.y[k], 5)}` : null;
      }).filter(Boolean);
      const area = root.getBoundingClientRect();
      tip.show(`${what[0].toUpperCase() + what.slice(1)} ${grouped(places[at])}\n${words.join("\n")}`,
               clientX ?? area.left + x * (area.width / width), clientY ?? area.top + area.height / 2);
    };
    const leave = () => {
      tip.hide();
      for (const node of [line, ...balls]) node.setAttribute("visibility", "hidden");
    };
    root.addEventListener("pointermove", (event) => {
      if (!places.length) return;
      const area = root.getBoundingClientRect();
      const x = (event.clientX - area.left) * (width / area.width);
      const value = first + ((x - box.left) / (box.right - box.left || 1)) * (last - first);
      point(first === last ? 0 : nearest(places, value), event.clientX, event.clientY);
    });
    root.addEventListener("pointerleave", leave);
    root.addEventListener("blur", leave);
    root.addEventListener("keydown", (event) => {
      const to = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: places.length - 1}[event.key];
      if (to === undefined) return;
      event.preventDefault();
      point(to);
    });
    return root;
  };
  drawn(holder, draw);
  if (options.redraw) options.redraw.push(() => holder.clientWidth && holder.replaceChildren(draw(holder.clientWidth)));
  const entries = series.length > 1 || broken
      ? series.map((s) => ({name: s.name, color: s.color, line: true, dash: s.dash})) : [];
  if (broken) entries.push({name: "not finite", cross: true});
  return [holder, entries.length ? legend(entries) : null];
}

// Bars from the bottom up, a part for each of `parts` ({name, color}); rows: [label, values].
function stackedBars(title, parts, rows, format, what) {
  const holder = el("div", {class: "chart"});
  const height = 240;
  const sums = rows.map(([, values]) => values.reduce((a, b) => a + b, 0));
  const high = Math.max(...sums, 1e-12);
  drawn(holder, (width) => {
    const marks = ticks(0, high, 4);
    const labels = marks.map(format);
    const box = {left: 12 + 6.9 * Math.max(...labels.map((l) => l.length)), right: width - 4, top: 10, bottom: height - 26};
    const toY = scale(0, high, box.bottom, box.top);
    const described = `${title}, ${plural(rows.length, "bar")}`;
    const root = svg("svg", {viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": described},
                     svg("title", {}, described));
    marks.forEach((mark, i) => root.append(
      svg("line", {class: "grid-line", x1: box.left, x2: box.right, y1: toY(mark), y2: toY(mark)}),
      svg("text", {x: box.left - 8, y: toY(mark) + 4, "text-anchor": "end"}, labels[i])));
    const pitch = (box.right - box.left) / rows.length;
    const thick = Math.min(46, Math.max(0.75, pitch * 0.72));
    const every = Math.max(1, Math.ceil(44 / pitch));
    rows.forEach(([label, values], i) => {
      const x = box.left + pitch * (i + 0.5) - thick / 2;
      let y = box.bottom;
      const text = `${what} ${label}: ${format(sums[i])}\n` +
          parts.map((part, k) => (values[k] > 0 ? `${part.name}: ${format(values[k])} (${percent(values[k] / sums[i])})` : null))
               .filter(Boolean).join("\n");
      values.forEach((value, k) => {
        const tall = box.bottom - toY(value);
        if (tall <= 0) return;
        y -= tall;
        root.append(svg("rect", {x, y, width: thick, height: tall, fill: parts[k].color, "data-tip": text}));
      });
      if (i % every === 0) {
        root.append(svg("text", {x: x + thick / 2, y: height - 6, "text-anchor": "middle"}, label));
      }
    });
    return tipsOf(root);
  });
  return [holder, legend(parts.filter((part, k) => rows.some(([, values]) => values[k] > 0)))];
}
