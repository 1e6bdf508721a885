"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the larger reference data, which is not part of the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("RINGZERO_SHARED_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no reference data in {path}; RINGZERO_SHARED_DATA can say where it is")
    return path
