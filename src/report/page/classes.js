"use strict";
// What a classifier mistook for what.

// Colours for cells, as numbers, since text on them takes whichever of black and white is told apart
// better.
function rgbOf(name) {
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}
const mixed = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));
const css = (rgb) => `rgb(${rgb.join(" ")})`;
function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => {
    const v = value / 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function textOn(rgb) {
  const l = luminance(rgb);
  return 1.05 / (l + 0.05) >= (l + 0.05) / 0.05 ? "#ffffff" : "#000000";
}
const nameOf = (one, label) => one.classes[label] ?? String(label);

function countsOf(one) {
  const rows = new Map();
  for (const [truth, guess, count] of one.cells) {
    if (!rows.has(truth)) rows.set(truth, new Map());
    rows.get(truth).set(guess, count);
  }
  return rows;
}
function cellColor(count, ofRow, isRight) {
  const share = ofRow > 0 ? count / ofRow : 0;
  // Mistakes are few where a model is any good, so that their colours begin early.
  const strength = count === 0 ? 0 : 0.1 + 0.9 * Math.sqrt(share);
  return mixed(rgbOf("card"), rgbOf(isRight ? "accent" : "bad"), strength);
}

function smallMatrix(one, rows) {
  const labels = [...one.classes.keys()];
  const isLong = one.classes.some((name) => name.length > 4);
  const caption = "Rows are the true classes, columns what the model said";
  return scroller("Confusion matrix", false,
    el("table", {class: "matrix"}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, el("td"), labels.map((guess) =>
        el("th", {scope: "col", class: isLong ? "upright" : null}, el("span", {}, nameOf(one, guess)))))),
      el("tbody", {}, labels.map((truth) => {
        const counts = rows.get(truth) || new Map();
        const sum = [...counts.values()].reduce((a, b) => a + b, 0);
        return el("tr", {}, el("th", {scope: "row"}, nameOf(one, truth)), labels.map((guess) => {
          const count = counts.get(guess) || 0;
          const rgb = cellColor(count, sum, truth === guess);
          return el("td", {style: {background: css(rgb), color: count ? textOn(rgb) : "var(--muted)"},
                           "data-tip": cellText(one, truth, guess, count, sum)}, count ? grouped(count) : "·");
        }));
      }))));
}
const cellText = (one, truth, guess, count, sum) => truth === guess
    ? `${nameOf(one, truth)}: ${grouped(count)} of ${grouped(sum)} right (${percent(sum ? count / sum : 0)})`
    : `${nameOf(one, truth)} taken for ${nameOf(one, guess)}: ${grouped(count)} of ${grouped(sum)} (${percent(sum ? count / sum : 0)})`;

function largeMatrix(one, rows) {
  const count = one.classes.length;
  const holder = el("div");
  const view = scroller("Confusion matrix", false, holder);
  const longest = Math.max(...one.classes.map((name) => name.length));
  whenSized(view, () => {
    const left = 14 + 6.2 * Math.min(longest, 18), top = left;
    const pitch = Math.max(10, Math.min(30, Math.floor((view.clientWidth - left) / count)));
    const size = pitch * count;
    const described = `Confusion matrix of ${count} classes: rows are the true classes, columns what the model said`;
    const root = svg("svg", {viewBox: `0 0 ${left + size} ${top + size}`, width: left + size, height: top + size,
                             style: {width: left + size + "px"}, role: "img", "aria-label": described},
                     svg("title", {}, described),
                     svg("rect", {x: left, y: top, width: size, height: size, fill: color("faint")}));
    const short = (name) => (name.length > 18 ? name.slice(0, 17) + "…" : name);
    const small = {fontSize: pitch < 13 ? "10px" : "11px"};
    one.classes.forEach((name, i) => {
      const middle = pitch * (i + 0.5);
      root.append(svg("text", {x: left - 6, y: top + middle + 4, "text-anchor": "end", style: small}, short(name)),
                  svg("text", {x: 0, y: 0, transform: `translate(${left + middle + 4} ${top - 6}) rotate(-90)`, style: small}, short(name)));
    });
    for (const [truth, counts] of rows) {
      const sum = [...counts.values()].reduce((a, b) => a + b, 0);
      for (const [guess, cell] of counts) {
        root.append(svg("rect", {x: left + pitch * guess + 0.5, y: top + pitch * truth + 0.5, width: pitch - 1, height: pitch - 1,
          rx: 1.5, fill: css(cellColor(cell, sum, truth === guess)), "data-tip": cellText(one, truth, guess, cell, sum)}));
      }
    }
    holder.replaceChildren(tipsOf(root));
  });
  return [el("p", {class: "small muted"}, "Rows are the true classes, columns what the model said."), view];
}

