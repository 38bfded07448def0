"""Versions that were finished in parts, as one."""

import json

import pandas as pd
import pytest

from qr.analyse.metrics import Metrics
from qr.archive import manifest
from qr.archive.join import join
from qr.config import load, settings
from qr.decoders.variants import is_bound
from qr.errors import ResultsError
from qr.measure.elsewhere import add
from support.metrics import write_metrics
from support.paths import ROOT

MODELS = ("bmshj2018-hyperprior", "mbt2018")


def part(folder, models, code="a", qualities=(1, 2, 3, 4), **changes):
    """A finished version of MODELS, explored everywhere; timed and shown at its highest quality."""
    for model in models:
        picture = folder / "pictures" / f"{model}_mse_q{max(qualities)}" / "qr.png"
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"picture")
    for path in write_metrics(folder / "metrics", models=MODELS).glob("*.csv"):
        rows = pd.read_csv(path, dtype=str, keep_default_na=False)
        if path.name == "runtime.csv":
            rows["quality"] = str(max(qualities))
        if path.name == "exploration.csv":
            rows = pd.concat([rows.assign(quality=str(q)) for q in qualities])
        if "model" in rows:
            mine = rows["model"].isin(models) & rows["quality"].isin(map(str, qualities))
            rows[mine].to_csv(path, index=False)
    config = load.load(ROOT / "config.yaml")
    config["models"] = {
        name: {"qualities": list(qualities) if name in models else [], "N": None, "M": None}
        for name in MODELS
    }
    config = settings.overlay(config, {"version": folder.name} | changes)
    sealed = manifest.origin(config) | {
        "packages": {"torch": "2"}, "machine": {}, "data_sha256": {"test": {"images": 24}},
        "code_sha256": {"predictive": code},
        "steps": {"soft": {"jobs": 4, "wall_seconds": 1.5, "max_rss_mib": len(models) * 100.0}},
    }  # fmt: skip
    manifest.write(sealed, folder / "manifest.json")
    return folder


def joined_of(parts, tmp_path):
    return join(parts, tmp_path / "joined", "joined")


def pictures(version):
    return {str(path.relative_to(version)) for path in version.glob("pictures/*/*")}


@pytest.fixture
def parts(tmp_path):
    return [part(tmp_path / f"part-{k}", [model]) for k, model in enumerate(MODELS)]


@pytest.fixture
def parts_by_quality(tmp_path):
    return [part(tmp_path / f"q-{k}", MODELS, qualities=q) for k, q in enumerate([[1, 2], [3, 4]])]


@pytest.mark.parametrize("divided", ["parts", "parts_by_quality"])
def test_the_whole_is_what_one_run_of_all_would_have_written(divided, request, tmp_path):
    parts = request.getfixturevalue(divided)
    whole = part(tmp_path / "at-once", MODELS)
    joined = joined_of(parts, tmp_path)
    for name in ("images", "summary", "exploration", "training", "runtime", "anchors"):
        pd.testing.assert_frame_equal(
            getattr(Metrics(tmp_path / "joined" / "metrics"), name),
            getattr(Metrics(whole / "metrics"), name),
        )
    assert pictures(tmp_path / "joined") == pictures(whole)
    at_once = json.loads((whole / "manifest.json").read_text())
    assert joined["config"]["models"] == at_once["config"]["models"]
    assert joined["version"] == joined["config"]["version"] == "joined"
    assert [p["version"] for p in joined["parts"]] == [part.name for part in parts]


def test_codecs_that_users_added_are_joined_the_first_ones_of_a_name(parts, tmp_path):
    theirs = {"both": [0.1, 0.2], "alone": [0.3]}
    for part, shift in zip(parts, (0, 1), strict=True):
        for name, rates in theirs.items():
            path = tmp_path / "theirs.json"
            bpp = [rate + shift for rate in rates]
            path.write_text(json.dumps({"results": {"bpp": bpp, "psnr-rgb": [30] * len(bpp)}}))
            add(path, part / "metrics", "mse", name if name == "both" else f"{name}-{shift}")
    joined_of(parts, tmp_path)
    rows = Metrics(tmp_path / "joined" / "metrics").others
    assert rows.groupby("codec")["bpp"].apply(list).to_dict() == {
        "both": [0.1, 0.2], "alone-0": [0.3], "alone-1": [1.3],
    }  # fmt: skip


def test_the_work_of_all_parts_is_added_up(parts, tmp_path):
    joined = joined_of(parts, tmp_path)
    assert joined["steps"]["soft"] == {"jobs": 8, "wall_seconds": 3.0, "max_rss_mib": 100.0}


def test_further_test_sets_are_joined_each_for_itself(works, tmp_path):
    roles = {"test": [{"source": "kodak"}, {"source": "flickr"}]}
    parts = []
    for k, model in enumerate(MODELS):
        folder = part(tmp_path / f"part-{k}", [model], data={"roles": roles})
        other = part(tmp_path / f"other-{k}", [model])
        (folder / "sets").mkdir()
        (other / "metrics").rename(folder / "sets" / "flickr-metrics")
        (folder / "sets" / "flickr").mkdir()
        (folder / "sets" / "flickr-metrics").rename(folder / "sets" / "flickr" / "metrics")
        parts.append(folder)
    works("join", *parts, "--out", tmp_path / "joined")
    other = tmp_path / "joined" / "sets" / "flickr"
    assert set(Metrics(other / "metrics").images["model"]) == set(MODELS)
    assert (other / "figures" / "rd_psnr.png").stat().st_size > 1000
    assert (other / "tables" / "claims.md").stat().st_size > 1000


