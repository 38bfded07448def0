"""Which jobs a configuration asks for."""

import pytest

from qr.codecs.catalogue import CodecId
from qr.config import steps
from qr.config.grid import Grid
from qr.config.paths import Files, codec_file
from qr.config.search import explored_qualities, nearest
from qr.config.settings import overlay
from qr.errors import CheckpointError

CONFIG = {
    "models": {
        "mbt2018": {"qualities": [3, 1, 6], "N": 16, "M": 24},
        "mbt2018-mean": {"qualities": [], "N": None, "M": None},
        "cheng2020-attn": {"qualities": [2], "N": 16},
    },
    "metrics": ["mse", "ms-ssim"],
    "variants": ["original", "baseline", "centroid", "decoder", "qr"],
    "seeds": [0, 1],
    "extra": [],
    "engine": {
        "precision": "32-true", "accelerator": "cpu", "devices": 1, "compile": False,
        "coding": "cpu", "arithmetic": "float64", "workers": 2, "device_cache_mb": 0,
    },
    "data": {
        "sources": {"some": {"folder": "some"}, "unused": {"folder": "none"}},
        "roles": {
            "baseline": {"source": "some"}, "exploration": {"reuse": "baseline"},
            "predictive": {"reuse": "baseline"}, "validation": {"source": "some"},
            "test": [{"source": "some"}],
        },
        "validation_crop": 64,
    },
    "rectifier": {"width": 8},
    "training": {"batch_size": 2},
    "baseline": {
        "source": "train", "warm_start": {"steps": 7}, "mse": {"steps": 1}, "ms-ssim": {"steps": 2}
    },
    "explore": {
        "qualities": [4], "variants": ["qr"], "ms_ssim_factor": 0.1, "patience": 1,
        "training": {}, "max_epochs": 2, "epoch_steps": 10,
        "strategy": "sweep", "alpha": {}, "learning_rates": [],
    },
    "soft": {"codec": "joint", "detach_y": True, "training": {"steps": 100}},
    "predictive": {"training": {"steps": 3}},
    "runtime": {"metric": "mse", "quality": 4},
    "anchors": {},
}  # fmt: skip


THREE = CodecId("mbt2018", "mse", 3)


def grid(**changes):
    return Grid(overlay(CONFIG, changes))


def ids(*texts):
    return [CodecId.parse(text) for text in texts]


def test_trained_and_untrained_variants():
    trained = [("decoder", 0), ("decoder", 1), ("qr", 0), ("qr", 1)]
    assert grid().trained(CodecId("mbt2018", "mse", 3)) == trained
    assert grid().untrained(THREE, "soft") == ["baseline", "centroid"]
    assert grid().untrained(THREE, "original") == ["original"]
    assert grid().stages(THREE) == ["original", "soft"]


def test_extra_trainings_are_added_where_they_belong():
    extra = [
        {"variants": ["qr", "qr-only"], "models": ["mbt2018"], "qualities": [3], "seeds": [5, 1]},
        {"variants": ["qr-only"], "metrics": ["ms-ssim"]},
    ]
    trained = grid(extra=extra, variants=["baseline", "qr"]).trained
    everywhere = [("qr", 0), ("qr", 1)]
    only = [("qr-only", 0), ("qr-only", 1)]
    assert trained(CodecId("mbt2018", "mse", 1)) == everywhere
    assert trained(CodecId("cheng2020-attn", "ms-ssim", 2)) == everywhere + only
    three = [*everywhere, ("qr", 5), ("qr-only", 1), ("qr-only", 5)]
    assert trained(CodecId("mbt2018", "mse", 3)) == three
    assert ("qr-only", 0) in trained(CodecId("mbt2018", "ms-ssim", 3))


def test_the_viewer_shows_the_runs_own_variants_with_their_first_seed():
    extra = [{"variants": ["qr-only"]}, {"variants": ["qr"], "seeds": [7]}]
    codec = CodecId("mbt2018", "mse", 3)
    assert grid(extra=extra).pictured(codec) == [("decoder", 0), ("qr", 0)]
    assert grid(extra=extra, variants=["baseline", "decoder"]).pictured(codec) == [("decoder", 0)]


def test_a_frozen_codec_has_one_kind_of_bitstreams():
    frozen = grid(soft={"codec": "frozen"})
    assert frozen.stages(THREE) == ["soft"]
    assert frozen.untrained(THREE, "soft") == ["original", "baseline", "centroid"]
    assert grid(variants=["baseline", "qr"]).stages(THREE) == ["soft"]


