"""The primary endpoint: what the variant that the configuration asks about gains of its own."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from qr.analyse.gains import ALL_QUALITIES, own_gains
from qr.analyse.inference import holm
from qr.measure.schema import KEY

_FOUND = ["gain_db", "gain_low_db", "gain_high_db", "gain_median_db", "gain_spread_db"]
_FOUND += ["gain_p", "gain_p_holm", "images", "seeds"]


def endpoint(images: pd.DataFrame, statistics: Mapping[str, Any]) -> pd.DataFrame:
    """Gain in PSNR of `endpoint.variant` over each of `endpoint.over`, trained alike.

    Args:
        images: images.csv.
        statistics: with the `endpoint`, as in the configuration.

    Returns:
        model, metric, quality (an int, or 'mean'), variant, over, and of `gains` gain_db,
        gain_low_db, gain_high_db, gain_median_db, gain_spread_db, gain_p, images, seeds;
        gain_p_holm (Holm's, of the means over qualities; NaN of their parts). No rows where
        nothing of it was measured.
    """
    asked, images = statistics["endpoint"], images[images["metric"] == "mse"]
    found = []
    for over in asked["over"]:
        gains = own_gains(images, over)
        found.append(gains[gains["variant"] == asked["variant"]].assign(over=over))
    frame = pd.concat(found)
    order = list(dict.fromkeys(images["model"]))
    frame = frame.sort_values("model", key=lambda names: names.map(order.index), kind="stable")
    frame["gain_p_holm"] = holm(frame["gain_p"].where(frame["quality"] == ALL_QUALITIES).to_list())
    return frame[[*KEY, "over", *_FOUND]].reset_index(drop=True)
