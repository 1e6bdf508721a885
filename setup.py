"""Build the Cython extensions.

Metadata is in pyproject.toml. ``ENGINE_DEBUG=1`` builds the debug flavour: bounds checks,
asserts, annotated HTML. A change of flavour rebuilds everything (see `flavour_changed`).
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
DEBUG = os.environ.get("ENGINE_DEBUG", "0") not in ("", "0")
STAMP = ROOT / "build" / "flavour"

DIRECTIVES = {
    "language_level": 3,
    "embedsignature": True,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "freethreading_compatible": False,
}
# No -march: a wheel must run anywhere. -ffp-contract=off: the same sums on every machine.
# -g and emit_linenums: py-spy shows .pyx lines even after the generated C is gone.
COMPILE_ARGS = ["-O3", "-g", "-fno-omit-frame-pointer", "-ffp-contract=off"]
MACROS = [] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")]


def flavour_changed() -> bool:
    """True if the tree was last built in the other flavour; remembers this one."""
    flavour = "debug" if DEBUG else "release"
    changed = STAMP.exists() and STAMP.read_text() != flavour
    STAMP.parent.mkdir(exist_ok=True)
    STAMP.write_text(flavour)
    info = f'"""Written by setup.py."""\n\nDEBUG = {DEBUG}\n'
    target = ROOT / "engine" / "build_info.py"
    if not target.exists() or target.read_text() != info:
        target.write_text(info)
    return changed


def extensions() -> list[Extension]:
    """One extension for each .pyx of the packages."""
    sources = sorted(p for top in ("games", "engine") for p in (ROOT / top).rglob("*.pyx"))
    if not sources:
        sys.exit("setup.py: no .pyx files beside it; the source distribution is incomplete")
    headers = sorted(
        str(p.relative_to(ROOT)) for top in ("games", "engine") for p in (ROOT / top).rglob("*.pxd")
    )
    result = []
    for path in sources:
        relative = path.relative_to(ROOT)
        result.append(
            Extension(
                ".".join(relative.with_suffix("").parts),
                [str(relative)],
                depends=headers,
                define_macros=MACROS,
                extra_compile_args=COMPILE_ARGS,
            )
        )
    return result


os.chdir(ROOT)
setup(
    ext_modules=cythonize(
        extensions(),
        compiler_directives=DIRECTIVES,
        annotate=DEBUG,
        emit_linenums=True,
        force=flavour_changed(),
        nthreads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
    )
)
