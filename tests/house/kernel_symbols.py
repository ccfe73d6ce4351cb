"""Fails where the linker could mix up the kernels of different instruction sets.

Two object files may both hold, say, std::vector<float>::push_back, one compiled for the baseline
and one for AVX-512. The linker keeps one of the two for the whole program: it is slow on a new CPU
or an illegal instruction on an old one. So of the symbols that the kernel objects define and other
objects can see,
  - none may be defined for two instruction sets, and
  - each of a set above the baseline must carry the set's name (as stoker::cpu::avx2::exp does), for
    otherwise any object of the library, or of the user's program, may define it as well.

usage: kernel_symbols.py [--nm NM] --isa NAME OBJECT... [--isa NAME OBJECT...]
       kernel_symbols.py --self-test
"""

import collections
import subprocess
import sys

BASELINE = "baseline"
# nm's letters for what a relocatable object defines: strong, weak, unique; code, data, constants.
DEFINED_OUTSIDE = set("TDBRGSCVWui")
# Not ours and not code of an instruction set: what sanitizers and the compiler put into each object.
HARMLESS = ("__odr_asan", "DW.ref.__gxx_personality_v0", "__clang_call_terminate")


def defined_symbols(nm_output: str) -> set[str]:
    symbols = set()
    for line in nm_output.splitlines():
        fields = line.split()
        # "name letter value size", as nm's format `posix` has it
        if len(fields) >= 2 and fields[1] in DEFINED_OUTSIDE and not fields[0].startswith(HARMLESS):
            symbols.add(fields[0])
    return symbols


def violations(symbols_by_isa: dict[str, set[str]]) -> list[str]:
    found = []
    owners = collections.defaultdict(list)
    for isa, symbols in symbols_by_isa.items():
        for symbol in symbols:
            owners[symbol].append(isa)
    for symbol, isas in sorted(owners.items()):
        if len(isas) > 1:
            found.append(f"defined for {' and '.join(isas)}: {symbol}")
        elif isas[0] != BASELINE and isas[0] not in symbol:
            found.append(f"defined for {isas[0]} without its name: {symbol}")
    return found


def run_nm(nm: str, objects: list[str]) -> str:
    command = [nm, "--format=posix", "--defined-only", "--extern-only", *objects]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def demangled(text: str) -> str:
    try:
        return subprocess.run(["c++filt"], input=text, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return text


def self_test() -> None:
    listing = "_ZN6stoker4avx23expEv T 0 10\n_ZSt4move W 0 10\nlocal t 0 1\nmissing U\na.o:\n"
    assert defined_symbols(listing) == {"_ZN6stoker4avx23expEv", "_ZSt4move"}
    assert violations({"baseline": {"f_baseline", "inline_of_baseline"}, "avx2": {"f_avx2"}}) == []
    shared = violations({"baseline": {"_ZSt4move"}, "avx2": {"_ZSt4move"}})
    assert shared == ["defined for baseline and avx2: _ZSt4move"], shared
    unnamed = violations({"baseline": set(), "avx512": {"_ZSt4move"}})
    assert unnamed == ["defined for avx512 without its name: _ZSt4move"], unnamed


def main(arguments: list[str]) -> int:
    if arguments == ["--self-test"]:
        self_test()
        return 0
    nm = "nm"
    objects_by_isa: dict[str, list[str]] = {}
    isa = ""
    while arguments:
        argument = arguments.pop(0)
        if argument == "--nm":
            nm = arguments.pop(0)
        elif argument == "--isa":
            isa = arguments.pop(0)
            objects_by_isa[isa] = []
        else:
            objects_by_isa[isa].append(argument)

    symbols_by_isa = {
        isa: defined_symbols(run_nm(nm, objects)) for isa, objects in objects_by_isa.items()
    }
    for isa, symbols in symbols_by_isa.items():
        print(f"{isa}: {len(objects_by_isa[isa])} objects define {len(symbols)} visible symbols")
        if not symbols:
            print(f"{isa}: expected at least one; is nm reading the right files?")
            return 1
    found = violations(symbols_by_isa)
    if found:
        print(demangled("\n".join(found)))
        print(
            f"{len(found)} symbols the linker may take from the wrong instruction set. Keep "
            "templates and inline functions of std and of src/ out of kernels/, or put them into "
            "the namespace STOKER_ISA."
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
