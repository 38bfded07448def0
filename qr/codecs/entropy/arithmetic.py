"""What chooses the entropy coder's tables, and so where a file can be decoded.

A table is looked up by a scale that the model computes. Both sides must find the same one, or all
that follows is lost; yet in float32, processors differ in the fifth digit. In float64 they differ
in the fourteenth, and a scale hardly ever lies as near as that to the border between two tables.
An encoder that knows the scales avoids it there, too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from qr.codecs.catalogue import FLOAT32
from qr.codecs.compressai import Model

_MARGIN = 1e-10  # of a scale, relative; some 2,000 times what was seen of processors


@contextmanager
def chosen(model: Model, arithmetic: str) -> Iterator[None]:
    """Let `model` code in `arithmetic`; g_a and g_s stay as they are."""
    if arithmetic == FLOAT32:
        yield
    else:
        with _double(model):
            yield


@contextmanager
def _double(model: Model) -> Iterator[None]:
    """All but g_a and g_s in float64, also what the model creates while it codes."""
    kept = [
        (tensor, tensor.data) for tensor in _entropy_tensors(model) if tensor.is_floating_point()
    ]
    default = torch.get_default_dtype()
    hooks = (
        model.g_a.register_forward_pre_hook(lambda module, x: torch.set_default_dtype(default)),
        model.g_a.register_forward_hook(_doubled),
    )
    torch.set_default_dtype(torch.float64)
    try:
        for tensor, data in kept:
            tensor.data = data.double()
        yield
    finally:
        for tensor, data in reversed(kept):  # one that occurs twice was kept as it is first
            tensor.data = data
        torch.set_default_dtype(default)
        for hook in hooks:
            hook.remove()


def _doubled(_module: nn.Module, _inputs: tuple, y: Tensor) -> Tensor:
    torch.set_default_dtype(torch.float64)
    return y.double()


def _entropy_tensors(model: Model) -> Iterator[Tensor]:
    """Parameters and buffers outside of g_a and g_s."""
    transforms = {module for part in (model.g_a, model.g_s) for module in part.modules()}
    for module in model.modules():
        if module not in transforms:
            yield from chain(module.parameters(recurse=False), module.buffers(recurse=False))


class Tables:
    """The distributions of a Gaussian conditional, one for each of its scales.

    Args:
        scales: K standard deviations that rise, the conditional's `scale_table`.
        cumulative: K x L, each row's beginning a distribution, its `quantized_cdf`.
        lengths: of the rows.
        offsets: the symbols that the rows begin with.
    """

    def __init__(self, scales: Tensor, cumulative: Tensor, lengths: Tensor, offsets: Tensor):
        # The last one is for all that is larger than the last but one.
        self._borders = scales[:-1].double()
        self._lengths, self._offsets = lengths.tolist(), offsets.tolist()
        rows = zip(cumulative, self._lengths, strict=True)
        self._rows = [row[:length].tolist() for row, length in rows]

    def indexes(self, scales: Tensor) -> Tensor:
        """Which table codes a symbol of each scale, as CompressAI's `build_indexes` finds it."""
        return torch.searchsorted(self._borders, scales.contiguous())

    def doubtful(self, scales: Tensor) -> Tensor:
        """Where another processor might find another table."""
        return self.indexes(scales * (1 - _MARGIN)) != self.indexes(scales * (1 + _MARGIN))

    def arguments(self, indexes: Tensor) -> tuple[list[int], list[list[int]], list[int], list[int]]:
        """Indexes, rows, lengths and offsets for CompressAI's coder, of the tables in use alone.

        It copies what it is given, in every call.
        """
        used, places = indexes.flatten().unique(return_inverse=True)
        chosen = used.tolist()
        return (
            places.tolist(),
            [self._rows[i] for i in chosen],
            [self._lengths[i] for i in chosen],
            [self._offsets[i] for i in chosen],
        )


def rounded_otherwise(z_hat: Tensor, z: Tensor, place: Sequence[int]) -> Tensor:
    """z_hat but for one channel of one position: the value that was nearest to a tie.

    Args:
        z_hat: 1 x C x h x w, integers beside `z` to whatever offset.
        z: what was rounded.
        place: row and column.
    """
    row, column = place
    rest = (z - z_hat)[0, :, row, column]
    untouched = torch.where(rest.abs() <= 0.5, rest.abs(), -1.0)
    channel = int(untouched.argmax())
    changed = z_hat.clone()
    changed[0, channel, row, column] += 1.0 if rest[channel] > 0 else -1.0
    return changed