function confusions(one) {
  const list = one.cells.filter(([truth, guess]) => truth !== guess).sort((a, b) => b[2] - a[2]).slice(0, 12);
  if (!list.length) return null;
  const share = (truth, count) => (one.by_class[truth] ? percent(count / one.by_class[truth][0]) : "–");
  return card("Most frequent confusions", table("Classes that were taken for another",
    [{name: "Truth", wide: true}, {name: "Taken for", wide: true}, {name: "Times", number: true}, {name: "Of its class", number: true}],
    list.map(([truth, guess, count]) => [nameOf(one, truth), nameOf(one, guess), grouped(count), share(truth, count)]), {quiet: true}));
}

function byClass(one) {
  const lines = one.by_class.map(([count, said, right], label) => [
    nameOf(one, label), grouped(count), count ? percent(right / count) : "–", said ? percent(right / said) : "–"]);
  return card("By class", table("How well each class is found", [{name: "Class", wide: true}, {name: "Rows", number: true},
    {name: "Recall", number: true}, {name: "Precision", number: true}], lines, {quiet: true, tall: lines.length > 12}));
}

// Pixels are bytes, by rows, of one or three channels.
function picture(image, text) {
  const canvas = el("canvas", {width: image.width, height: image.height, role: "img", "aria-label": text});
  const raw = atob(image.data);
  const context = canvas.getContext("2d");
  const data = context.createImageData(image.width, image.height);
  for (let i = 0; i < image.width * image.height; ++i) {
    for (let c = 0; c < 3; ++c) {
      data.data[4 * i + c] = raw.charCodeAt(image.channels === 1 ? i : 3 * i + c);
    }
    data.data[4 * i + 3] = 255;
  }
  context.putImageData(data, 0, 0);
  return canvas;
}

function mistakes(one) {
  if (!one.mistakes.length) return null;
  const said = (m) => `${nameOf(one, m.guess)}, ${percent(m.p_guess)} sure`;
  const pictures = one.mistakes.filter((m) => m.image);
  const title = "Worst mistakes";
  if (pictures.length) {
    return card(title, el("div", {class: "mistakes"}, pictures.map((m) => el("figure", {},
      picture(m.image, `Row ${grouped(m.row)}: ${nameOf(one, m.truth)}, taken for ${nameOf(one, m.guess)}`),
      el("figcaption", {}, el("b", {}, nameOf(one, m.guess)), ` ${percent(m.p_guess)}`, el("br"),
         el("span", {class: "muted"}, `is ${nameOf(one, m.truth)}, ${percent(m.p_truth)}`), el("br"),
         el("span", {class: "muted"}, `row ${grouped(m.row)}`))))));
  }
  return card(title, table("Rows that the model was wrong about, and surest of", [{name: "Row", number: true}, {name: "Truth"},
    {name: "Model said"}, {name: "Gave the truth", number: true}, {name: "Input", code: true, wide: true}],
    one.mistakes.map((m) => [grouped(m.row), nameOf(one, m.truth), said(m), percent(m.p_truth), m.text]), {quiet: true}));
}

function classesSection(data) {
  if (!data.classification || !data.classification.length) return null;
  return data.classification.map((one) => {
    const rows = countsOf(one);
    return [
      el("p", {class: "lead"}, (one.output ? `Output ${one.output}: ` : "") +
        `${grouped(one.correct)} of ${plural(one.total, "validation row")} right, ${percent(one.total ? one.correct / one.total : 0)}.` +
        (one.note ? ` ${one.note}` : "")),
      one.count <= 12 ? card("Confusion matrix", tipsOf(smallMatrix(one, rows)))
        : one.count <= 100 ? card("Confusion matrix", largeMatrix(one, rows)) : null,
      el("div", {class: "grid two"}, [confusions(one), byClass(one)].filter(Boolean)),
      mistakes(one)];
  });
}
