"""How near a picture is to its original: measures of quality, on 8-bit pictures.

A measure added to `MEASURES` is measured, averaged, exported, compared and shown in the report.
Tensors are rounded to 8 bits first, so that a codec that returns floats is measured as a viewer
would see its picture.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measure:
    """One measure of quality.

    Attributes:
        name: as in CompressAI's evaluation, such as 'psnr-rgb'.
        label: what readers see.
        of: takes the levels, 0 to 255, of a decoded picture and of its original, both 1x3xHxW.
        column: of its values in the metrics files.
        unit: of the values; '' for a plain number.
        meaning: of the column, without the unit.
        lowest, highest: the range of the values; identical pictures reach its better end.
        digits: decimals that tell pictures apart.
        higher_is_better: which end of the range that is.
        min_side: pixels of a side below which there is no value.
        decibels: whether pictures are compared by -10 log10(1 - value), in a column of its own.
    """

    name: str
    label: str
    of: Callable[["Tensor", "Tensor"], float]
    column: str
    unit: str
    meaning: str
    lowest: float
    highest: float
    digits: int
    higher_is_better: bool = True
    min_side: int = 1
    decibels: bool = False

    def __call__(self, decoded: "Tensor", original: "Tensor") -> float:
        """The measure of a 1x3xHxW picture in [0, 1]; NaN where a side is below `min_side`.

        Raises:
            ValueError: the pictures are not two of one such shape.
        """
        shape = original.shape
        if decoded.shape != shape or len(shape) != 4 or shape[:2] != (1, 3):
            shapes = f"{tuple(decoded.shape)} and {tuple(shape)}"
            raise ValueError(f"expected two 1x3xHxW, not {shapes}")
        if min(shape[-2:]) < self.min_side:
            return math.nan
        from qr.data.tensors import to_8bit  # torch; tables and figures do without

        return self.of(to_8bit(decoded), to_8bit(original))

    @property
    def compared(self) -> str:
        """The column by which pictures and codecs are compared."""
        return f"{self.column}_db" if self.decibels else self.column

    @property
    def heading(self) -> str:
        """Label and unit of the column."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def told(self, value: float) -> str:
        """A value with label and unit, such as 'PSNR 31.20 dB'."""
        return f"{self.label} {value:.{self.digits}f} {self.unit}".rstrip()

    @property
    def columns(self) -> dict[str, str]:
        """Its columns in the metrics files, in order, and what each means."""
        small = self.min_side > 1
        empty = f"; empty where a side is under {self.min_side} pixels" if small else ""
        value = {self.column: f"{self.meaning}, {self.unit or 'linear'}{empty}"}
        return value | ({self.compared: self._in_decibels("")} if self.decibels else {})

    @property
    def columns_of_means(self) -> dict[str, str]:
        """The same for means over images, and one more where decibels can be averaged twice."""
        value = {self.column: f"mean of the images' {self.label}, {self.unit or 'linear'}"}
        if not self.decibels:
            return value
        mean = f"mean of the images' {self.label} in dB (the way gains are computed)"
        of_mean = self._in_decibels(" of the mean") + " (CompressAI's way)"
        return value | {self.compared: of_mean, f"{self.compared}_mean": mean}

    def _in_decibels(self, of: str) -> str:
        return f"-10 log10(1 - {self.column}){of}, dB"


def _psnr(decoded: "Tensor", original: "Tensor") -> float:
    """The squared error is averaged over the three channels together; the peak is 255."""
    mse = float((decoded - original).double().square().mean())
    return 10 * math.log10(255**2 / mse) if mse != 0 else math.inf


def _ms_ssim(decoded: "Tensor", original: "Tensor") -> float:
    """Averaged over RGB."""
    from pytorch_msssim import ms_ssim as implementation

    with _one_thread():
        return float(implementation(decoded / 255, original / 255, data_range=1.0))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Float sums depend on how threads divide them; results should not depend on the machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)


psnr = Measure(
    "psnr-rgb",
    "PSNR",
    _psnr,
    column="psnr_db",
    unit="dB",
    meaning="PSNR of the 8-bit RGB reconstruction",
    lowest=0.0,
    highest=math.inf,
    digits=2,
)
ms_ssim = Measure(
    "ms-ssim-rgb",
    "MS-SSIM",
    _ms_ssim,
    column="ms_ssim",
    unit="",
    meaning="MS-SSIM",
    lowest=0.0,
    highest=1.0,
    digits=4,
    min_side=161,  # five scales of an 11-tap window: (11 - 1) * 2**4 pixels are too few
    decibels=True,
)

# Their columns have this order in every metrics file.
MEASURES = (psnr, ms_ssim)
# By what a codec was trained for: the measure that it is judged by.
JUDGED_BY = {"mse": psnr, "ms-ssim": ms_ssim}


def measure(decoded: "Tensor", original: "Tensor") -> dict[str, float]:
    """Every measure of a 1x3xHxW picture in [0, 1], as columns of the metrics files."""
    row = {one.column: one(decoded, original) for one in MEASURES}
    return row | in_decibels(row)


def in_decibels(values: Any) -> dict[str, Any]:
    """The columns in dB that belong to a row or a table of values (or of means of them)."""
    return {one.compared: to_db(values[one.column]) for one in MEASURES if one.decibels}


def from_db(db: Any) -> Any:
    """The inverse of `to_db`."""
    return 1 - 10 ** (-db / 10)


def to_db(values: Any) -> Any:
    """-10 log10(1 - value) of a number, array or column; inf from 1 on, NaN stays NaN."""
    with np.errstate(divide="ignore"):
        db = -10 * np.log10(np.maximum(1 - np.asarray(values, dtype=float), 0))
    return float(db) if np.ndim(values) == 0 else db
