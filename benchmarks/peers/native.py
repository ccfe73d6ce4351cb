"""Builds the sides that are C++ programs, into build/peers/native.

They stay out of the project's own build, which needs neither PyTorch's wheel nor dlib.
"""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "peers", "native")


def libtorch():
    """The program's path; RuntimeError says why there is none."""
    found = importlib.util.find_spec("torch")
    if not found:
        raise RuntimeError("PyTorch's wheel, which brings libtorch along, is not installed")
    root = os.path.dirname(found.origin)
    include, lib = os.path.join(root, "include"), os.path.join(root, "lib")

    def flags():
        abi = subprocess.check_output(
            [sys.executable, "-c", "import torch; print(int(torch.compiled_with_cxx11_abi()))"],
            text=True, stderr=subprocess.DEVNULL).strip()
        # Not its CMake package: a wheel for CUDA asks for nvcc there.
        return [f"-D_GLIBCXX_USE_CXX11_ABI={abi}", "-isystem", include,
                "-isystem", os.path.join(include, "torch", "csrc", "api", "include"),
                f"-L{lib}", f"-Wl,-rpath,{lib}", "-ltorch_cpu", "-lc10"]

    return compiled("side_libtorch", importlib.metadata.version("torch") + root, flags)


def dlib():
    """The program's path; RuntimeError says why there is none."""
    # Debian compiled the layers into the library, and they call the BLAS there is. Flags for AVX
    # here would reach none of them, and give dlib's vector types two layouts in one program.
    try:
        program = compiled("side_dlib", "", lambda: ["-ldlib", "-lpthread"])
    except RuntimeError as error:
        if "dlib/dnn.h" in str(error):
            raise RuntimeError("dlib is not installed: apt-get install libdlib-dev "
                               "libopenblas0-pthread") from None
        raise
    linked = subprocess.run(["ldd", program], text=True, capture_output=True, check=False).stdout
    blas = re.search(r"libblas\S* => (\S+)", linked)
    if blas and "/blas/" in os.path.realpath(blas.group(1)):
        raise RuntimeError("only the slow reference BLAS is installed: "
                           "apt-get install libopenblas0-pthread")
    return program


def compiled(name, version, flags):
    """Compiles name.cpp where it or the library's version changed."""
    source = os.path.join(HERE, name + ".cpp")
    program = os.path.join(OUT, name)
    with open(source, encoding="utf-8") as file:
        wanted = f"{version}\n{file.read()}"
    try:
        with open(program + ".stamp", encoding="utf-8") as file:
            if file.read() == wanted and os.path.exists(program):
                return program
    except FileNotFoundError:
        pass
    print(f"bench: compiling {name}", flush=True)
    os.makedirs(OUT, exist_ok=True)
    result = subprocess.run(
        ["g++", "-std=c++20", "-O2", "-DNDEBUG", source, "-o", program, *flags()],
        text=True, capture_output=True, check=False)
    if result.returncode:
        reason = [line for line in result.stderr.splitlines() if "error" in line]
        raise RuntimeError(reason[0] if reason else f"g++ ended with {result.returncode}")
    with open(program + ".stamp", "w", encoding="utf-8") as file:
        file.write(wanted)
    return program
