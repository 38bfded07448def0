"""The search for alpha, and that a killed exploration ends as an undisturbed one."""

import math
import os
import random
import signal

import pandas as pd
import pytest

from qr.codecs import weights
from qr.codecs.catalogue import LMBDA, CodecId
from qr.config import precision
from qr.config.search import STRATEGIES, bracket, grid, sweep
from qr.config.settings import overlay
from qr.data.manifests import write_manifest
from qr.errors import CheckpointError, ResultsError, TrainingError
from qr.train import phases
from qr.train.explore import Choice, Exploration, read_choice
from qr.train.fabric import tell_if_slow
from qr.train.state import _read
from support.codecs import fresh_codec
from support.config import SMALL
from support.training import in_a_child, run_of


@pytest.mark.parametrize(
    ("start", "factor", "least", "expected"),
    [
        (1.0, 0.1, 0.01, [1.0, 0.1, 0.01]),
        (10.0, 0.1, 1e-5, [10.0, 1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5]),
        (1.0, 0.5, 0.3, [1.0, 0.5]),
        (1.0, 0.1, 1.0, [1.0]),
        (1.0, 0.1, 5.0, [1.0]),
    ],
)
def test_the_grid_goes_down_to_its_end(start, factor, least, expected):
    assert grid({"start": start, "factor": factor, "min": least}) == expected


def asked(search, losses):
    """Which indices a search evaluates, in order, each once."""
    seen = {}

    def loss(index):
        assert 0 <= index < len(losses)
        return seen.setdefault(index, losses[index])

    search(len(losses), loss)
    return list(seen)


def test_a_sweep_tries_everything_in_order():
    assert asked(sweep, [5, 4, 3]) == [0, 1, 2]


@pytest.mark.parametrize("count", range(1, 16))
def test_a_bracket_finds_every_single_valley(count):
    for valley in range(count):
        losses = [abs(k - valley) + 0.01 * k for k in range(count)]
        found = asked(bracket, losses)
        assert min(found, key=losses.__getitem__) == min(range(count), key=losses.__getitem__)


def test_a_bracket_leaves_what_fails_behind():
    """Large alphas may not be trainable at all."""
    for failing in range(7):
        losses = [math.inf] * failing + [float(k) for k in range(8 - failing)]
        found = asked(bracket, losses)
        assert min(losses[k] for k in found) == 0.0, failing


def test_a_bracket_needs_fewer_trials():
    losses = [abs(k - 9) for k in range(14)]
    assert len(asked(bracket, losses)) < 10


# Real explorations, tiny


@pytest.fixture
def make_run(small_config, entries, tmp_path):
    """A run whose manifests are the small pictures; its state is in the folder of that name."""
    for role in ("baseline", "exploration", "predictive"):
        write_manifest(tmp_path / "data" / f"{role}.csv", entries[:4])
    write_manifest(tmp_path / "data" / "validation.csv", entries[4:])

    def make(state, **changes):
        config, codec_id = overlay(small_config, changes), CodecId("mbt2018", "mse", 1)
        data, kept = tmp_path / "data", tmp_path / state
        return run_of("explore", config, codec_id, data, kept)

    return make


def explored(run, variant="qr"):
    return Exploration(run, fresh_codec("mbt2018"), variant).explore()


@pytest.mark.parametrize(
    ("name", "units", "told"),
    [
        ("bf16-mixed", False, 1),
        ("bf16-mixed", True, 0),
        ("bf16-mixed", None, 0),
        ("32-true", False, 0),
    ],
)
def test_a_job_says_once_that_its_precision_is_slow_here_and_goes_on(
    make_run, monkeypatch, capfd, name, units, told
):
    """Whether the processor has units for bfloat16 is made up; None: it is not known."""
    monkeypatch.setattr(precision, "processor_has_bfloat16", lambda: units)
    tell_if_slow.cache_clear()
    assert len(explored(make_run("state", engine={"precision": name}))) > 2
    assert capfd.readouterr().err.count(f"trains in {name} on ") == told


def test_a_state_of_another_lambda_is_not_continued(make_run, monkeypatch):
    """It is in the catalogue, not in the settings of a training."""
    explored(make_run("state"))
    monkeypatch.setitem(LMBDA, "mse", (0.5,) * 8)
    with pytest.raises(CheckpointError, match="another lmbda"):
        explored(make_run("state"))


def test_the_table_has_each_trials_course_and_its_best_is_chosen(make_run):
    codec = fresh_codec("mbt2018")
    before = weights.codec_digest(codec)
    run = make_run("state", explore={"learning_rates": [1e-3, 1e-4]})
    table = Exploration(run, codec, "qr").explore()
    assert weights.codec_digest(codec) == before
    assert list(table.columns) == [
        "model", "metric", "quality", "variant", "strategy", "trial", "learning_rate", "alpha",
        "phase", "epoch", "loss", "bpp", "psnr_db", "ms_ssim_db", "feature_distance",
        "stop_reason", "chosen",
    ]  # fmt: skip
    trials = table.groupby("trial")
    # Both alphas at the first rate, then the other rate at the better alpha.
    tried = [(t["learning_rate"].iloc[0], t["alpha"].iloc[0]) for _, t in trials]
    assert tried[:2] == [(1e-3, 1.0), (1e-3, 0.1)]
    predictive = table[table["phase"] == "predictive"]
    after = predictive[predictive["epoch"] > 0]  # 0 is before training
    best = after.groupby("trial")["loss"].min()
    assert tried[2:] == [(1e-4, tried[best[:2].idxmin()][1])]
    assert table.loc[table["chosen"], "trial"].unique().tolist() == [best.idxmin()]
    for _, trial in trials:
        assert trial["epoch"].max() <= SMALL["explore"]["max_epochs"]
        assert trial["stop_reason"].notna().tolist() == [False] * (len(trial) - 1) + [True]
    # R + lambda * D, in bits per pixel and of 8-bit pictures.
    mse = 255**2 / 10 ** (predictive["psnr_db"] / 10)
    expected = predictive["bpp"] + run.settings["lmbda"] * mse
    pd.testing.assert_series_equal(predictive["loss"], expected, check_names=False, rtol=1e-4)


