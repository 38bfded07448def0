"""The loop: resumed trainings equal undisturbed ones, and what goes wrong is told and survived."""

import math
import os
import random
import signal
import subprocess
import time
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from qr.codecs import weights
from qr.codecs.catalogue import CodecId
from qr.config.settings import overlay
from qr.data.feed import Data
from qr.decoders import variants
from qr.decoders.decoder import build_decoder
from qr.errors import CheckpointError, Diverged, Interrupted, TrainingError
from qr.measure.rows import Contender, decode_all, encode_all
from qr.train import fabric, loop
from qr.train.loop import Trainer
from qr.train.optimizers import OPTIMIZERS, annealed
from qr.train.seeds import derive_seed
from qr.train.state import StateFolder
from support.devices import DEVICES
from support.photographs import picture
from support.training import ENGINE, PHASES, SETTINGS, at_step, in_a_child, new_phase


@pytest.fixture
def new_trainer(entries, tmp_path):
    """Makes a trainer of a fresh phase; its state is in the folder of the given name."""

    def make(
        phase="predictive", folder="state", engine=(), identity="same", stop_at=math.inf, **settings
    ):
        phase = new_phase(phase) if isinstance(phase, str) else phase
        validation = torch.cat([picture(64, 64, 100 + k) for k in range(3)])
        state = StateFolder(tmp_path / folder, {"identity": identity})
        settings = overlay(SETTINGS, settings)
        data = Data(entries, validation)
        engine = ENGINE | dict(engine)
        return Trainer(phase, data, settings, engine, 11, state, "this training", stop_at)

    return make


def outcome(trainer):
    """Final weights and the log without its seconds."""
    progress = trainer.fit()
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in progress.rows]
    digest = weights.tensor_digest(trainer.phase.state_dict())
    return digest, rows, progress.finished, progress.best_step


SELDOM = {"save_every_seconds": 1e9}


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def save_at_every_third_step(trainer):
    """So that a kill costs steps, and they must be computed again."""
    save = trainer.state.save

    def sometimes(state, last=False):
        if last or state["progress"]["step"] % 3 == 0:
            save(state, last)

    trainer.state.save = sometimes
    return trainer


@pytest.mark.parametrize("phase", PHASES)
def test_killed_at_twenty_random_steps_and_resumed_it_ends_the_same(new_trainer, phase):
    steps = 26

    def trainer(folder):
        return save_at_every_third_step(new_trainer(phase, folder, steps=steps))

    expected = outcome(trainer("undisturbed"))
    rng = random.Random(phase)
    for step in sorted(rng.choices(range(steps), k=20)):
        status = in_a_child(lambda: at_step(trainer("killed"), step, kill).fit())  # noqa: B023
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert outcome(trainer("killed")) == expected


@pytest.mark.parametrize("phase", ["baseline", "predictive"])
def test_soap_resumes_exactly_between_its_changes_of_basis(new_trainer, phase):
    def trainer(name):
        return new_trainer(phase, name, optimizer="soap", steps=25)

    expected = outcome(trainer("undisturbed"))
    assert expected[0] != outcome(new_trainer(phase, "adam", steps=25))[0]
    for step in (1, 9, 10, 11, 23):
        status = in_a_child(lambda: at_step(trainer("killed"), step, kill).fit())  # noqa: B023
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert outcome(trainer("killed")) == expected


