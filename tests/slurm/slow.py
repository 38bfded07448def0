"""A plugin that makes training last, whatever the machine: faults need something to hit.

Seconds for each step are in the environment, so that results do not depend on them.
"""

import os
import sys
import time

phases = sys.modules.get("qr.train.phases")
pause = float(os.environ.get("QR_TEST_PAUSE", "0"))
if phases and pause:
    from torch.nn.modules.module import register_module_forward_pre_hook

    def slow(module, _):
        if isinstance(module, phases.Phase) and module.training:
            time.sleep(pause)

    register_module_forward_pre_hook(slow)
