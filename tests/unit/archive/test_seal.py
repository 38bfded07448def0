"""A finished version is recognized as what a configuration makes, or not."""

import json

import pytest

from qr import provenance
from qr.archive import manifest, seal
from qr.config import load, precision
from qr.config.settings import overlay
from qr.errors import ResultsError
from support.paths import ROOT


def seal_as(config, folder):
    """Write the part of a manifest that is looked at."""
    origin = manifest.origin(config) | {"code_sha256": manifest.code_digests(config)}
    manifest.write(origin, folder / seal.NAME)


def test_a_version_is_that_of_its_configuration_wherever_its_clone_lies(tmp_path, monkeypatch):
    """A run's own configuration names its files absolutely, Snakemake's as the user wrote them."""
    own = {"plugins": ["own.py"], "resources": {"speed": "speed.csv"}}
    config = overlay(load.load(ROOT / "config.yaml"), own)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").touch()
    load.write(config, "runs/paper/config.yaml")
    seal_as(load.load("runs/paper/config.yaml"), tmp_path)
    assert str(tmp_path) not in (tmp_path / seal.NAME).read_text()
    seal.check_same(tmp_path, config)
    with pytest.raises(ResultsError, match=r"another configuration \(plugins\)"):
        seal.check_same(tmp_path, overlay(config, {"plugins": []}))


def test_what_differs_is_named(tmp_path, monkeypatch):
    config = load.load(ROOT / "config.yaml")
    seal_as(config, tmp_path)
    changed = overlay(config, {"predictive": {"training": {"steps": 7}}, "seeds": [4]})
    with pytest.raises(ResultsError, match=r"\(seeds, predictive\.training\.steps\)\."):
        seal.check_same(tmp_path, changed)
    sealed = json.loads((tmp_path / seal.NAME).read_text())
    sealed["code_sha256"]["decode"] = "0" * 64  # of a qr with another decoding
    (tmp_path / seal.NAME).write_text(json.dumps(sealed))
    with pytest.raises(ResultsError, match=r"made with another code \(decode\)\."):
        seal.check_same(tmp_path, config)
    seal_as(config, tmp_path)
    monkeypatch.setattr(provenance, "git_commit", lambda: ("c0ffee", "other"))
    with pytest.raises(ResultsError, match=r"another commit \(\w+\), another state of the work"):
        seal.check_same(tmp_path, config)


def test_what_is_drawn_again_answers_what_was_asked(tmp_path):
    config = load.load(ROOT / "config.yaml")
    seal_as(config, tmp_path)
    for step in ("figures", "tables", "report"):
        seal.check_drawing(step, tmp_path, overlay(config, {"seeds": [4]}))
    other = overlay(config, {"statistics": {"endpoint": {"over": ["baseline"]}}})
    seal.check_drawing("figures", tmp_path, other)  # which do not show it
    for step in ("tables", "report"):
        with pytest.raises(ResultsError, match=r"another statistics\.endpoint\.over:"):
            seal.check_drawing(step, tmp_path, other)
    older = overlay(config, {})
    del older["statistics"]["endpoint"]["over"]
    seal_as(older, tmp_path)
    seal.check_drawing("tables", tmp_path, other)
    with pytest.raises(ResultsError, match=r"another statistics\.seed:"):
        seal.check_drawing("tables", tmp_path, overlay(config, {"statistics": {"seed": 9}}))


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
    seal_as(config, tmp_path)
    seal.check_same(tmp_path, precision.resolve(said, [seal.configuration(tmp_path)]))
