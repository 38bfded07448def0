"""CompressAI's entropy decoder, made safe for strings that nobody vouches for.

The decoder, in C++, does not look where its string ends: it reads on. How far, for S symbols
and a string of L bytes, follows from its source (rans_interface.cpp and rans64.h of 1.2.8).

It begins with a state of 64 bits, the string's first 8 bytes, takes bits off it, and reads the
next 4 bytes whenever it falls below 2^31: 4 bytes for every 32 bits taken. A symbol takes at most
16 bits. An escape, for a value outside of its table, takes 4 (r + 1) bits more for a count
n = 15 r + v, as r times 15 and a v < 15, and 4 n bits for the value. So the string itself can
demand 60 bits for each 4 of its own, which are 15 L bytes.

What it cannot do is to plan for what follows if that is random. Random bits decode to symbols as
their tables distribute them, so a symbol takes X <= 20 + 64 r + 4 v bits with P(r) = 15 / 16^(r+1)
and v uniform, whatever the table: the mean of 2^(X / 32) is below 2^2. By Markov's inequality S
symbols take more than 64 S + 2^15 bits with a probability below 2^-1024; that an attacker chose
the 64 bits of the state, and the 32 of the last reading, may multiply it by 2^96.
"""

import numpy as np
from compressai.ans import RansDecoder

_LOWEST, _HIGHEST = 2**31, 2**63  # of the coder's state, between symbols
_MARGIN = 2**15 // 64


def padded(string: bytes, symbols: int) -> bytes:
    """`string` and so many random bytes that decoding `symbols` symbols ends within them.

    A string that CompressAI's encoder made is decoded as before: its bytes suffice.

    Raises:
        ValueError: no encoder makes such a string of so many symbols.
    """
    # An encoder spends 16 bits on a symbol, or for an escape 4 more and up to 7 times 4.
    if len(string) % 4 or len(string) > 8 + 8 * symbols:
        raise ValueError(f"{symbols} symbols are not coded in {len(string)} bytes")
    if not _LOWEST <= int.from_bytes(string[:8], "little") < _HIGHEST:
        raise ValueError("a string does not start as the entropy coder's do")
    words = symbols + 2 * len(string) + _MARGIN  # of 64 bits
    return string + np.random.SFC64().random_raw(words).tobytes()


class PaddedDecoder:
    """Decodes strings in one go, as CompressAI's decoder, and never reads past their end."""

    def decode_with_indexes(self, encoded: bytes, indexes: list[int], *tables) -> list[int]:
        """The symbols; raises ValueError if `encoded` cannot hold them."""
        return RansDecoder().decode_with_indexes(padded(encoded, len(indexes)), indexes, *tables)
