"""What each trained decoder gains in the mean over a codec's qualities."""

import pandas as pd

from qr.analyse.gains import CONTROL, REFERENCE, gains, means_of_trained, own_gains


def mean_gains(images: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """By what it is over: the untouched codec, and the same training without a rectifier."""
    found = {REFERENCE: gains(images, REFERENCE), CONTROL: own_gains(images)}
    return {over: means_of_trained(table) for over, table in found.items()}
