"""Minutes, disk and time limits by a table of measured seconds."""

import dataclasses
import math
from pathlib import Path

import pytest

from qr.codecs import catalogue
from qr.codecs.catalogue import CodecId
from qr.config import search
from qr.config.grid import Job
from qr.config.settings import overlay
from qr.decoders import variants
from qr.errors import ConfigError, DataError
from qr.plan import cost
from qr.plan.cost import Cost, Measured
from qr.plan.work import Rate, Work

CODEC = CodecId("mbt2018", "mse", 1)
HELD_BACK, PICTURES = 5, 3  # validation and test images


@pytest.fixture
def settings(small_config):
    """One codec, N=8, M=12, W=8; batches of 2 crops of 64 pixels; pictures of 256 x 256."""
    return overlay(
        small_config,
        {"data": {"roles": {"validation": {"limit": HELD_BACK}, "test": {"limit": PICTURES}}}},
    )


def training(step, variant, seconds, image_seconds, W=8, **changes):
    """Two rows: seconds of a step, and of a validation image. They leave 3 and 20 MB."""
    step = Rate(
        "mbt2018", "mse", 8, 12, W, step, variant, "train", 2, "64x64", "cpu", 1, "32-true"
    )  # fmt: skip
    step = dataclasses.replace(step, **changes)
    image = dataclasses.replace(step, split="validation")
    return {
        step: Measured(seconds, 3.0, 20.0, "some"),
        image: Measured(image_seconds, None, None, "some"),
    }


def coding(step, variant, seconds, W=None):
    rate = Rate(
        "mbt2018", None, 8, 12, W, step, variant, "test", 1, "256x256", "cpu", 1, "32-true"
    )  # fmt: skip
    return {rate: Measured(seconds, None, None, "some")}


@pytest.fixture
def costs(settings, tmp_path):
    """The costs of the configuration with some changes, by a table of these rows."""

    def make(*rows, **changes):
        path = tmp_path / "speed.csv"
        path.unlink(missing_ok=True)
        for row in rows:
            cost.merge(path, row)
        changed = overlay(settings, changes)
        changed["resources"]["speed"] = str(path)
        return Cost(changed, tmp_path / "run")

    return make


SOFT = training("soft", "qr", 0.5, 0.1)
JOINT = training("soft-joint", "qr", 0.5, 0.1)
QR = training("predictive", "qr", 0.25, 0.2)
HYPER = training("soft", "qr-hyper", 2.0, 0.0), training("predictive", "qr-hyper", 1.0, 0.0)


def seconds(costs, job):
    return 60 * costs.minutes(job)


def test_a_training_takes_its_steps_and_its_validations(costs):
    """Eight steps, validated before, after every third, and at the end: four times."""
    found = costs(JOINT, training("baseline", None, 1.0, 0.3, W=None))
    assert seconds(found, Job("soft", CODEC)) == pytest.approx(8 * 0.5 + 4 * HELD_BACK * 0.1)
    assert seconds(found, Job("baseline", CODEC)) == pytest.approx(8 * 1 + 4 * HELD_BACK * 0.3)


def test_a_rectifier_of_another_kind_warms_up_in_its_own_job(costs):
    found = costs(QR, *HYPER, soft={"training": {"steps": 30}})
    alone = Job("predictive", CODEC, "qr", 0)
    assert seconds(found, alone) == pytest.approx(8 * 0.25 + 4 * HELD_BACK * 0.2)
    assert seconds(found, Job("predictive", CODEC, "qr-hyper", 0)) == pytest.approx(30 * 2 + 8 * 1)


def test_the_warm_ups_are_those_of_soft_to_predictive_training(settings, tmp_path, monkeypatch):
    """Asked by running it, with the loop itself left out."""
    from qr.config import trainings
    from qr.train import stp
    from qr.train.progress import Progress
    from support.codecs import fresh_codec
    from support.training import run_of

    began = []

    def fit(self, training, phase, seed, fixed):
        began.append((training.phase, training.variant))
        return Progress()

    monkeypatch.setattr(stp.Run, "fit", fit)
    run = run_of("predictive", settings, CODEC, tmp_path, tmp_path)
    work = Work(settings, tmp_path)
    trained = [name for name in variants._VARIANTS if variants.get(name).trains]
    assert len(trained) > 5
    for name in trained:
        codec = fresh_codec("mbt2018")
        warm = stp.fresh_rectifier(run, codec, variants.SOFT_RECTIFIER, 0)
        began.clear()
        stp.train_decoder(run, codec, warm, trainings.predictive(run.settings, name), 1.0, 0)
        expected = work.trainings(Job("predictive", CODEC, name, 0))
        assert began == [(t.rate.step, t.rate.variant) for t in expected]


