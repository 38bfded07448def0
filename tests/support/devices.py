"""Devices that a test runs on: the processor always, a GPU where there is one.

pytest -m gpu    # the same tests on the GPU alone
"""

import pytest
import torch


def cuda(count: int = 1):
    """A parameter that needs so many GPUs."""
    lacks = pytest.mark.skipif(torch.cuda.device_count() < count, reason=f"needs {count} GPUs")
    return pytest.param("cuda", marks=[pytest.mark.gpu, lacks])


DEVICES = ("cpu", cuda())
