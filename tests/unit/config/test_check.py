"""The configuration: what is shipped loads, what is wrong is named."""

import copy
import json

import pytest
import yaml

from qr.codecs.catalogue import CodecId
from qr.config import grid, load, plugins
from qr.config.settings import differing, digest, of_soft_phase, overlay
from qr.errors import ConfigError
from support.paths import ROOT

BASE = ROOT / "config.yaml"
TIERS = sorted((ROOT / "workflow" / "tiers").glob("*.yaml"))


@pytest.fixture
def base():
    return load.load(BASE)


@pytest.mark.parametrize("tier", [None, *TIERS], ids=lambda t: t.stem if t else "paper")
def test_every_shipped_configuration_loads(tier):
    loaded = load.load(*([BASE] if tier is None else [BASE, tier]))
    assert len(list(grid.codecs(loaded))) > 0
    if tier is not None:
        assert loaded["version"] != load.load(BASE)["version"]


@pytest.mark.parametrize("version", ["cpu-v2-long", "cpu-v2-points"])
def test_a_small_study_beside_the_second_one_has_the_configuration_that_is_shipped(version):
    overlay = ROOT / "workflow/tiers" / version.replace("v2-", "v2/")
    shipped = load.load(BASE, ROOT / "workflow/tiers/cpu-v2.yaml", overlay.with_suffix(".yaml"))
    sealed = json.loads((ROOT / "results" / version / "manifest.json").read_text())["config"]
    folders = {f"data.sources.{name}.folder" for name in shipped["data"]["sources"]}
    assert set(differing(shipped, sealed)) <= folders


def test_there_is_a_smoke_tier():
    assert "smoke" in [tier.stem for tier in TIERS]


