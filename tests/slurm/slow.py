"""A plugin that makes training last, whatever the machine: faults need something to hit.

Seconds for each step are in the environment, so that results do not depend on them.
"""

import os
import sys
import time

training = sys.modules.get("qr.train.loop")
pause = float(os.environ.get("QR_TEST_PAUSE", "0"))
if training and pause:
    train_step = training.Trainer._train_step

    def slow_step(self, batch):
        time.sleep(pause)
        train_step(self, batch)

    training.Trainer._train_step = slow_step