def test_an_exploration_is_both_phases_in_every_trial(costs):
    """Two alphas; two epochs of two steps in each phase, validated before and after each."""
    trial = 4 * 0.5 + 3 * HELD_BACK * 0.1 + 4 * 0.25 + 3 * HELD_BACK * 0.2
    assert seconds(costs(JOINT, QR), Job("explore", CODEC, "qr")) == pytest.approx(2 * trial)


def test_trials_of_one_alpha_share_the_soft_phase(costs):
    """A second learning rate costs another predictive phase at the first of two alphas, no more."""
    trial = 4 * 0.5 + 3 * HELD_BACK * 0.1 + 4 * 0.25 + 3 * HELD_BACK * 0.2
    again = 4 * 0.25 + 3 * HELD_BACK * 0.2
    found = costs(JOINT, QR, explore={"learning_rates": [1e-3, 1e-4]})
    assert seconds(found, Job("explore", CODEC, "qr")) == pytest.approx(2 * trial + again)


def test_a_frozen_codec_needs_no_soft_phase_to_explore_its_decoder_alone(costs):
    decoder, job = (
        training("predictive", "decoder", 0.25, 0.2, W=None),
        Job("explore", CODEC, "decoder"),
    )
    alone = 4 * 0.25 + 3 * HELD_BACK * 0.2
    assert seconds(costs(decoder, soft={"codec": "frozen"}), job) == pytest.approx(alone)
    assert seconds(costs(decoder, JOINT), job) > alone


@pytest.mark.parametrize("codec", ["frozen", "joint"])
@pytest.mark.parametrize("variant", ["decoder", "qr", "qr-hyper", "qr-picture", "wide-decoder"])
def test_an_exploration_runs_the_trainings_that_it_is_planned_with(
    settings, tmp_path, monkeypatch, codec, variant
):
    """Asked by running it, with the loop itself left out; a training is done once in its folder."""
    from qr.train import stp
    from qr.train.explore import Exploration
    from qr.train.progress import Progress
    from support.codecs import fresh_codec
    from support.training import run_of

    began = {}

    def fit(run, training, phase, seed, fixed):
        joint = "-joint" if fixed.get("joint") else ""
        began[run.state] = (training.phase + joint, training.variant, training.settings["steps"])
        return Progress(rows=[{"split": "validation", "step": 1, "loss": 1.0, "distortion": 1.0}])

    changes = {"soft": {"codec": codec}, "explore": {"learning_rates": [1e-3, 1e-4]}}
    settings = overlay(settings, changes)
    monkeypatch.setattr(stp.Run, "fit", fit)
    monkeypatch.setattr(Exploration, "_rate", lambda self, codec: 0.5)
    run = run_of("explore", settings, CODEC, tmp_path, tmp_path)
    Exploration(run, fresh_codec("mbt2018"), variant).explore()
    planned = Work(settings, tmp_path).trainings(Job("explore", CODEC, variant))
    expected = [(t.rate.step, t.rate.variant, t.steps) for t in planned]
    assert sorted(began.values()) == sorted(expected)


def test_a_baseline_that_starts_from_another_trains_for_fewer_steps(costs):
    row = training("baseline", None, 1.0, 0.0, W=None)
    warm = {"warm_start": {"steps": 5}, "mse": {"steps": 60}}
    found = costs(row, baseline=warm, models={"mbt2018": {"qualities": [1, 2]}})
    assert seconds(found, Job("baseline", CODEC)) == pytest.approx(5)
    assert seconds(found, Job("baseline", CodecId("mbt2018", "mse", 2))) == pytest.approx(60)


