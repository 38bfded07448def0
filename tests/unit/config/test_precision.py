"""What `engine.precision: auto` becomes, on machines of any kind: what they are is made up."""

import copy

import pytest

from qr.config import load, precision
from qr.config.settings import overlay
from support.paths import ROOT

# As Linux has them: of x86 processors; of one of ARM's, in its own words.
PROCESSORS = {
    "genoa": ("flags\t\t: fpu sse2 avx512f avx512_bf16 avx512_vnni\n", "bf16-mixed"),
    "sapphire-rapids": ("flags\t\t: fpu avx512f amx_bf16 amx_tile\n", "bf16-mixed"),
    "milan": ("flags\t\t: fpu sse2 avx2 fma\nbugs\t\t: avx512_bf16\n", "32-true"),
    "graviton": ("Features\t: fp asimd sve bf16\n", "32-true"),
}


@pytest.fixture
def base():
    return load.load(ROOT / "config.yaml")


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Installs a driver that answers with what it is given; at first there is none."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(answer, status=0):
        driver = tmp_path / "nvidia-smi"
        driver.write_text(f"#!/bin/sh\nprintf '{answer}'\nexit {status}\n")
        driver.chmod(0o755)

    return install


def resolved(base, folder, processor="milan", accelerator="cpu", **options):
    """The precision that `auto` becomes."""
    cpuinfo = folder / "cpuinfo"
    if processor is not None:
        cpuinfo.write_text(f"processor\t: 0\n{PROCESSORS[processor][0]}\n" * 2)
    engine = {"accelerator": accelerator, "precision": "auto"}
    config = overlay(base, {"engine": engine})
    before = copy.deepcopy(config)
    found = precision.resolve(config, cpuinfo=cpuinfo, **options)
    assert config == before
    assert overlay(found, {"engine": {"precision": "auto"}}) == config
    return found["engine"]["precision"]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_a_processor_is_known_by_its_flags(base, tmp_path, processor):
    assert resolved(base, tmp_path, processor) == PROCESSORS[processor][1]


def test_where_the_system_says_nothing_nothing_is_claimed(base, tmp_path):
    assert resolved(base, tmp_path, None) == "32-true"
    assert precision.processor_has_bfloat16(tmp_path / "cpuinfo") is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("8.0\\n", "bf16-mixed"), ("12.0\\n9.0\\n", "bf16-mixed"), ("7.5\\n", "32-true"),
     ("9.0\\n7.0\\n", "32-true")],
)  # fmt: skip
@pytest.mark.parametrize("accelerator", ["auto", "cuda"])
def test_a_gpu_is_known_by_its_capability_the_oldest_counts(
    base, tmp_path, gpus, accelerator, answer, expected
):
    gpus(answer)
    for processor in ("genoa", "milan"):
        for elsewhere in (False, True):
            options = {"accelerator": accelerator, "elsewhere": elsewhere}
            assert resolved(base, tmp_path, processor, **options) == expected
    others = {name: PROCESSORS[name][1] for name in ("genoa", "milan")}
    assert {name: resolved(base, tmp_path, name) for name in others} == others


@pytest.mark.parametrize("driver", [None, ("", 9), ("Failed to initialize NVML\\n", 0)])
def test_without_a_gpu_here_it_is_that_of_the_jobs(base, tmp_path, gpus, driver):
    if driver:
        gpus(*driver)
    found = {
        (accelerator, elsewhere): resolved(
            base, tmp_path, accelerator=accelerator, elsewhere=elsewhere
        )
        for accelerator in ("cpu", "auto", "cuda")
        for elsewhere in (False, True)
    }
    assert {key for key, name in found.items() if name == "bf16-mixed"} == {
        ("auto", True), ("cuda", True), ("cuda", False),
    }  # fmt: skip


@pytest.mark.parametrize("said", ["32-true", "bf16-mixed"])
def test_what_is_said_stays(base, tmp_path, said):
    config = overlay(base, {"engine": {"precision": said}})

    def never():
        raise AssertionError("an earlier configuration does not matter")
        yield

    assert precision.resolve(config, never(), cpuinfo=tmp_path / "none") == config


@pytest.mark.parametrize("kept", ["32-true", "bf16-mixed"])
def test_the_first_that_settled_it_counts_on_any_processor(base, tmp_path, kept):
    other = {"32-true": "bf16-mixed", "bf16-mixed": "32-true"}[kept]
    earlier = [{}, {"engine": {"precision": "auto"}}, {"engine": None}]
    earlier += [{"engine": {"precision": name}} for name in ("64-true", kept, other)]
    for processor in PROCESSORS:
        assert resolved(base, tmp_path, processor, earlier=earlier) == kept


def test_whoever_loads_a_configuration_never_sees_auto(tmp_path, gpus):
    gpus("7.0\\n")
    path = tmp_path / "mine.yaml"
    path.write_text("engine: {accelerator: auto, precision: auto}\n")
    assert load.load(ROOT / "config.yaml", path)["engine"]["precision"] == "32-true"
    (tmp_path / "nvidia-smi").unlink()
    found = load.load(ROOT / "config.yaml", path, elsewhere=True)
    assert found["engine"]["precision"] == "bf16-mixed"