@pytest.mark.parametrize(
    "shape",
    [
        (3, 3, 3, 3),
        (8, 4, 5, 5),
        (160, 132, 1, 1),
        (160, 2, 3, 3),
        (2, 160, 7, 7),
        (5, 3, 1),
        (200,),
    ],
)
def test_soap_finds_the_minimum_whatever_the_shape_of_the_weight(shape):
    """A badly scaled parabola: on the way, each step of SOAP must leave the shape as it was."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(shape, generator=generator)
    scale = 10 ** torch.linspace(-1, 1, target.numel()).reshape(shape)
    weight = nn.Parameter(torch.zeros(shape))
    settings = {"learning_rate": 0.05, "soap": {"refresh": 10}}
    optimizer = OPTIMIZERS["soap"]([weight], settings)
    for _ in range(300):
        optimizer.zero_grad()
        (scale * (weight - target) ** 2).mean().backward()
        optimizer.step()
    assert (weight - target).abs().max() < 0.2 * target.abs().max()


def test_killed_at_random_moments_and_resumed_it_ends_the_same(new_trainer):
    """Also in the middle of validating and saving."""
    expected = outcome(new_trainer("soft joint", "undisturbed"))
    rng = random.Random(0)

    def doomed():
        trainer = new_trainer("soft joint")
        # Ends the process, no Python in between; other processes do not delay what it hits.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, rng.uniform(0.01, 0.4))
        trainer.fit()

    for _ in range(8):
        rng.random()
        in_a_child(doomed)
    assert outcome(new_trainer("soft joint")) == expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("phase", "number"),
    [*((phase, signal.SIGTERM) for phase in PHASES), ("predictive", signal.SIGINT)],
)
def test_asked_to_stop_it_saves_and_goes_on_later(new_trainer, phase, number, device):
    engine = {"accelerator": device} | SELDOM
    expected = outcome(new_trainer(phase, "undisturbed", engine))
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    for step in (1, 4, 9):
        stopped = at_step(
            new_trainer(phase, engine=engine), step, lambda: os.kill(os.getpid(), number)
        )
        with pytest.raises(Interrupted, match=f"stopped at step {step + 1}, state saved"):
            stopped.fit()
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert outcome(new_trainer(phase, engine=engine)) == expected


def test_a_signal_to_all_processes_of_the_job_stops_it_as_well(new_trainer):
    """So schedulers do it: those that read images must outlive the request."""
    expected = outcome(new_trainer(folder="undisturbed"))

    def asked():
        os.setpgid(0, 0)
        trainer = at_step(new_trainer(engine={"workers": 2}), 4, signal_the_group)
        with pytest.raises(Interrupted, match="stopped at step 5, state saved"):
            trainer.fit()

    def signal_the_group():
        # Not from here: readers know a signal of their parent's.
        subprocess.run(["sh", "-c", f"kill -s TERM -- -{os.getpgrp()}"])
        time.sleep(0.5)  # until a reader would be dead

    assert in_a_child(asked) == 0
    assert outcome(new_trainer()) == expected


def test_it_stops_when_its_time_is_up(new_trainer):
    import time

    expected = outcome(new_trainer(folder="undisturbed"))
    with pytest.raises(Interrupted, match="step 1,"):
        new_trainer(stop_at=time.monotonic()).fit()
    assert outcome(new_trainer(stop_at=time.monotonic() + 10_000)) == expected


def test_a_finished_training_is_not_repeated(new_trainer):
    expected = outcome(new_trainer())
    again = at_step(new_trainer(), 0, lambda: pytest.fail("trained again"))
    assert outcome(again) == expected


def test_a_damaged_state_costs_one_saving_and_changes_nothing(new_trainer, tmp_path, capsys):
    expected = outcome(new_trainer(folder="undisturbed"))
    with pytest.raises(Interrupted):
        at_step(new_trainer(), 6, terminate).fit()
    path = tmp_path / "state" / "state.pt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    assert outcome(new_trainer()) == expected
    assert "damaged" in capsys.readouterr().err


def test_a_state_of_something_else_is_not_continued(new_trainer):
    with pytest.raises(Interrupted):
        at_step(new_trainer(), 2, terminate).fit()
    with pytest.raises(CheckpointError, match="another identity"):
        new_trainer(identity="other").fit()


def test_two_trainings_in_one_folder_are_refused(new_trainer):
    def second():
        with pytest.raises(CheckpointError, match="another process"):
            new_trainer().fit()

    at_step(new_trainer(steps=2), 1, second).fit()


def test_a_saving_that_fails_ends_the_training_and_it_goes_on_once_there_is_room(
    new_trainer, monkeypatch
):
    expected = outcome(new_trainer(folder="undisturbed"))

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left"):
        at_step(new_trainer(), 5, lambda: monkeypatch.setattr(os, "fsync", full)).fit()
    monkeypatch.undo()
    assert outcome(new_trainer()) == expected


def test_where_nothing_is_random_a_second_run_is_the_same(new_trainer):
    assert outcome(new_trainer("soft joint", "a")) == outcome(new_trainer("soft joint", "b"))


def followed(trainer):
    """The trainer after its training, and what that saw and computed."""
    seen = SimpleNamespace(batches=[], types=set(), gradients=[])
    phase, train_step = trainer.phase, trainer.train_step
    phase.register_forward_pre_hook(lambda module, inputs: seen.batches.append(inputs[0]))
    for part in phase.modules():
        if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
            part.register_forward_hook(lambda m, i, out: seen.types.add((m.training, out.dtype)))

    def noted_step(batch):
        numbers = train_step(batch)
        gradients = [p.grad for p in phase.parameters_of(quantiles=False) if p.grad is not None]
        seen.gradients.append(torch.cat([gradient.flatten() for gradient in gradients]))
        return numbers

    trainer.train_step = noted_step
    seen.losses = [row["loss"] for row in trainer.fit().rows if row["split"] == "train"]
    return seen


@pytest.mark.parametrize("phase", PHASES)
def test_mixed_precision_sees_the_same_pixels_and_learns_nearly_the_same(new_trainer, phase):
    exact, mixed = (
        followed(new_trainer(phase, precision, {"precision": precision}, validate_every=1))
        for precision in ("32-true", "bf16-mixed")
    )
    pairs = list(zip(exact.batches, mixed.batches, strict=True))
    assert len(pairs) >= SETTINGS["steps"]
    assert all(torch.equal(one, other) for one, other in pairs)
    assert {dtype for _, dtype in exact.types} == {torch.float32}
    assert (True, torch.bfloat16) in mixed.types and (False, torch.bfloat16) not in mixed.types
    assert len(mixed.losses) == SETTINGS["steps"] and all(map(math.isfinite, mixed.losses))
    # At first, roundings at most add up: the longest way has 16 layers, each rounds its input,
    # weights and output by a 2^-8th, the loss is a square, and the gradient goes the way back.
    bound = 2 * 16 * 3 * 2**-8
    assert mixed.losses[0] == pytest.approx(exact.losses[0], rel=bound)
    difference = mixed.gradients[0] - exact.gradients[0]
    assert difference.norm() <= bound * exact.gradients[0].norm()
    # Later they also change what is learned; of so many weights, chance turns half the other way.
    for one, other in zip(exact.gradients, mixed.gradients, strict=True):
        assert nn.functional.cosine_similarity(one, other, dim=0) > 0.5


# As on a GPU: images that stay there, losses that are fetched together, channels side by side


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("phase", PHASES)
def test_images_that_stay_on_the_device_change_nothing(
    new_trainer, phase, precision, device, monkeypatch
):
    engine = {"accelerator": device, "precision": precision}
    expected = outcome(new_trainer(phase, "from workers", engine | {"device_cache_mb": 0}))
    monkeypatch.setattr(loop, "batches", lambda *_: pytest.fail("they come from workers"))
    assert outcome(new_trainer(phase, "staying", engine | {"device_cache_mb": 1})) == expected


def longest(trainer, monkeypatch):
    """The list, that is filled later, of how many steps were looked at together."""
    found, fetch = [], trainer._unread.fetch
    monkeypatch.setattr(
        trainer._unread, "fetch", lambda: (found.append(len(trainer._unread)), fetch())[1]
    )
    return found


def test_losses_that_are_fetched_together_are_the_same(new_trainer, monkeypatch):
    expected = outcome(new_trainer("soft joint", "undisturbed"))
    monkeypatch.setattr(fabric, "_TOGETHER", {"cpu": 2})
    for step in (1, 6):
        stopped = at_step(new_trainer("soft joint", engine=SELDOM), step, terminate)
        with pytest.raises(Interrupted, match=f"stopped at step {step + 1}, state saved"):
            stopped.fit()
    last = new_trainer("soft joint", engine=SELDOM)
    together = longest(last, monkeypatch)
    assert outcome(last) == expected
    assert max(together) == 2


@pytest.mark.parametrize(("every", "saved_at"), [(1e9, None), (1e-9, 4)])
def test_of_losses_fetched_together_the_bad_one_is_named_and_nothing_after_it_saved(
    new_trainer, tmp_path, monkeypatch, every, saved_at
):
    """Where each step is saved, each is looked at, too."""
    monkeypatch.setattr(fabric, "_TOGETHER", {"cpu": 50})
    phase = Parabola()
    phase.broken_at = 4
    trainer = new_trainer(phase, steps=40, engine={"save_every_seconds": every}, validate_every=30)
    with pytest.raises(Diverged, match=r"this training: the loss is nan at step 4") as caught:
        trainer.fit()
    saved = StateFolder(tmp_path / "state", {"identity": "same"}).load()
    assert (saved and saved["progress"]["step"]) == saved_at
    assert caught.value.step == 4


@pytest.mark.parametrize("phase", ["baseline", "predictive"])
def test_channels_side_by_side_learn_the_same_and_leave_weights_as_they_lay(
    new_trainer, phase, monkeypatch
):
    """In bfloat16, where sums may be taken in another order; resumed, the same to the bit."""

    def trainer(folder):
        return new_trainer(
            new_phase(phase, "bmshj2018-factorized"), folder, {"precision": "bf16-mixed"}
        )

    plain = outcome(trainer("plain"))
    monkeypatch.setattr(loop, "layout", lambda *_: torch.channels_last)
    changed, seen = trainer("changed"), []
    (first, *_) = [part for part in changed.phase.modules() if isinstance(part, nn.Conv2d)]
    first.register_forward_pre_hook(
        lambda part, inputs: seen.append(
            [x.is_contiguous(memory_format=torch.channels_last) for x in (part.weight, *inputs)]
        )
    )
    expected = outcome(changed)
    assert [True, True] in seen and [False, True] not in seen
    assert all(found.is_contiguous() for found in changed.phase.state_dict().values())
    losses = [[row["loss"] for row in rows] for _, rows, *_ in (plain, expected)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    with pytest.raises(Interrupted):
        at_step(trainer("stopped"), 5, terminate).fit()
    assert outcome(trainer("stopped")) == expected


def test_a_gpu_in_bfloat16_alone_wants_channels_side_by_side():
    wanted = {
        (device, precision): fabric.layout(torch.device(device), precision)
        for device in ("cpu", "cuda")
        for precision in ("32-true", "bf16-mixed")
    }
    assert [at for at, how in wanted.items() if how == torch.channels_last] == [
        ("cuda", "bf16-mixed")
    ]


@pytest.mark.parametrize("device", DEVICES)
def test_what_was_trained_on_a_device_codes_on_the_processor(
    new_trainer, entries, tmp_path, device
):
    phase = new_phase("baseline")
    engine = {"accelerator": device, "precision": "bf16-mixed", "device_cache_mb": 1}
    new_trainer(phase, engine=engine).fit()
    assert all(found.device.type == "cpu" for found in phase.state_dict().values())
    codec = phase.codec
    codec.model.update(force=True)
    coded = encode_all(codec, CodecId("mbt2018-mean", "mse", 1), entries, tmp_path)
    decoder = build_decoder(variants.get("baseline"), codec, 8).eval()
    # Each file holds a digest of its symbols, which decoding has to meet.
    rows = decode_all(codec, entries, coded, tmp_path, [Contender("baseline", None, decoder)])
    assert [row["image"] for row in rows] == [entry.name for entry in entries]


def test_worker_processes_change_nothing(new_trainer):
    assert outcome(new_trainer(folder="a")) == outcome(
        new_trainer(folder="b", engine={"workers": 1})
    )


# What is learned, and from what


class Parabola(nn.Module):
    """A phase whose loss is known: (w - 1)^2 for training, and (w - `best`)^2 to judge it."""

    name = "predictive"

    def __init__(self, best=1.0, start=0.0):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(start))
        self.best, self.batches, self.broken_at = best, [], None

    def parameters_of(self, quantiles):
        return [] if quantiles else [self.w]

    def forward(self, x):
        self.batches.append(x.clone())
        loss = (self.w - 1) ** 2
        if self.broken_at == len(self.batches) - 1:
            loss = loss * math.nan
        return {"loss": loss}

    def known(self, x):
        return x

    def validate(self, x):
        return {"loss": (self.w - self.best) ** 2}


def adam_on_parabola(steps, rate):
    """Adam by its formulas."""
    w = m = v = 0.0
    path = [w]
    for t in range(1, steps + 1):
        g = 2 * (w - 1)
        g = max(min(g, 1.0), -1.0)  # the norm is clipped to 1
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= rate * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        path.append(w)
    return path


def test_the_weights_of_the_best_validation_are_returned(new_trainer):
    """Training passes the point that validation likes best; it comes back."""
    phase = Parabola(best=0.25)
    progress = new_trainer(
        phase, steps=12, validate_every=1, learning_rate=0.05, plateau={"patience": 100}
    ).fit()
    path = adam_on_parabola(12, 0.05)
    best = min(range(13), key=lambda k: (path[k] - 0.25) ** 2)
    assert 0 < best < 12
    assert progress.best_step == best
    assert phase.w.item() == pytest.approx(path[best], abs=1e-5)
    assert not phase.training


def test_a_plateau_halves_the_learning_rate(new_trainer):
    phase = Parabola(best=-5)  # validation gets worse from the first step on
    trainer = new_trainer(
        phase, steps=6, validate_every=1, learning_rate=0.1, plateau={"patience": 1}
    )
    rows = [row for row in trainer.fit().rows if row["split"] == "validation"]
    # Step 1 sets the scheduler's best; from there on, every second validation is one too many.
    assert [row["learning_rate"] for row in rows] == pytest.approx(
        [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025]
    )


def test_a_cosine_rises_and_falls_with_the_step_alone(new_trainer):
    trainer = new_trainer(
        Parabola(best=-5), steps=40, validate_every=1, learning_rate=0.1, schedule="cosine"
    )
    rates = [row["learning_rate"] for row in trainer.fit().rows if row["split"] == "train"]
    expected = [0.1 * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * k / 37))) for k in range(38)]
    assert rates == pytest.approx([0.05, 0.1, *expected])
    assert (annealed(0, 1), annealed(39, 40), annealed(99_999, 100_000)) == pytest.approx(
        (1, 0.01, 0.01)
    )


def test_it_ends_when_validation_no_longer_improves(new_trainer):
    phase = Parabola(best=0.25)
    progress = new_trainer(
        phase, steps=200, validate_every=1, learning_rate=0.05, stop_patience=3
    ).fit()
    assert progress.finished == "no improvement in 3 validations"
    assert progress.step == progress.best_step + 3


def test_an_early_stop_survives_a_resume(new_trainer):
    settings = {"steps": 200, "validate_every": 1, "learning_rate": 0.05, "stop_patience": 3}
    expected = outcome(new_trainer(Parabola(0.25), "undisturbed", **settings))
    with pytest.raises(Interrupted):
        at_step(new_trainer(Parabola(0.25), **settings), 6, terminate).fit()
    assert outcome(new_trainer(Parabola(0.25), **settings)) == expected


class TwoEnds(Parabola):
    """What is minimised improves for ever, what is judged only at first."""

    def validate(self, x):
        values = super().validate(x)
        return values | {"objective": -self.steps_seen(), "loss": values["loss"]}

    def steps_seen(self):
        self.seen = getattr(self, "seen", 0) + 1
        return torch.tensor(float(self.seen))


def test_training_goes_on_while_what_it_minimises_improves(new_trainer):
    settings = {"steps": 30, "validate_every": 1, "learning_rate": 0.05, "stop_patience": 3}
    progress = new_trainer(TwoEnds(best=0.25), **settings).fit()
    assert (progress.step, progress.finished) == (30, "all steps done")
    assert progress.best_step < 20


# The average of the weights


def test_an_average_is_its_formula(new_trainer):
    """Of the weights that Adam gives, by hand; validation sees it, training does not."""
    trainer = new_trainer(Parabola(5.0), steps=12, validate_every=4, learning_rate=0.05, ema=0.9)
    rows = [row for row in trainer.fit().rows if row["split"] == "validation"]
    mean, expected = 0.0, {0: 25.0}
    for step, weight in enumerate(adam_on_parabola(12, 0.05)[1:], start=1):
        kept = min(0.9, (1 + step) / (10 + step))
        mean = kept * mean + (1 - kept) * weight
        expected[step] = (mean - 5.0) ** 2
    assert [row["loss"] for row in rows] == pytest.approx([expected[s] for s in (0, 4, 8, 12)])


@pytest.mark.parametrize("phase", ["baseline", "predictive"])
def test_an_average_resumes_exactly(new_trainer, phase):
    def trainer(name, ema=0.8):
        return new_trainer(phase, name, steps=12, ema=ema)

    expected = outcome(trainer("undisturbed"))
    assert expected[0] != outcome(trainer("without", None))[0]
    for step in (1, 5, 10):
        status = in_a_child(lambda: at_step(trainer("killed"), step, kill).fit())  # noqa: B023
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert outcome(trainer("killed")) == expected


def test_the_log_has_the_start_and_means_since_the_last_validation(new_trainer):
    rows = new_trainer(Parabola(1.0), steps=7, learning_rate=0.05).fit().rows
    assert [(row["step"], row["split"]) for row in rows] == [
        (0, "validation"), (3, "train"), (3, "validation"), (6, "train"), (6, "validation"),
        (7, "train"), (7, "validation"),
    ]  # fmt: skip
    losses = [(w - 1) ** 2 for w in adam_on_parabola(7, 0.05)]
    assert rows[0]["loss"] == pytest.approx(losses[0])
    assert rows[1]["loss"] == pytest.approx(sum(losses[:3]) / 3, abs=1e-4)
    assert rows[-2]["loss"] == pytest.approx(losses[6], abs=1e-4)
    assert rows[-1]["loss"] == pytest.approx(losses[7], abs=1e-4)
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)


def test_tensorboard_shows_the_log_once_also_after_a_kill(new_trainer, tmp_path):
    status = in_a_child(lambda: at_step(new_trainer(), 7, kill).fit())
    assert os.WIFSIGNALED(status)
    time.sleep(1.1)  # files of one second are read in the order of process numbers
    rows = new_trainer().fit().rows
    events = EventAccumulator(str(tmp_path / "state/events")).Reload()
    for split in ("train", "validation"):
        shown = [(e.step, e.value) for e in events.Scalars(f"loss/{split}")]
        logged = [(row["step"], row["loss"]) for row in rows if row["split"] == split]
        assert shown == [(step, pytest.approx(loss, rel=1e-6)) for step, loss in logged]


def test_no_steps_return_the_start(new_trainer):
    phase = Parabola(start=0.5)
    progress = new_trainer(phase, steps=0).fit()
    assert phase.w.item() == 0.5
    assert progress.finished


def test_all_variants_of_a_codec_see_the_same_batches(new_trainer):
    seen = {}
    for variant in ("decoder", "qr", "qr-hyper"):
        phase = new_phase("predictive", variant=variant)
        heard = seen.setdefault(variant, [])
        latent = phase.codec.latent
        phase.codec.latent = lambda x, phase=phase, heard=heard, latent=latent: (
            heard.append(x.clone()) if phase.training else None,
            latent(x),
        )[1]
        new_trainer(phase, variant, steps=4).fit()
    assert len(seen["qr"]) == 4
    assert not torch.equal(seen["qr"][0], seen["qr"][1])
    for others in zip(*seen.values(), strict=True):
        assert all(torch.equal(others[0], other) for other in others)


def test_a_resumed_training_goes_on_in_the_data(new_trainer):
    whole, first, second = Parabola(), Parabola(), Parabola()
    new_trainer(whole, "undisturbed").fit()
    with pytest.raises(Interrupted):
        at_step(new_trainer(first), 4, terminate).fit()
    new_trainer(second).fit()
    batches = first.batches + second.batches
    assert len(batches) == SETTINGS["steps"]
    assert all(torch.equal(a, b) for a, b in zip(whole.batches, batches, strict=True))


def test_a_seed_depends_on_every_part_and_their_order():
    seeds = {derive_seed(*parts) for parts in ((1, 2), (2, 1), (1, 2, 3), ("12",), (1,), ("1/2",))}
    assert len(seeds) == 5  # ("1/2") and (1, 2) are one text
    assert all(0 <= seed < 2**63 for seed in seeds)


# What goes wrong


def test_a_loss_that_is_not_a_number_ends_it_and_names_the_step(new_trainer, tmp_path):
    phase = Parabola()
    phase.broken_at = 5
    with pytest.raises(TrainingError, match=r"this training: the loss is nan at step 5") as caught:
        new_trainer(phase).fit()
    assert str(tmp_path / "state") in str(caught.value)
    saved = StateFolder(tmp_path / "state", {"identity": "same"}).load()
    path = adam_on_parabola(5, 1e-3)
    assert saved["progress"]["step"] == 5
    assert saved["weights"]["w"].item() == pytest.approx(path[5], abs=1e-6)
    assert saved["best"]["w"].item() == pytest.approx(path[3], abs=1e-6)


def test_a_gradient_that_is_not_a_number_ends_it_before_the_weights_change(new_trainer, tmp_path):
    class Exploding(Parabola):
        def forward(self, x):
            values = super().forward(x)
            if len(self.batches) == 3:  # sqrt has no derivative at zero; its value is fine
                values["loss"] = values["loss"] + ((self.w - self.w.detach()) ** 2).sqrt()
            return values

    with pytest.raises(TrainingError, match=r"gradient is not finite.*step 2"):
        new_trainer(Exploding()).fit()
    saved = StateFolder(tmp_path / "state", {"identity": "same"}).load()
    assert saved["weights"]["w"].item() == pytest.approx(adam_on_parabola(2, 1e-3)[2], abs=1e-6)


def test_a_validation_that_is_not_a_number_keeps_the_last_good_weights(new_trainer, tmp_path):
    path = adam_on_parabola(6, 1e-3)

    class Fragile(Parabola):
        def validate(self, x):
            return {"loss": super().validate(x)["loss"] * (math.nan if self.w > path[5] else 1)}

    for _ in range(3):  # starting it again does not make it worse
        with pytest.raises(TrainingError, match="validation loss is nan at step 6"):
            new_trainer(Fragile()).fit()
    saved = StateFolder(tmp_path / "state", {"identity": "same"}).load()
    assert saved["best"]["w"].item() == pytest.approx(path[3], abs=1e-6)


def test_a_real_codec_that_diverges_says_so(new_trainer):
    phase = new_phase("baseline")
    with pytest.raises(TrainingError, match=r"not finite|is (nan|inf)"):
        new_trainer(phase, steps=300, learning_rate=1e6, clip_grad_norm=1e9).fit()
