"""What pip installs is all of the project."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [
        ".".join(file.parent.relative_to(ROOT).parts)
        for top in ("engine", "games", "trainer")
        for file in (ROOT / top).rglob("__init__.py")
    ]
    assert sorted(listed) == sorted(found)
