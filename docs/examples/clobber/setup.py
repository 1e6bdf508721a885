"""Build the extension; metadata is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

setup(
    ext_modules=cythonize(
        Extension("clobber", ["clobber.pyx"], extra_compile_args=["-O3"]),
        compiler_directives={"cdivision": True},  # C's own // and %: actions are not negative
    )
)
