"""Serial entropy decoding: each position's tables depend on the positions before it."""

import torch
import torch.nn.functional as F
from compressai.ans import RansDecoder
from torch import Tensor

from qr.codecs.compressai import Model
from qr.codecs.entropy.arithmetic import Tables


def decode(model: Model, hyper: Tensor, tables: Tables, string: bytes) -> tuple[Tensor, Tensor]:
    """Symbols and y_hat, 1 x M x h x w both, in the precision of `hyper`.

    CompressAI's `JointAutoregressiveHierarchicalPriors.decompress`, with less to do at each
    position: the rows above are seen by all of a row at once, and the coder gets only the tables
    that it needs. What the two compute differs in its last digits.

    Args:
        hyper: what h_s gave, 1 x C x h x w.
        string: as `rans.padded` makes it; the coder does not look where it ends.
    """
    decoder = RansDecoder()
    decoder.set_stream(string)
    height, width = hyper.shape[-2:]
    context = _Context(model, hyper)
    symbols = hyper.new_zeros(model.M, height, width)
    for row in range(height):
        above = context.of_rows_above(row)
        for column in range(width):
            seen = above[:, :, :, column : column + 1] + context.of_left(row, column)
            here = hyper[:, :, row : row + 1, column : column + 1]
            parameters = model.entropy_parameters(torch.cat((here, seen), dim=1))
            scales, means = parameters.flatten().chunk(2)
            values = decoder.decode_stream(*tables.arguments(tables.indexes(scales)))
            found = torch.tensor(values, dtype=hyper.dtype, device=hyper.device)
            symbols[:, row, column] = found
            context.add(row, column, found + means)
    return symbols[None], context.y_hat


class _Context:
    """What a masked convolution makes of the positions that are decoded.

    Only known are the rows above, `reach` of them, and as many positions to the left.
    """

    def __init__(self, model: Model, hyper: Tensor):
        convolution = model.context_prediction
        self.reach: int = convolution.kernel_size[0] // 2
        weight = convolution.weight * convolution.mask
        self._above, self._bias = weight[:, :, : self.reach], convolution.bias
        left = weight[:, :, self.reach, : self.reach]
        self._left = left.transpose(1, 2).flatten(1).contiguous()
        height, width = hyper.shape[-2:]
        # Channels last, and behind zeros above and on both sides.
        self._known = hyper.new_zeros(height + self.reach, width + 2 * self.reach, model.M)

    def of_rows_above(self, row: int) -> Tensor:
        """For each position of a row, what it sees above; 1 x 2M x 1 x w."""
        rows = self._known[row : row + self.reach].permute(2, 0, 1)
        return F.conv2d(rows[None], self._above, self._bias)

    def of_left(self, row: int, column: int) -> Tensor:
        """What a position sees to its left, 1 x 2M x 1 x 1."""
        near = self._known[row + self.reach, column : column + self.reach]
        return torch.mv(self._left, near.flatten()).view(1, -1, 1, 1)

    def add(self, row: int, column: int, y_hat: Tensor) -> None:
        """Let a position be known, of M values."""
        self._known[row + self.reach, column + self.reach] = y_hat

    @property
    def y_hat(self) -> Tensor:
        """All that is known, 1 x M x h x w."""
        inside = self._known[self.reach :, self.reach : -self.reach]
        return inside.permute(2, 0, 1)[None].contiguous()
