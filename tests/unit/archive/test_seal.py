"""A finished version is recognized as what a configuration makes, or not."""

import pytest

from qr.archive import manifest, seal
from qr.config import load, precision
from qr.config.settings import overlay
from qr.errors import ResultsError
from support.paths import ROOT


def test_a_version_is_that_of_its_configuration_wherever_its_clone_lies(tmp_path, monkeypatch):
    """A run's own configuration names its files absolutely, Snakemake's as the user wrote them."""
    own = {"plugins": ["own.py"], "resources": {"speed": "speed.csv"}}
    config = overlay(load.load(ROOT / "config.yaml"), own)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").touch()
    load.write(config, "runs/paper/config.yaml")
    manifest.write(manifest.origin(load.load("runs/paper/config.yaml")), tmp_path / seal.NAME)
    assert str(tmp_path) not in (tmp_path / seal.NAME).read_text()
    seal.check_same(tmp_path, config)
    with pytest.raises(ResultsError, match="another config_sha256"):
        seal.check_same(tmp_path, overlay(config, {"plugins": []}))


def test_what_is_no_manifest_seals_nothing(tmp_path):
    for content in ("[]", "{}", '{"config": []}'):
        (tmp_path / seal.NAME).write_text(content)
        with pytest.raises(ResultsError, match="no manifest of a version"):
            seal.configuration(tmp_path)


@pytest.mark.parametrize("made", ["32-true", "bf16-mixed"])
def test_a_version_keeps_the_precision_that_it_was_made_in(tmp_path, made):
    said = overlay(load.load(ROOT / "config.yaml"), {"engine": {"precision": "auto"}})
    assert seal.configuration(tmp_path) == {}
    config = overlay(said, {"engine": {"precision": made}})
    manifest.write(manifest.origin(config), tmp_path / seal.NAME)
    seal.check_same(tmp_path, precision.resolve(said, [seal.configuration(tmp_path)]))