@pytest.mark.parametrize("strategy", ["sweep", "bracket"])
@pytest.mark.parametrize("lowest", range(14))
def test_no_exploration_tries_more_than_counted(strategy, lowest):
    alpha = {"start": 1.0, "factor": 0.1, "min": 10.0**-lowest}
    explore = {"strategy": strategy, "alpha": alpha}
    count = len(search.grid(alpha))

    def asked(valley):
        found = {0}  # the learning rates are compared there
        search.STRATEGIES[strategy](count, lambda k: (found.add(k), abs(2 * k - valley))[1])
        return len(found)

    most = max(map(asked, range(2 * count)))
    assert search.most_alphas(explore) >= most
    if strategy == "sweep" or lowest < 10:
        assert search.most_alphas(explore) == most


def manifest(run, role, *sizes):
    path = run / "data" / f"{role}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{k}.png,{width},{height}" for k, (width, height) in enumerate(sizes)]
    path.write_text("\n".join(["path,width,height", *lines]))


def test_coding_takes_each_image_once_and_each_decoder_of_it(costs, tmp_path):
    rows = [coding("encode", None, 4.0), coding("decode", None, 5.0)]
    rows += [coding("decode", name, 0.5) for name in ("original", "baseline", "decoder")]
    rows += [coding("decode", "centroid", 1.0, W=8), coding("decode", "qr", 2.0, W=8)]
    found = costs(*rows, seeds=[0, 1])
    assert seconds(found, Job("encode", CODEC, stage="soft")) == pytest.approx(PICTURES * 4)
    soft, before = (Job("decode", CODEC, stage=stage) for stage in ("soft", "original"))
    each = 5 + 0.5 + 1 + 2 * (0.5 + 2)  # baseline and centroid; decoder and qr of both seeds
    assert seconds(found, soft) == pytest.approx(PICTURES * each)
    assert seconds(found, before) == pytest.approx(PICTURES * (5 + 0.5))
    manifest(tmp_path / "run", "test", (256, 256), (512, 128), (512, 512))
    assert seconds(found, before) == pytest.approx(6 * (5 + 0.5))  # as many 256 x 256


def test_manifests_count_the_images_once_there_are_some(costs, tmp_path):
    found, job = costs(JOINT), Job("soft", CODEC)
    before = seconds(found, job)
    manifest(tmp_path / "run", "validation", (300, 200), (100, 100))
    assert before - seconds(found, job) == pytest.approx(4 * (HELD_BACK - 2) * 0.1)
    (tmp_path / "run" / "data" / "validation.csv").write_text("path,width,height\n1.png,30\n")
    with pytest.raises(DataError, match=r"validation\.csv: a damaged manifest"):
        found.minutes(job)


@pytest.mark.parametrize(
    "changes",
    [
        {"models": {"mbt2018": {"N": 16}}},
        {"models": {"mbt2018": {"M": None}}},
        {"rectifier": {"width": 16}},
        {"training": {"batch_size": 4}},
        {"soft": {"training": {"crop": 128}}},
        {"soft": {"codec": "frozen"}},
        {"data": {"validation_crop": 128}},
        {"engine": {"accelerator": "cuda"}},
        {"engine": {"accelerator": "auto"}},
        {"engine": {"precision": "bf16-mixed"}},
        {"engine": {"workers": 3}},
    ],
    ids=str,
)
def test_another_configuration_is_not_in_the_table(costs, changes):
    job = Job("soft", CODEC)
    assert costs(JOINT).minutes(job) is not None
    assert costs(JOINT, **changes).minutes(job) is None
    other = dataclasses.replace(job, codec=CodecId("mbt2018", "ms-ssim", 1))
    assert costs(JOINT).minutes(other) is None


def test_a_gpu_row_fits_a_gpu_and_a_batch_is_shared_by_several(costs):
    row = training("soft-joint", "qr", 0.5, 0.1, device="cuda", batch=1)
    for accelerator in ("cuda", "auto"):
        found = costs(row, engine={"accelerator": accelerator, "devices": 2})
        assert found.minutes(Job("soft", CODEC)) is not None


def test_a_codec_of_the_zoo_needs_no_training(costs):
    found = costs(JOINT, baseline={"source": "zoo"})
    assert found.minutes(Job("baseline", CODEC)) == 0


