"""Copies of the repository to run the workflow in."""

import pytest

from support.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path / "clone")


@pytest.fixture(scope="module")
def shared_workspace(tmp_path_factory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("shared") / "clone")
