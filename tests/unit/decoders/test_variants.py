"""Decoder variants: the registry, and the models' names."""

import pytest

from qr.codecs import catalogue
from qr.decoders import variants
from qr.decoders.variants import Variant
from qr.errors import ConfigError


def test_the_papers_variants_and_the_controls_are_there():
    trained = {
        "original": set(), "baseline": set(), "centroid": set(), "decoder": {"decoder"},
        "qr": {"decoder", "rectifier"}, "qr-hyper": {"decoder", "rectifier"},
        "qr-only": {"rectifier"}, "centroid-decoder": {"decoder"},
    }  # fmt: skip
    for name, parts in trained.items():
        assert variants.get(name).trains == parts
        assert not variants.get(name).detached
    assert variants.get("qr-detached").detached
    assert variants.get("ceiling").oracle and not variants.get("decoder").oracle
    assert [n for n in trained if variants.get(n).codec == "original"] == ["original"]
    assert [n for n in trained if variants.get(n).rectifier is None] == [
        "original", "baseline", "decoder",
    ]  # fmt: skip


def test_an_unknown_variant_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'no-such'.*baseline.*qr"):
        variants.get("no-such")


def test_registering_twice_is_harmless_and_taking_a_name_is_not():
    variant = Variant("twice-for-test", rectifier="qr")
    variants.register_variant(variant)
    variants.register_variant(Variant(**vars(variant)))
    with pytest.raises(ConfigError, match="twice-for-test"):
        variants.register_variant(Variant("twice-for-test", rectifier="centroid"))
    assert variants.get("twice-for-test") == variant


def test_labels_fall_back_to_names():
    assert variants.label("qr") == "QR"
    assert variants.label("baseline") == "baseline"
    assert variants.label("of another machine") == "of another machine"


def test_the_papers_names_and_compressais_lambdas():
    labels = {"bmshj2018-factorized": "Factorized", "bmshj2018-hyperprior": "Scale",
              "mbt2018-mean": "Mean", "mbt2018": "Joint", "cheng2020-attn": "Attn"}  # fmt: skip
    assert {name: catalogue.label(name) for name in labels} == labels
    # https://interdigitalinc.github.io/CompressAI/zoo.html
    assert catalogue.lmbda("mse", 3) == 0.0067
    assert catalogue.lmbda("mse", 8) == 0.18
    assert catalogue.lmbda("ms-ssim", 1) == 2.4
    for metric in catalogue.METRICS:
        values = [catalogue.lmbda(metric, quality) for quality in range(1, 9)]
        assert values == sorted(values)


@pytest.mark.parametrize(("metric", "quality"), [("mse", 0), ("mse", 9), ("mse", -1), ("psnr", 1)])
def test_no_lambda_beyond_the_table(metric, quality):
    with pytest.raises(ConfigError):
        catalogue.lmbda(metric, quality)


def test_compressai_knows_the_models_and_how_many_qualities_they_have():
    from compressai.zoo.image import cfgs

    for name in ("bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean", "mbt2018",
                 "cheng2020-anchor", "cheng2020-attn"):  # fmt: skip
        assert catalogue.model_info(name).qualities == max(cfgs[name])
