"""Training through torch.compile: the same sums, and nothing else is compiled."""

import multiprocessing
import shutil
import signal

import pytest
import torch

from qr.config import settings
from qr.config.settings import COMPILED_FROM
from qr.decoders import variants
from qr.errors import ConfigError
from qr.train import fabric
from support.photographs import picture
from support.training import PHASES, new_phase, train_compiled

TRAINED = [name for name, variant in variants._VARIANTS.items() if variant.trains]


@pytest.fixture
def traced(monkeypatch):
    """torch.compile traces as ever, but runs what it traced without compiling it."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **how: compile_(f, backend="eager", **how))
    monkeypatch.setattr(fabric, "_require_compiler", lambda phase: None)
    yield
    torch._dynamo.reset()


def values(phase, x, seed=0):
    torch.manual_seed(seed)
    found = phase(x)
    found["loss"].backward()
    gradients = [p.grad.clone() for p in phase.parameters() if p.grad is not None]
    phase.zero_grad()
    return found["loss"].detach(), gradients


def check_the_same(phase):
    phase.train()
    x = torch.cat([picture(64, 64, k) for k in range(2)])
    plain = values(phase, x)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    with fabric.compiled(phase):
        fast = values(phase, x)
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    torch.testing.assert_close(fast, plain)
    assert not any("forward" in vars(module) for module in phase.modules())


@pytest.mark.parametrize("name", PHASES)
def test_every_phase_computes_the_same(name, traced):
    check_the_same(new_phase(name))


@pytest.mark.parametrize("variant", TRAINED)
def test_every_variant_computes_the_same(variant, traced):
    check_the_same(new_phase("predictive", variant=variant))


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "mbt2018", "cheng2020-attn"])
def test_every_family_computes_the_same(model, traced):
    check_the_same(new_phase("baseline", model))


def test_validation_is_not_compiled(traced):
    phase = new_phase("baseline").eval()
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    with fabric.compiled(phase), torch.no_grad():
        phase.validate(phase.known(picture(64, 64)))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before


def test_an_error_leaves_the_phase_as_it_was(traced):
    phase = new_phase("baseline")
    with pytest.raises(ZeroDivisionError), fabric.compiled(phase):
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in phase.modules())


def test_without_a_compiler_the_way_out_is_told(monkeypatch):
    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("no-such-compiler",))
    with pytest.raises(ConfigError, match=r"engine.compile: .*g\+\+.*false"):
        fabric.compiled(new_phase("baseline")).__enter__()


@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler")
def test_killed_and_resumed_in_another_process_it_ends_the_same(entries, tmp_path):
    def done(*arguments):
        """Each in a process that has compiled nothing yet."""
        process = multiprocessing.get_context("spawn").Process(
            target=train_compiled, args=arguments
        )
        process.start()
        process.join()
        return process.exitcode

    for name in ("undisturbed", "disturbed"):
        (tmp_path / name).mkdir()
    assert done(tmp_path / "undisturbed", entries) == 0
    assert done(tmp_path / "disturbed", entries, 3) == -signal.SIGKILL
    assert not (tmp_path / "disturbed" / "weights.pt").exists()
    assert done(tmp_path / "disturbed", entries) == 0
    one, other = (torch.load(tmp_path / n / "weights.pt") for n in ("undisturbed", "disturbed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_long_trainings_are_compiled():
    def wanted(steps, compile_):
        config = {
            "engine": {"compile": compile_},
            "training": {},
            "soft": {"training": {"steps": steps}},
        }
        return settings.of_soft_phase(config)["compile"]

    assert wanted(COMPILED_FROM, True) is True
    assert wanted(COMPILED_FROM - 1, True) is False
    assert wanted(COMPILED_FROM, False) is False
