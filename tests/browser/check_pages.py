"""Opens reports of trainings in headless Chromium and checks what people would see.

usage: check_pages.py CHROMIUM STOKER_REPORT_PAGES FOLDER

Each page is opened without a network at 400 and 1,600 pixels, light and dark: nothing may be
wider than the window, all text has a contrast of 4.5:1 or more, the console is silent, charts and
tables have names, and keys and pointers do what they should (check.js). Each is printed once.
"""

import html
import json
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
WIDTHS = (400, 1600)
MARKUP = "<script>alert(1)</script>"
# What each page has: sections, and words.
PAGES = {
    "classes.html": (6, [MARKUP, "Trouser", "Worst mistakes", "What if"]),
    "many_classes.html": (6, ["Confusion matrix", "The last batches"]),
    "regression.html": (4, ["validation", "learning_rate"]),
    "failure.html": (4, [MARKUP, "Failed", "Batches, one by one"]),
    "odd.html": (2, ["not finite", "Show 24 more"]),
    "empty.html": (0, ["Finished"]),
}


def chromium(program: str, folder: pathlib.Path, page: pathlib.Path, *options: str):
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
        "--virtual-time-budget=20000", *options, page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def with_check(text: str, expected: dict) -> str:
    """Returns the page with check.js, which runs when everything has been drawn."""
    watch = "<script>window.alert = () => { window.alerted = true; };</script>"
    escaped = json.dumps(expected).replace("<", "\\u003c")
    check = f"<script>const EXPECTED = {escaped};\n{(HERE / 'check.js').read_text()}</script>"
    return text.replace("<head>", "<head>" + watch).replace("</body>", check + "</body>")


# A window has at least 500 pixels, a frame in it has as many as one wants.
FRAME = """<!DOCTYPE html><html><body style="margin: 0">
<iframe style="border: 0; width: {width}px; height: 1200px" src="{page}"></iframe>
<script>addEventListener("message", (event) => {{
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = event.data;
  document.body.append(result);
}});</script></body></html>"""


def console_of(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if ":CONSOLE" in line]


def check(program: str, folder: pathlib.Path, name: str) -> list[str]:
    sections, words = PAGES[name]
    text = (folder / name).read_text()
    # Those of the page's own and the one that is added below; the first one lies in the head.
    scripts = len(re.findall(r"<script>", text)) + 1
    faults = []
    for width in WIDTHS:
        for dark in (False, True):
            where = f"{name}, {width} pixels, {'dark' if dark else 'light'}"
            copy = folder / f"checked-{name}"
            copy.write_text(with_check(text, {"width": width, "dark": dark, "scripts": scripts,
                                              "words": words, "sections": sections}))
            frame = folder / "frame.html"
            frame.write_text(FRAME.format(width=width, page=copy.name))
            run = chromium(program, folder, frame, "--dump-dom",
                           f"--window-size={max(width, 500)},1200",
                           f"--blink-settings=preferredColorScheme={0 if dark else 1}")
            found = re.search(r'<pre id="result">(.*?)</pre>', run.stdout, re.DOTALL)
            faults += [f"{where}: {line}" for line in console_of(run.stderr)]
            if not found:
                faults.append(f"{where}: the page did not answer\n{run.stderr[-2000:]}")
                continue
            result = json.loads(html.unescape(found.group(1)))
            faults += [f"{where}: {fault}" for fault in result["faults"]]
            print(f"{where}: {result['texts']} texts, lowest contrast {result['lowest']:.2f}, "
                  f"{result['charts']} charts")
    paper = folder / f"{name}.pdf"
    paper.unlink(missing_ok=True)
    run = chromium(program, folder, folder / name, f"--print-to-pdf={paper}")
    if not paper.exists() or paper.stat().st_size < 5000 or console_of(run.stderr):
        faults.append(f"{name}: it can't be printed\n{run.stderr[-2000:]}")
    return faults


def main() -> int:
    program, pages = sys.argv[1], sys.argv[2]
    folder = pathlib.Path(sys.argv[3]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([pages, str(folder)], check=True)
    faults = []
    for name in PAGES:
        faults += check(program, folder, name)
    for fault in faults:
        print("FAILED:", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