def test_what_is_not_measured_is_not_expected(costs, settings, tmp_path):
    for job in (Job("data"), Job("anchors"), Job("runtime", CODEC), Job("predictive", CODEC, "qr")):
        assert costs(JOINT).minutes(job) is None
    without = Cost(settings, tmp_path)
    assert without.minutes(Job("soft", CODEC)) is without.megabytes(Job("soft", CODEC)) is None


def test_weights_and_states_stay_on_disk(costs):
    found = costs(JOINT, QR, *HYPER)
    assert found.megabytes(Job("soft", CODEC)) == 3 + 20
    assert found.megabytes(Job("predictive", CODEC, "qr-hyper", 0)) == 3 + 2 * 20
    assert found.megabytes(Job("explore", CODEC, "qr")) == 2 * (20 + 20)  # states alone
    assert found.megabytes(Job("encode", CODEC, stage="soft")) is None


def test_a_time_limit_is_half_as_much_again_and_ten_minutes(costs):
    resources = {"most": {"minutes": 100}, "soft": {"minutes": 40}}
    found = costs(JOINT, soft={"training": {"steps": 2400}}, resources=resources)
    job = Job("soft", CODEC)
    expected = (2400 * 0.5 + 801 * HELD_BACK * 0.1) / 60
    assert found.minutes(job) == pytest.approx(expected)
    first = math.ceil(1.5 * expected) + 10  # 51
    asked = [found.need(job, "minutes", attempt) for attempt in (1, 2, 3)]
    assert asked == [first, 100, 100]
    memory = found.resources["soft"]["memory_mb"]
    assert found.need(job, "memory_mb", 1) == memory
    longer = costs(JOINT, soft={"training": {"steps": 10**6}}, resources=resources)
    assert longer.need(job, "minutes", 1) == 100
    other = dataclasses.replace(job, codec=CodecId("mbt2018-mean", "mse", 1))
    assert [found.need(other, "minutes", attempt) for attempt in (1, 2)] == [40, 80]


def test_widths_are_those_that_the_codecs_are_built_with():
    from compressai.zoo.image import cfgs

    known = [name for name in catalogue._MODELS if name in cfgs]
    assert len(known) == 6
    for name in known:
        for quality in range(1, catalogue.model_info(name).qualities + 1):
            built = cfgs[name][quality]
            assert catalogue.widths(name, quality)[: len(built)] == built
            assert catalogue.widths(name, quality, 64)[0] == 64
    assert catalogue.widths("a-plugin", 3, M=9) == (None, 9)


# The file


def test_merging_replaces_equal_rates_and_keeps_the_others(tmp_path):
    path = tmp_path / "deep" / "speed.csv"
    cost.merge(path, JOINT | QR)
    faster = {rate: dataclasses.replace(m, seconds=0.125) for rate, m in JOINT.items()}
    other = training("soft-joint", "qr", 9.0, 9.0, device="cuda", W=None)
    cost.merge(path, faster | other)
    assert cost.read(path) == QR | faster | other
    before = path.read_bytes()
    cost.merge(path, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["speed.csv"]


def test_writing_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "speed.csv"
    cost.merge(path, JOINT)
    before = path.read_bytes()

    def full(values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cost, "_texts", full)
    with pytest.raises(ConfigError, match=r"speed\.csv: No space left"):
        cost.merge(path, QR)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["speed.csv"]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "no number", "cut"])
def test_a_file_of_another_kind_is_refused_and_kept(tmp_path, content):
    path = tmp_path / "notes.csv"
    if content in ("no number", "cut"):
        cost.merge(path, JOINT)
        whole = path.read_text()
        content = whole.replace("0.5", "fast") if content == "no number" else whole[:-20]
    path.write_text(content)
    for use in (cost.read, lambda path: cost.merge(path, JOINT)):
        with pytest.raises(ConfigError, match=r"notes\.csv is no table of `qr speed`"):
            use(path)
    assert path.read_text() == content


def test_a_table_that_is_missing_is_named(settings, tmp_path):
    missing = Path(tmp_path / "none.csv")
    changed = overlay(settings, {"resources": {"speed": str(missing)}})
    with pytest.raises(ConfigError, match=r"none\.csv.*qr speed"):
        Cost(changed, tmp_path)