def test_the_command_draws_and_seals_it(works, parts, tmp_path):
    out = tmp_path / "joined"
    works("join", *parts, "--out", out)
    for name in ("figures/rd_psnr.png", "tables/gains.md", "compressai", "manifest.json"):
        assert (out / name).exists(), name


def test_nothing_that_is_there_is_overwritten(refused, parts, tmp_path):
    mine = tmp_path / "joined" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    refused("join", *parts, "--out", mine.parent, says=["joined is there already"])
    assert [path.name for path in mine.parent.iterdir()] == ["mine.txt"]


def test_a_join_that_fails_leaves_nothing_that_blocks_the_next(refused, parts, tmp_path):
    _change_anchors(parts[1], bytes=lambda column: column + 1)
    refused("join", *parts, "--out", tmp_path / "joined", says=["part-1", "its anchors"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part-0", "part-1"]


def test_parts_that_were_sealed_before_a_key_existed_are_joined(parts, tmp_path):
    for folder in parts:
        path = folder / "manifest.json"
        sealed = json.loads(path.read_text())
        del sealed["config"]["engine"]["device_cache_mb"], sealed["config"]["resources"]
        path.write_text(json.dumps(sealed))
    joined_of(parts, tmp_path)


def test_parts_of_other_machines_are_joined(tmp_path):
    """Images that lie elsewhere, more workers, other limits; and the last digits of a measure."""
    first = part(tmp_path / "first", MODELS[:1])
    other = part(
        tmp_path / "other",
        MODELS[1:],
        engine={"workers": 7},
        resources={"speed": "speed.csv"},
        data={"sources": {"kodak": {"folder": "elsewhere"}}},
    )
    _change_anchors(other, ms_ssim=lambda column: column + 1e-6)
    joined_of([first, other], tmp_path)
    assert (tmp_path / "joined/metrics/anchors.csv").read_text() == (
        first / "metrics/anchors.csv"
    ).read_text()


@pytest.mark.parametrize(
    "change", [{"bytes": lambda column: column + 1}, {"psnr_db": lambda column: column + 0.1}]
)
def test_parts_with_other_anchors_are_refused(parts, tmp_path, change):
    _change_anchors(parts[1], **change)
    with pytest.raises(ResultsError, match="part-1 cannot be joined: its anchors"):
        joined_of(parts, tmp_path)


def _change_anchors(folder, **change):
    path = folder / "metrics" / "anchors.csv"
    pd.read_csv(path).assign(**{k: lambda t, k=k, f=f: f(t[k]) for k, f in change.items()}).to_csv(
        path, index=False
    )


def test_the_plugins_of_the_parts_are_loaded(tmp_path):
    """Else a bound of theirs would be ranked among decoders."""
    plugin = tmp_path / "bound.py"
    plugin.write_text(
        "from qr.decoders.variants import Variant, register_variant\n"
        'register_variant(Variant("my-bound", oracle=True))\n'
    )
    parts = [
        part(tmp_path / f"part-{k}", [model], plugins=[str(plugin)])
        for k, model in enumerate(MODELS)
    ]
    assert not is_bound("my-bound")
    joined_of(parts, tmp_path)
    assert is_bound("my-bound")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"models": ["bmshj2018-hyperprior"]}, "quality 1 of bmshj2018-hyperprior .* twice"),
        ({"models": MODELS, "qualities": [4]}, "quality 4 of bmshj2018-hyperprior .* twice"),
        (
            {"models": MODELS, "qualities": [5], "explore": {"qualities": [4]}},
            "explore.qualities is not 'all'",
        ),
        ({"models": ["mbt2018"], "code": "b"}, "other code than .*: predictive"),
        (
            {"models": ["mbt2018"], "predictive": {"training": {"steps": 7}}},
            "configuration .*: predictive.training.steps$",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, changes, named):
    models, explore = changes.pop("models"), {"explore": changes.get("explore", {})}
    first = part(tmp_path / "first", MODELS[:1], **explore)
    other = part(tmp_path / "other", models, **changes)
    with pytest.raises(ResultsError, match=named):
        joined_of([first, other], tmp_path)


def test_an_unfinished_part_is_named(parts, tmp_path):
    (parts[1] / "manifest.json").unlink()
    with pytest.raises(ResultsError, match="part-1 is no finished version"):
        joined_of(parts, tmp_path)
    (parts[1] / "manifest.json").write_text("{}")
    with pytest.raises(ResultsError, match="part-1 is no finished version"):
        joined_of(parts, tmp_path)


@pytest.mark.parametrize("broken", [{"data": None}, {"models": ["mbt2018"]}, {"models": {"a": []}}])
def test_a_part_whose_configuration_is_none_is_named(parts, tmp_path, broken):
    path = parts[0] / "manifest.json"
    sealed = json.loads(path.read_text())
    path.write_text(json.dumps(sealed | {"config": sealed["config"] | broken}))
    with pytest.raises(ResultsError, match=r"part-0.*has a config of which no version is made"):
        joined_of(parts, tmp_path)


def test_a_name_that_no_configuration_can_have_is_refused(refused, parts, tmp_path):
    out = tmp_path / "my version"
    refused("join", *parts, "--out", out, says=["version", "'my version'"])
    assert not out.exists()
