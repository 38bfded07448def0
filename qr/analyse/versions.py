"""What two versions of the results say of the same decoders, picture by picture."""

import math
from collections.abc import Iterator

import pandas as pd

from qr.analyse.gains import (
    CONTROL,
    REFERENCE,
    by_seed,
    difference,
    differences,
    has_own_gain,
)
from qr.analyse.inference import interval
from qr.errors import ResultsError
from qr.measure.schema import KEY, POINT

_EQUAL = 1e-9  # dB: no more than last bits


def compare(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """How decoders moved from one version to another.

    Args:
        before, after: images.csv of each.

    Returns:
        model, metric, quality, variant; bits_percent, the change of all files' bytes; what:
        quality (in dB, by the measure that the codec is judged by), gain (over the baseline) or
        own gain (over the control); before_db, after_db, of the images and seeds that both have;
        change_db, change_low_db, change_high_db, images, seeds; moved: whether the interval leaves
        zero out.

    Raises:
        ResultsError: they have no decoder and picture in common.
    """
    rows = [
        (*key, bits, what, *_moved(old, new, change))
        for key, bits, tables in _both(before, after)
        for what, (old, new) in tables.items()
        if not (change := difference(new, old)).empty
    ]
    if not rows:
        raise ResultsError("the two versions have no decoder and picture in common")
    columns = ["bits_percent", "what", "before_db", "after_db", "change_db", "change_low_db"]
    return pd.DataFrame(
        rows, columns=[*KEY, *columns, "change_high_db", "images", "seeds", "moved"]
    )


_Tables = dict[str, tuple[pd.DataFrame, pd.DataFrame]]


def _both(before: pd.DataFrame, after: pd.DataFrame) -> Iterator[tuple[tuple, float, _Tables]]:
    """Each decoder that both have: its key, how its bits changed, and what to compare."""
    points = dict(list(after.groupby(POINT)))
    for point, old in before.groupby(POINT, sort=False):
        new = points.get(point)
        if new is None:
            continue
        for variant in old["variant"].unique():
            if variant in set(new["variant"]):
                one, other = _tables(old, variant), _tables(new, variant)
                shared = {what: (one[what], other[what]) for what in one if what in other}
                yield (*point, variant), _bits(old, new, variant), shared


def _tables(rows: pd.DataFrame, variant: str) -> dict[str, pd.DataFrame]:
    """Seeds × images, dB, by what they say, as far as there is what a variant is compared with."""
    others = set(rows["variant"]) - {variant}
    return {"quality": by_seed(rows, variant)} | {
        what: differences(rows, variant, reference)
        for what, reference in (("gain", REFERENCE), ("own gain", CONTROL))
        if reference in others and (what == "gain" or has_own_gain(rows, variant))
    }


def _bits(old: pd.DataFrame, new: pd.DataFrame, variant: str) -> float:
    """Change of the bytes of the images that both have, percent."""
    first, second = (
        rows[rows["variant"] == variant].drop_duplicates("image").set_index("image")["bytes"]
        for rows in (old, new)
    )
    images = first.index.intersection(second.index)
    if images.empty:
        return math.nan
    return 100 * (second[images].sum() / first[images].sum() - 1)


def _moved(old: pd.DataFrame, new: pd.DataFrame, change: pd.DataFrame) -> tuple:
    found = interval(change)
    means = [_mean(side, change) for side in (old, new)]
    beyond = found.low > _EQUAL or found.high < -_EQUAL
    return (*means, found.value, found.low, found.high, found.images, found.seeds, beyond)


def _mean(side: pd.DataFrame, shared: pd.DataFrame) -> float:
    """Over shared seeds and images; what was not trained has one row, for all seeds."""
    rows = side if len(side) == 1 else side.loc[shared.index]
    return float(rows[shared.columns].mean(axis=None))
