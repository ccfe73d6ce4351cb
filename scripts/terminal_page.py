"""A terminal's screen as a page of HTML.

usage: terminal_page.py SCREEN PAGE
SCREEN is what `tmux capture-pane -e -p` prints: lines of text with escape sequences for colours.
"""
import html
import pathlib
import re
import sys

COLOURS = {30: "#45475a", 31: "#f38ba8", 32: "#a6e3a1", 33: "#f9e2af", 34: "#89b4fa",
           35: "#f5c2e7", 36: "#94e2d5", 37: "#bac2de", 90: "#7f849c"}
PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>terminal</title>
<style>body{{margin:0;background:#1e1e2e}}
pre{{margin:0;padding:18px 22px;color:#cdd6f4;font:16px/20px "DejaVu Sans Mono",monospace}}
i{{display:inline-block;width:1ch;font-style:normal}}</style><pre>{0}</pre>
"""


class Style:
    def __init__(self):
        self.colour, self.bold, self.dim, self.reverse = None, False, False, False

    def apply(self, codes):
        # Colours outside the basic eight (38;5;n and 38;2;r;g;b) are shown as the terminal's own text.
        plain = re.sub(r"[34]8;(?:5;\d+|2;\d+;\d+;\d+)", "39", codes)
        for code in (int(part or 0) for part in plain.split(";")):
            if code == 0:
                self.__init__()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 7:
                self.reverse = True
            elif code == 22:
                self.bold = self.dim = False
            elif code == 27:
                self.reverse = False
            elif code == 39:
                self.colour = None
            elif code in COLOURS:
                self.colour = COLOURS[code]

    def css(self):
        parts = []
        if self.reverse:
            parts.append(f"background:{self.colour or '#cdd6f4'};color:#1e1e2e")
        elif self.colour:
            parts.append(f"color:{self.colour}")
        if self.bold:
            parts.append("font-weight:700")
        if self.dim:
            parts.append("opacity:.6")
        return ";".join(parts)


def page_of(screen):
    style, lines = Style(), []
    for line in screen.rstrip("\n").split("\n"):
        pieces = []
        for codes, text in re.findall(r"\x1b\[([0-9;]*)m|((?:(?!\x1b\[).)+)", line):
            if not text:
                style.apply(codes)
                continue
            text = html.escape(re.sub(r"\x1b\(.|[\x00-\x1f]", "", text))
            # Braille comes from another font, whose characters are wider.
            text = re.sub("[\u2800-\u28ff]", r"<i>\g<0></i>", text)
            pieces.append(f'<span style="{style.css()}">{text}</span>' if style.css() else text)
        lines.append("".join(pieces))
    return PAGE.format("\n".join(lines))


def main():
    screen, page = map(pathlib.Path, sys.argv[1:3])
    page.write_text(page_of(screen.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