def mappings(value, path=()):
    """Every mapping of a configuration by its path, the outermost first."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))


def put(value, path, key, new):
    value = copy.deepcopy(value)
    inner = value
    for part in path:
        inner = inner[part]
    inner[key] = new
    return value


# Below these, keys are names of the user's.
FREE = {("models",), ("data", "sources")}
LEVELS = [path for path in mappings(yaml.safe_load(BASE.read_text())) if path not in FREE]


@pytest.mark.parametrize("path", LEVELS, ids=lambda path: ".".join(map(str, path)) or "top")
def test_an_unknown_key_is_named_at_every_level(base, path):
    with pytest.raises(ConfigError, match="'mistyped' was unexpected") as caught:
        load.accept(put(base, path, "mistyped", 1))
    assert ".".join(map(str, path)) in str(caught.value)


@pytest.mark.parametrize("key", sorted(yaml.safe_load(BASE.read_text())))
def test_a_missing_key_is_named(base, key):
    del base[key]
    with pytest.raises(ConfigError, match=f"no whole configuration, without {key}\\. "):
        load.accept(base)


WRONG = [
    (("models", "mbt2018"), "qualities", [9], "models.mbt2018.qualities"),
    (("models", "mbt2018"), "qualities", [0], "models.mbt2018.qualities"),
    (("models", "mbt2018"), "qualities", [1, 1], "models.mbt2018.qualities"),
    (("models", "mbt2018"), "qualities", [1.5], "models.mbt2018.qualities"),
    (("models", "mbt2018"), "qualities", [3.0], "models.mbt2018.qualities"),
    ((), "seeds", [2**63], "seeds"),
    (("statistics",), "bootstrap", 10**9, "statistics.bootstrap"),
    (("engine",), "workers", 10**9, "engine.workers"),
    (("training",), "batch_size", 8.0, "training.batch_size"),
    (("training",), "learning_rate", float("nan"), "training.learning_rate.*finite"),
    (("training",), "clip_grad_norm", float("inf"), "training.clip_grad_norm.*finite"),
    ((), "version", "mine\n", "version: .*line break"),
    ((), "version", 101 * "x", "version: .*too long"),
    (("anchors",), "webp", [10, 101], "anchors.webp"),
    (("anchors",), "jpeg2000", [0.5], "anchors.jpeg2000"),
    (("statistics", "endpoint"), "over", ["decoder", "qr"], "statistics.endpoint: .*with itself"),
    (("explore", "alpha"), "min", 1e9, "explore.alpha: start is below min"),
    ((), "variants", ["baseline", "qr\n"], "variants.1: .*line break"),
    (("models", "cheng2020-attn"), "qualities", [7], "models.cheng2020-attn.qualities"),
    (("models", "mbt2018"), "N", "wide", "models.mbt2018.N"),
    (("models",), "elic", {"qualities": [1]}, "elic"),
    ((), "metrics", ["psnr"], "psnr"),
    ((), "metrics", [], "metrics"),
    ((), "variants", ["baseline", "no-such"], "no-such"),
    ((), "variants", ["qr"], "variants"),
    (("explore",), "variants", ["qr", "no-such"], "explore.variants.*no-such"),
    (("explore",), "strategy", "guess", "explore.strategy"),
    (("explore", "alpha"), "factor", 1.5, "explore.alpha.factor"),
    ((), "seeds", [], "seeds"),
    ((), "seeds", [-1], "seeds"),
    ((), "version", "../elsewhere", "version"),
    (("engine",), "precision", "16-mixed", "engine.precision"),
    (("engine",), "devices", 0, "engine.devices"),
    (("rectifier",), "width", 12, "rectifier.width"),
    (("rectifier",), "distance", "l3", "rectifier.distance"),
    (("training",), "crop", 100, "training.crop"),
    (("training",), "learning_rate", 0, "training.learning_rate"),
    (("training",), "learning_rate", "1e-4", "training.learning_rate"),
    (("training", "soap"), "refresh", 0, "training.soap.refresh"),
    (("training", "soap"), "refresh", 2.5, "training.soap.refresh"),
    (("baseline",), "source", "guess", "baseline.source"),
    (("soft",), "codec", "thawed", "soft.codec"),
    (("data", "roles"), "test", {"reuse": "baseline"}, "data.roles.test"),
    (("data", "sources"), "x", {"folder": "a", "urls": "b"}, "data.sources.x"),
    ((), "plugins", ["none.py"], "none.py"),
    ((), "extra", [{"variants": ["no-such"]}], "extra.*no-such"),
    ((), "extra", [{"variants": ["centroid"]}], "extra.0.variants: centroid trains nothing"),
    ((), "extra", [{"variants": ["qr"], "models": ["mbt2018", "elic"]}], "extra.0.models: 'elic'"),
    (
        (),
        "extra",
        [{"variants": ["qr"], "models": ["mbt2018"], "qualities": [9]}],
        "extra.0: no codec",
    ),
    (("explore",), "variants", ["qr", "centroid"], "explore.variants: centroid trains nothing"),
    (
        ("statistics", "endpoint"),
        "variant",
        "centroid",
        "endpoint.variant: centroid trains nothing",
    ),
    ((), "models", {"mbt2018": {"qualities": [1], "plain": True}}, "models: every model is plain"),
    ((), "models", {"mbt2018": {"qualities": [1], "M": 64}}, "mbt2018.M: leave it null: a codec"),
]


def test_more_trainings_of_a_plain_codec_are_refused(base):
    plain = overlay(base, {"models": {"mbt2018": {"plain": True}}})
    with pytest.raises(ConfigError, match=r"extra\.0: no codec that is studied"):
        load.accept(plain | {"extra": [{"variants": ["qr"], "models": ["mbt2018"]}]})


@pytest.mark.parametrize(("path", "key", "value", "match"), WRONG)
def test_a_wrong_value_is_named(base, path, key, value, match):
    with pytest.raises(ConfigError, match=match):
        load.accept(put(base, path, key, value))


def test_extra_points_of_a_model_that_is_switched_off_are_no_mistake(base):
    """A part of a run that leaves models out keeps the rest of its configuration."""
    base["extra"] = [{"variants": ["qr"], "models": ["mbt2018"], "qualities": [1]}]
    load.accept(base)
    base["models"]["mbt2018"]["qualities"] = []
    load.accept(base)
    base["models"]["mbt2018"]["qualities"] = [2]
    with pytest.raises(ConfigError, match=r"extra\.0: no codec"):
        load.accept(base)


def test_all_mistakes_are_listed_at_once(base):
    base["seeds"], base["metrics"] = [], ["psnr"]
    with pytest.raises(ConfigError) as caught:
        load.accept(base)
    assert "seeds" in str(caught.value) and "psnr" in str(caught.value)


def test_a_grid_without_a_codec_is_refused(base):
    for model in base["models"].values():
        model["qualities"] = []
    with pytest.raises(ConfigError, match="qualities is empty"):
        load.accept(base)


def test_crops_too_small_for_ms_ssim_are_refused(base):
    """Its five scales need more than 160 pixels; without it, they may be smaller."""
    base["metrics"], base["training"]["crop"] = ["mse", "ms-ssim"], 128
    with pytest.raises(ConfigError, match="crop: MS-SSIM needs more than 160 pixels"):
        load.accept(base)
    base["training"]["crop"], base["data"]["validation_crop"] = 192, 128
    with pytest.raises(ConfigError, match="validation_crop: MS-SSIM needs"):
        load.accept(base)
    base["metrics"] = ["mse"]
    load.accept(base)


# Files


@pytest.mark.parametrize(
    "content", ["", "- a list", "key: [unclosed", "text", "\x00", "!!python/object:os.system {}"]
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        load.load(BASE, path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load.load(tmp_path / "none.yaml")


def test_an_overlay_alone_is_not_complete():
    with pytest.raises(ConfigError, match=r" no whole .* -c config\.yaml -c") as caught:
        load.load(TIERS[0])
    told = str(caught.value)
    assert told.startswith(f"{TIERS[0]}: ") and "\n" not in told and len(told) < 300


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("vresion: x", "2.yaml: top level: 'vresion' was unexpected, is it version?"),
        ("zzz: 1", "2.yaml: top level: 'zzz' was unexpected"),
        ("training: {stepz: 3}", "2.yaml: training: 'stepz' was unexpected, is it steps?"),
        ("variants: [qr]", "2.yaml: variants: baseline must be among ['qr']"),
        ("models: {mbt2018: {qualities: [0]}}", "2.yaml: models.mbt2018.qualities.0: 0 is less"),
        (
            "data: {sources: {x: {folder: a, urls: b}}}",
            "2.yaml: data.sources.x: one of folder, urls, builtin",
        ),
        ("training: {soap: {}}\nseeds: []", "1.yaml: metrics: [] should be non-empty"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_the_way_out(tmp_path, text, told):
    """Of several files the one that it is in."""
    for name, content in (("1", "metrics: []"), ("2", text)):
        (tmp_path / f"{name}.yaml").write_text(content)
    with pytest.raises(ConfigError) as caught:
        load.load(BASE, tmp_path / "1.yaml", tmp_path / "2.yaml")
    assert f"{tmp_path}/{told}" in str(caught.value)


def test_a_role_names_a_source_that_there_is(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("data: {roles: {test: {source: nokodak}}}")
    with pytest.raises(ConfigError, match=r"data\.roles\.test\.source: no source 'nokodak' among"):
        load.load(BASE, path)


def test_what_is_written_loads_again_and_is_not_written_twice(tmp_path, base):
    path = tmp_path / "runs" / "config.yaml"
    load.write(base, path)
    assert load.load(path) == base
    before = path.stat().st_mtime_ns
    load.write(base, path)
    assert path.stat().st_mtime_ns == before
    load.write(base | {"version": "other"}, path)
    assert load.load(path)["version"] == "other"
    assert [p.name for p in path.parent.iterdir()] == ["config.yaml"]


def test_files_are_found_beside_the_first_file_wherever_one_stands(tmp_path, base, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "own.py").write_text("")
    own = {"plugins": ["own.py"], "resources": {"speed": "speed.csv"}}
    (here / "config.yaml").write_text(yaml.safe_dump(overlay(base, own)))
    monkeypatch.chdir(there)
    found = load.load("../here/config.yaml")
    assert found["plugins"] == ["../here/own.py"]
    assert found["resources"]["speed"] == "../here/speed.csv"
    load.write(found, "runs/mine/config.yaml")
    assert load.written(found, "runs/mine/config.yaml")
    monkeypatch.chdir(tmp_path)
    ran = load.load("there/runs/mine/config.yaml")
    assert ran["plugins"] == [str(here / "own.py")]
    assert ran["resources"]["speed"] == str(here / "speed.csv")
    assert load.portable(ran)["plugins"] == ["here/own.py"]


# Overlays and digests


def test_mappings_merge_and_everything_else_is_replaced():
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 3, "e": {"f": 4}}
    top = {"a": {"c": [9], "new": {"x": 1}}, "d": {"g": 5}, "e": None}
    merged = overlay(base, top)
    assert merged == {
        "a": {"b": 1, "c": [9], "new": {"x": 1}},
        "d": {"g": 5},
        "e": None,
    }
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 3, "e": {"f": 4}}
    merged["a"]["new"]["x"] = 2
    assert top["a"]["new"]["x"] == 1


def test_later_files_win(tmp_path):
    for name, seeds in (("one", [1]), ("two", [2])):
        (tmp_path / f"{name}.yaml").write_text(f"seeds: {seeds}\n")
    loaded = load.load(BASE, tmp_path / "one.yaml", tmp_path / "two.yaml")
    assert loaded["seeds"] == [2]


def test_a_phase_states_what_differs(base):
    stated = {"soft": {"training": {"steps": 5, "plateau": {"patience": 2}}}}
    settings = of_soft_phase(overlay(base, stated))
    assert settings["steps"] == 5
    assert settings["plateau"] == {"factor": base["training"]["plateau"]["factor"], "patience": 2}
    assert settings["batch_size"] == base["training"]["batch_size"]


def test_a_digest_ignores_the_order_of_keys_alone():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert len({digest(v) for v in ([1, 2], [2, 1], {"a": 1}, {"a": 2}, None, "1", 1)}) == 7


# Plugins and names


def test_a_plugin_makes_its_names_known_and_is_loaded_once(tmp_path, base):
    plugin = tmp_path / "own_plugin.py"
    plugin.write_text(
        "from qr.decoders.variants import Variant, register_variant\n"
        "from qr.codecs.catalogue import register_model\n"
        "import sys\n"
        "sys.own_plugin_runs = getattr(sys, 'own_plugin_runs', 0) + 1\n"
        "register_variant(Variant('of-a-plugin'))\n"
        "register_model('model-of-a-plugin', 'Plugged', 2)\n"
    )
    import sys

    base["plugins"] = [str(plugin)]
    base["variants"].append("of-a-plugin")
    base["models"]["model-of-a-plugin"] = {"qualities": [1, 2]}
    load.accept(base)
    load.accept(base)
    assert sys.own_plugin_runs == 1
    base["models"]["model-of-a-plugin"] = {"qualities": [3]}
    with pytest.raises(ConfigError, match="out of range 1 to 2"):
        load.accept(base)


@pytest.mark.parametrize("text", ["mbt2018_mse_q3", "mbt2018-mean_ms-ssim_q8"])
def test_a_codecs_name_comes_back(text):
    assert str(CodecId.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "mbt2018", "mbt2018_mse", "mbt2018_mse_qx", "elic_mse_q1", "mbt2018_psnr_q1",
             "mbt2018_mse_q0", "mbt2018_mse_q9", "mbt2018_mse_q-1"],
)  # fmt: skip
def test_a_name_of_no_codec_is_refused(text):
    with pytest.raises(ConfigError):
        CodecId.parse(text)


def test_the_grid_goes_model_by_model_lowest_rate_first(base):
    base["models"] = {
        "mbt2018": {"qualities": [3, 1]},
        "mbt2018-mean": {"qualities": []},
        "cheng2020-attn": {"qualities": [2]},
    }
    assert [str(codec) for codec in grid.codecs(base)] == [
        "mbt2018_mse_q1", "mbt2018_mse_q3", "mbt2018_ms-ssim_q1", "mbt2018_ms-ssim_q3",
        "cheng2020-attn_mse_q2", "cheng2020-attn_ms-ssim_q2",
    ]  # fmt: skip


def test_a_plugin_that_is_no_python_file_is_named(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("version: mine\n")
    with pytest.raises(ConfigError, match=r"plugins: .*mine\.yaml is no Python file"):
        plugins.load_plugins([str(path)])


def test_a_plugin_that_wants_to_end_it_all_is_named(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import sys\n\nsys.exit(3)\n")
    with pytest.raises(ConfigError, match=r"mine\.py cannot be imported: SystemExit: 3 \(line 3"):
        plugins.load_plugins([str(path)])


@pytest.mark.parametrize("named", ["3", "[3]", "{a: 1}"])
def test_plugins_of_a_run_that_are_no_files_are_named(tmp_path, named):
    path = tmp_path / "config.yaml"
    path.write_text(f"plugins: {named}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml: plugins: .* no list of files"):
        load.plugins_of(path)


def test_a_key_that_is_a_date_is_told(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("2001-01-01: 3\n")
    with pytest.raises(ConfigError, match="date"):
        load.load(BASE, path)