def test_a_command_is_told_where_a_plain_codec_lies(tmp_path):
    plain = CodecId("cheng2020-attn", "mse", 2)
    path = tmp_path / "baseline" / str(plain) / "codec.safetensors"
    path.parent.mkdir(parents=True)
    with pytest.raises(CheckpointError) as without:
        codec_file(tmp_path, plain)
    path.touch()
    with pytest.raises(CheckpointError) as found:
        codec_file(tmp_path, plain)
    assert str(path) in str(found.value) and str(path) not in str(without.value)


def test_a_plain_codec_is_coded_as_it_is_and_nothing_else():
    found = grid(models={"cheng2020-attn": {"plain": True}}, extra=[{"variants": ["qr-only"]}])
    plain = CodecId("cheng2020-attn", "mse", 2)
    assert [job.step for job in found.jobs() if job.codec == plain] == [
        "baseline", "encode", "decode", "runtime",
    ]  # fmt: skip
    files = Files(found, "runs/v")
    assert files.decoders(plain) == []
    assert files.final(str(plain)) == "runs/v/baseline/cheng2020-attn_mse_q2/codec.safetensors"
    assert files.bitstreams(str(plain)) == "runs/v/encode/original/cheng2020-attn_mse_q2/bitstreams"
    for stage in found.stages(plain):
        assert files.decode_options(str(plain), stage, []) == "--variant baseline"
    assert files.timing_options(str(plain), []) == "--variant baseline"
    assert files.picture_options(str(plain), []) == "--variant baseline"
    parts = files.parts()
    assert "runs/v/decode/original/cheng2020-attn_mse_q2.csv" in parts["images"]
    assert "runs/v/decode/soft/cheng2020-attn_mse_q2.csv" not in parts["images"]
    assert "runs/v/soft/cheng2020-attn_mse_q2/log.csv" not in parts["training"]
    assert not any("cheng2020" in path for path in parts["exploration"])
    assert plain in found.codecs and plain not in found.studied


def test_training_starts_from_the_next_higher_quality_and_ms_ssim_from_mse():
    start = grid().start
    one, three, six = ids("mbt2018_mse_q1", "mbt2018_mse_q3", "mbt2018_mse_q6")
    assert [start(one), start(three), start(six)] == [three, six, None]
    assert start(CodecId("mbt2018", "ms-ssim", 6)) == six
    cold = grid(baseline={"warm_start": None}).start
    assert cold(one) is None
    assert cold(CodecId("mbt2018", "ms-ssim", 6)) == six
    zoo_wide = {"qualities": [3, 4, 5, 6], "N": None, "M": None}
    narrow = grid(models={"mbt2018": zoo_wide}).start
    assert narrow(CodecId("mbt2018", "mse", 3)) == CodecId("mbt2018", "mse", 4)
    assert narrow(CodecId("mbt2018", "mse", 4)) is None  # the zoo's are wider from 5 on
    zoo = grid(baseline={"source": "zoo"}).start
    assert zoo(six) is None and zoo(CodecId("mbt2018", "ms-ssim", 6)) is None


def test_no_training_starts_from_itself_in_a_circle():
    found = grid()
    for codec in found.needed():
        seen = set()
        while codec is not None:
            assert codec not in seen
            seen.add(codec)
            codec = found.start(codec)


def test_ms_ssim_alone_still_needs_the_mse_models():
    found = grid(metrics=["ms-ssim"])
    assert all(codec.metric == "ms-ssim" for codec in found.codecs)
    needed = found.needed()
    assert len(needed) == len(set(needed))
    for codec in needed:
        start = found.start(codec)
        assert start is None or start in needed
    for codec, _ in found.explorations():
        assert codec in needed


def test_exploration_is_done_once_per_model_and_serves_its_neighbours():
    found = grid()
    assert found.explorations() == [
        (CodecId("mbt2018", "mse", 3), "qr"), (CodecId("cheng2020-attn", "mse", 2), "qr"),
    ]  # fmt: skip
    done = found.explorations()
    for codec in found.codecs:
        for variant in ("decoder", "qr"):
            assert found.exploration(codec, variant) in done
    both = grid(explore={"variants": ["qr", "decoder", "qr-picture"]})
    taken = {
        name: both.exploration(CodecId("mbt2018", "mse", 1), name)[1]
        for name in (
            "decoder",
            "qr-hyper",
            "centroid-decoder",
            "ceiling",
            "qr-only",
            "qr-picture-lite",
            "qr-tapped",
            "synthesis-wide",
            "wide-decoder",
            "qr-l1",
            "decoder-noisy",
        )
    }
    assert taken == {
        "decoder": "decoder", "qr-hyper": "qr", "centroid-decoder": "decoder",
        "ceiling": "decoder", "qr-only": "qr", "qr-picture-lite": "qr-picture",
        # Neither theirs nor one of their own was explored: one with the same terms in its loss.
        "qr-tapped": "qr-picture", "synthesis-wide": "qr-picture",
        "wide-decoder": "qr", "qr-l1": "qr", "decoder-noisy": "decoder",
    }  # fmt: skip
    only = grid(explore={"variants": ["qr"]})
    assert only.exploration(CodecId("mbt2018", "mse", 1), "qr-tapped")[1] == "qr"


