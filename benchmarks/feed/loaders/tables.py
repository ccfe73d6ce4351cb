"""The tables of the comparison of loaders, in Markdown."""

import statistics

UNITS = {"jpeg": "images/s", "png": "images/s", "elements": "batches/s", "map": "batches/s",
         "generator": "ms a step", "memory": "MB"}
TITLES = {
    "jpeg": "JPEG files, decoded, resized to 224×224, flipped at random, in batches of 32",
    "png": "PNG files, decoded, resized to 224×224, flipped at random, in batches of 32",
    "elements": "Small elements in memory: (28, 28, 1) float32, shuffled, in batches of 128",
    "map": "Small elements through `map`, divided by 255",
    "generator": "A generator of 2 ms beside a consumer of 2 ms, both busy",
    "memory": "Peak memory of an epoch of JPEG files"}


def is_rate(row):
    return row in ("jpeg", "png", "elements", "map")


def counted(row):
    return "rows" if row in ("jpeg", "png") else "batches"


def figure(row, answer):
    if row == "generator":
        return 1e3 * answer["seconds"] / answer["batches"]
    return answer[counted(row)] / answer["seconds"]


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"


def best_peer(row, entries):
    values = [entry["median"] for entry in entries if entry["peer"] and "median" in entry]
    return (max if is_rate(row) else min)(values) if values else None


def ranked(row, entries):
    return sorted(entries, key=lambda entry: (
        "median" not in entry, (-1 if is_rate(row) else 1) * entry.get("median", 0)))


def memory_lines(entries):
    yield "| side | setting | peak | imported | above it | max RSS of the process | against the " \
          "least peer |"
    yield "|---|---|---|---|---|---|---|"
    least = min((entry["above"] for entry in entries if entry["peer"] and "above" in entry),
                default=None)
    for entry in sorted(entries, key=lambda entry: entry.get("above", 1e9)):
        if "error" in entry:
            yield f"| {entry['side']} | {entry['error']} | | | | | |"
            continue
        share = f"{entry['above'] / least:.2f}" if least else ""
        yield (f"| {entry['side']} | {entry['setting']} | {number(entry['median'])} | "
               f"{number(entry['imported'])} | {number(entry['above'])} | "
               f"{number(entry['max_rss'])} | {share} |")


def lines(row, entries):
    best = best_peer(row, entries)
    each = "an image" if counted(row) == "rows" else "a batch"
    yield f"| side | setting | output | {UNITS[row]}: median | of all rounds | of the fastest " \
          f"peer's | CPU ms {each} |"
    yield "|---|---|---|---|---|---|---|"
    for entry in ranked(row, entries):
        if "error" in entry:
            yield f"| {entry['side']} | {entry['error']} | | | | | |"
            continue
        share = f"{entry['median'] / best:.2f}" if best else ""
        yield (f"| {entry['side']} | {entry['setting']} | {entry['output']} | "
               f"{number(entry['median'])} | {number(min(entry['values']))} to "
               f"{number(max(entry['values']))} | {share} | {number(entry['cpu_ms'])} |")


def ideal_line(entries):
    ideal = next((entry for entry in entries if entry["side"] == "ideal" and "values" in entry),
                 None)
    if ideal is None:
        return []
    told = []
    for entry in ranked("generator", entries):
        if "values" in entry and entry is not ideal:
            ratios = [own / best for own, best in zip(entry["values"], ideal["values"])]
            told.append(f"{entry['side']} {statistics.median(ratios):.2f}")
    return ["", "Against the ideal of the same round, medians: " + ", ".join(told) + "."]


def table(row, entries, section):
    found = [f"### {TITLES[row]}", ""]
    found += memory_lines(entries) if row == "memory" else lines(row, entries)
    if row == "generator":
        found += ideal_line(entries)
    rounds = f"{section['rounds']} rounds in turn, " if row != "memory" else ""
    found += ["", f"{rounds}{section['images']} images or elements, seed {section['seed']}; other "
              f"work took {section['cores_of_others']} of the {section['machine']['cores']} cores; "
              f"{section['seconds']:.0f} s, {section['date']}, {section['machine']['cpu']}."]
    return "\n".join(found) + "\n"


def document(result, rows):
    done = [row for row in rows if row in result["sections"]]
    parts = [table(row, [entry for entry in result["rows"] if entry["row"] == row],
                   result["sections"][row]) for row in done]
    last = result["sections"][done[-1]]
    versions = ", ".join(f"{name} {version or 'missing'}"
                         for name, version in last["versions"].items())
    return "\n".join(parts) + f"\nVersions: {versions}.\n"
