"""What `engine.precision: auto` stands for. Free of torch.

bf16-mixed is faster where what trains has units for bfloat16, and slower than 32-true on most
processors that have none.
"""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FULL, MIXED = "32-true", "bf16-mixed"
CPUINFO = Path("/proc/cpuinfo")  # of Linux
AMPERE = (8, 0)  # the first compute capability with bfloat16

_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux calls the units


def resolve(
    config: Mapping[str, Any],
    earlier: Iterable[Mapping[str, Any]] = (),
    elsewhere: bool = False,
    cpuinfo: Path = CPUINFO,
) -> dict[str, Any]:
    """The configuration with a precision in place of `auto`.

    Args:
        earlier: what the version was begun or finished with; the first that has a precision
            settles it, whatever this machine is like. Not looked at where none is needed.
        elsewhere: jobs run on other nodes. If they ask for GPUs and there is none here, theirs
            are taken to have bfloat16.
    """
    if config["engine"]["precision"] != "auto":
        return dict(config)
    recorded = (_precision(other) for other in earlier)
    found = next((name for name in recorded if name in (FULL, MIXED)), None)
    if found is None:
        accelerator = config["engine"]["accelerator"]
        found = MIXED if _has_bfloat16(accelerator, elsewhere, cpuinfo) else FULL
    return {**config, "engine": {**config["engine"], "precision": found}}


def _precision(config: Mapping[str, Any]) -> Any:
    engine = config.get("engine")
    return engine.get("precision") if isinstance(engine, Mapping) else None


def _has_bfloat16(accelerator: str, elsewhere: bool, cpuinfo: Path) -> bool:
    """Whether what trains has units for it, as far as that can be seen from here."""
    if accelerator != "cpu":
        gpus = capabilities()
        if gpus:
            return min(gpus) >= AMPERE  # a job may get any
        if elsewhere or accelerator == "cuda":
            return True
    return bool(processor_has_bfloat16(cpuinfo))


def processor_has_bfloat16(cpuinfo: Path = CPUINFO) -> bool | None:
    """Whether this processor has units for bfloat16; None where the system does not say."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()}
    return not flags.isdisjoint(_FLAGS) if flags else None


def capabilities() -> list[tuple[int, ...]]:
    """Compute capabilities of the GPUs here, by NVIDIA's driver; none without it."""
    command = ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return [tuple(map(int, line.split("."))) for line in done.stdout.split()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