@pytest.mark.parametrize(
    ("wanted", "available", "found"),
    [([4], [1, 3, 6], [3]), ([4, 8], [1, 3, 6], [3, 6]), ([1, 2], [1, 3], [1]), ([5], [4, 6], [4])],
)
def test_the_nearest_qualities_are_explored(wanted, available, found):
    assert explored_qualities(wanted, available) == found


def test_nearest_prefers_the_lower_of_two():
    assert nearest(4, [3, 5]) == 3
    assert nearest(9, [1, 2]) == 2


def test_each_model_is_timed_once():
    assert grid().timed() == ids("mbt2018_mse_q3", "cheng2020-attn_mse_q2")
    assert grid(metrics=["ms-ssim"]).timed()[0].metric == "ms-ssim"


# What makes jobs run again

STEPS = (
    "data",
    "baseline",
    "explore",
    "soft",
    "predictive",
    "encode",
    "decode",
    "runtime",
    "anchors",
    "collect",
)
TRAINING = {"baseline", "explore", "soft", "predictive"}


def rerun(**changes):
    codec = CodecId("mbt2018", "mse", 3)
    before, after = grid(), grid(**changes)
    return {
        step
        for step in STEPS
        if steps.settings_digest(step, before, codec) != steps.settings_digest(step, after, codec)
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": ["mse"]}, {"collect"}),
        ({"variants": ["baseline", "qr", "qr-hyper"]}, {"collect"}),
        ({"seeds": [0, 1, 2]}, set()),
        ({"extra": [{"variants": ["qr-only"]}]}, {"collect"}),
        ({"models": {"mbt2018": {"qualities": [3, 6]}}}, set()),
        ({"models": {"mbt2018": {"qualities": [3]}}}, {"baseline"}),  # no longer warm started
        ({"models": {"cheng2020-attn": {"N": 32}}}, set()),
        ({"explore": {"variants": ["qr", "decoder"], "qualities": [1, 4]}}, set()),
        ({"engine": {"workers": 8}}, set()),
        ({"resources": {"speed": "slurm/speed.csv"}}, set()),
        ({"models": {"mbt2018": {"N": 64}}}, {"baseline", "soft"}),  # others follow their inputs
        ({"seeds": [7]}, TRAINING - {"predictive"}),  # whose seed is its job's
        ({"training": {"batch_size": 4}}, TRAINING),
        ({"engine": {"precision": "bf16-mixed"}}, TRAINING),
        ({"baseline": {"mse": {"batch_size": 9}}}, {"baseline"}),
        ({"baseline": {"mse": {"steps": 9}}}, set()),  # of those that are not warm started
        ({"baseline": {"warm_start": {"steps": 9}}}, {"baseline"}),
        ({"baseline": {"ms-ssim": {"steps": 9}}}, set()),
        ({"explore": {"patience": 5}}, {"explore"}),
        ({"explore": {"ms_ssim_factor": 0.2}}, {"collect"}),  # this codec is trained for mse
        ({"soft": {"training": {"steps": 15}}}, {"explore", "soft", "predictive"}),
        ({"soft": {"training": {"steps": 30}}}, {"soft", "predictive"}),  # longer than a trial
        ({"soft": {"detach_y": False}}, {"explore", "soft"}),
        ({"explore": {"qualities": "all"}}, set()),
        ({"data": {"sources": {"unused": {"folder": "other"}}}}, set()),
        ({"data": {"sources": {"some": {"folder": "other"}}}}, {"data"}),
        ({"data": {"roles": {"validation": {"limit": 5}}}}, {"data"}),
        ({"data": {"validation_crop": 96}}, TRAINING),
        ({"predictive": {"training": {"steps": 9}}}, {"predictive"}),
        ({"engine": {"coding": "cuda"}}, {"encode", "decode", "runtime"}),
        ({"engine": {"arithmetic": "float32"}}, {"encode", "runtime"}),
        ({"rectifier": {"width": 16}}, (TRAINING | {"decode", "runtime"}) - {"baseline"}),
    ],
    # Not of the sets: their order differs between processes, and xdist compares names.
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_change_reruns_the_steps_that_read_it(changes, expected):
    assert rerun(**changes) == expected