def diverging(monkeypatch, alpha):
    """Training by that alpha or more gives no finite loss from its third step on."""
    steps = []
    forward = phases.PredictivePhase.forward

    def wrapped(phase, x):
        values = forward(phase, x)
        if phase.training and phase.alpha >= alpha:
            steps.append(phase.alpha)
            values["loss"] = values["loss"] * (math.nan if len(steps) > 2 else 1.0)
        return values

    monkeypatch.setattr(phases.PredictivePhase, "forward", wrapped)


def test_an_alpha_that_cannot_be_trained_is_a_trial_like_others_and_not_chosen(
    make_run, monkeypatch
):
    diverging(monkeypatch, 1.0)
    table = explored(make_run("state"))
    failed, other = (trial for _, trial in table.groupby("trial"))
    assert failed["alpha"].unique().tolist() == [1.0]
    assert failed["stop_reason"].iloc[-1] == "diverged at step 2"
    assert failed["loss"].notna().all() and not failed["chosen"].any()
    assert other["chosen"].all()


def test_where_every_alpha_fails_it_is_told(make_run, monkeypatch):
    diverging(monkeypatch, 0.0)
    with pytest.raises(TrainingError, match=r"mbt2018_mse_q1, qr: every trial diverged; lower"):
        explored(make_run("state"))


def test_a_trial_warms_up_no_longer_than_the_real_training(make_run):
    run = make_run("state", soft={"training": {"steps": 1}})
    table = explored(run)
    longest = table.groupby("phase")["epoch"].max()
    assert SMALL["explore"]["max_epochs"] > 1
    assert longest["soft"] == 1 < longest["predictive"]


@pytest.mark.parametrize("variant", ["decoder", "qr-picture"])
def test_what_has_no_feature_distance_has_no_alpha_to_search(make_run, variant):
    run = make_run("state", soft={"codec": "frozen"}, explore={"learning_rates": [1e-3]})
    table = explored(run, variant)
    assert table["alpha"].unique().tolist() == [1.0]
    assert table["phase"].unique().tolist() == ["predictive"]


def test_killed_at_twenty_random_steps_an_exploration_ends_the_same(make_run):
    """kill -9 in both phases of both trials; each start goes on where the one before was."""

    def run(state):
        explore = {"epoch_steps": 5, "max_epochs": 3, "patience": 3}
        return make_run(state, explore=explore, soft={"training": {"steps": 15}})

    expected = explored(run("undisturbed"))
    rng = random.Random(0)
    for _ in range(20):
        fatal = rng.randrange(1, 7)
        status = in_a_child(lambda: explored_until(fatal, run("killed")))  # noqa: B023
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert len(list(run("killed").state.rglob("state.pt"))) == 4  # the last trial's last phase
    pd.testing.assert_frame_equal(explored(run("killed")), expected, check_exact=True)
    weights_after = [final_weights(run(state)) for state in ("undisturbed", "killed")]
    assert weights_after[0] == weights_after[1]


def final_weights(run):
    """Digest of what each training of an exploration ended with."""
    return {
        path.relative_to(run.state): weights.tensor_digest(_read(path)["state"]["best"])
        for path in run.state.rglob("state.pt")
    }


def explored_until(fatal, run):
    """Explore, and be killed when the training step number `fatal` from now on begins."""
    steps = 0
    for kind in (phases.SoftPhase, phases.PredictivePhase):
        train_forward = kind.forward

        def forward(self, x, train_forward=train_forward):
            nonlocal steps
            steps += self.training
            if steps == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return train_forward(self, x)

        kind.forward = forward
    explored(run)


# The choice


def write_table(path, rows):
    columns = ["metric", "alpha", "learning_rate", "phase", "loss", "chosen"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_the_choice_is_read_back(tmp_path):
    path = write_table(
        tmp_path / "e.csv",
        [("mse", 1.0, 1e-4, "soft", 3.0, False), ("mse", 0.1, 1e-3, "soft", 2.0, True)],
    )
    assert read_choice(path) == Choice(0.1, 1e-3)


def test_a_table_that_chooses_nothing_is_named(tmp_path):
    path = write_table(tmp_path / "e.csv", [("mse", 1.0, 1e-4, "soft", 3.0, False)])
    with pytest.raises(ResultsError, match=r"e\.csv"):
        read_choice(path)


@pytest.mark.parametrize("content", ["", "not a table\n1\n"])
def test_a_file_that_is_no_exploration_is_named(tmp_path, content):
    path = tmp_path / "e.csv"
    path.write_text(content)
    with pytest.raises(ResultsError, match=r"e\.csv"):
        read_choice(path)
    with pytest.raises(ResultsError, match=r"none\.csv"):
        read_choice(tmp_path / "none.csv")


def test_strategies_have_the_names_of_the_configuration():
    assert set(STRATEGIES) == {"sweep", "bracket"}
