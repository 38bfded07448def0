"""A disk that is full."""

import pytest


def fill(folder):
    """Leave no byte free on the disk of `folder`; returns the file to delete."""
    path = folder / "ballast"
    with open(path, "wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    return path
