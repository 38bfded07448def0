"""What a result depends on: code, configuration, machine. Free of torch."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "torch",
    "torchvision",
    "compressai",
    "pytorch-msssim",
    "lightning",
    "pytorch-optimizer",
    "safetensors",
    "numpy",
    "pandas",
    "pillow",
    "matplotlib",
    "bjontegaard",
    "scikit-image",
    "snakemake",
    "pytest-benchmark",
)
_PACKAGE = Path(__file__).parent


def git_commit() -> tuple[str, bool | None]:
    """The commit of the source tree, and whether files differ from it or qr has more.

    ("unknown", None) where git cannot say, as outside of a checkout. Results and configuration
    overlays that the run itself writes are not looked at.
    """
    try:
        commit = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!results")
        added = _git("ls-files", "--others", "--exclude-standard", "--", f"{_PACKAGE.name}/*.py")
        return commit, bool(changed or added)
    except (OSError, subprocess.CalledProcessError):
        return "unknown", None


def commit_date() -> str:
    """Date of the commit of the source tree, ISO 8601; today's outside a git checkout."""
    try:
        return _git("show", "--no-patch", "--format=%cs", "HEAD")
    except (OSError, subprocess.CalledProcessError):
        return datetime.now(UTC).date().isoformat()


def _git(*arguments: str) -> str:
    # Also a checkout that somebody else owns, as in a container: it is only read.
    command = ["git", "-C", str(_PACKAGE.parent), "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def packages() -> dict[str, str]:
    """Versions of the packages that numbers depend on; those that are missing are left out."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Processor, cores, memory in GiB, operating system; GPUs are named by the jobs' own rows."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
