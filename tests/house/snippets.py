"""The C++ in README.md and docs/*.md compiles.

usage: snippets.py FOLDER ROOT
Writes one source file for each page into the folder. Pieces that define classes and functions stand
there as they are; the others are statements of one function, in the order of the page, in which
`model` and `batches` are there unless the page makes its own. A whole program is compared with the
example that it quotes.
"""
import pathlib
import re
import sys

DEFINITION = re.compile(r"(class|struct|void|History|template)\b(?![^\n(]*=)")


def pieces(text):
    return re.findall(r"^```cpp\n(.*?)^```$", text, re.M | re.S)


def is_definition(piece):
    return DEFINITION.match(piece) is not None


def source_of(page, text):
    outside, inside = [], []
    for piece in pieces(text):
        if "int main()" in piece:
            continue
        piece = re.sub(r"^#include .*\n", "", piece, flags=re.M)
        (outside if is_definition(piece) else inside).append(piece)
    if not outside and not inside:
        return None
    return (
        f"// From {page}.\n#include <stoker/stoker.h>\n\n#include <algorithm>\n#include <fstream>\n#include <system_error>\n\n"
        "using namespace stoker;\n\nnamespace {\n\n"
        + "\n".join(outside)
        + "\n[[maybe_unused]] void page(Model& given, SourceHandle given_batches) {\n"
        "  Model& model = given;\n  SourceHandle batches = given_batches;\n  (void)model;\n  (void)batches;\n  {\n"
        + "\n".join(inside)
        + "  }\n}\n\n}  // namespace\n"
    )


def quoted_programs_differ(root, page, text):
    """Programs on a page that are no example of ours, as messages."""
    examples = {e.name: e.read_text() for e in (root / "examples").glob("*.cpp")}

    def plain(code):
        code = re.sub(r"//[^\n]*", "", code)
        return re.sub(r"\s+", "", code)

    known = {plain(code) for code in examples.values()}
    return [
        f"{page}: a whole program is quoted that is none of examples/*.cpp"
        for piece in pieces(text)
        if "int main()" in piece and plain(piece) not in known
    ]


def main():
    out, root = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    errors = []
    for page in pages:
        text = page.read_text()
        name = page.relative_to(root)
        errors += quoted_programs_differ(root, name, text)
        code = source_of(name, text)
        if code is None:
            continue
        file = out / f"{page.stem}_snippets.cpp"
        if not file.exists() or file.read_text() != code:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(code)
    for error in errors:
        print(error, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
