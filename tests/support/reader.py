"""CompressAI's entropy decoder once more, in Python, and looking where it reads."""

from bisect import bisect_right


class ReadPastTheEndError(BaseException):
    """What C++ does not notice. No `except Exception` may hide it."""


class Reader:
    """Has the methods of `compressai.ans.RansDecoder`; `position` is where reading ended."""

    def set_stream(self, string: bytes) -> None:
        self.string, self.position = string, 0
        self.state = self._word() | self._word() << 32

    def decode_with_indexes(self, string: bytes, *tables) -> list[int]:
        self.set_stream(string)
        return self.decode_stream(*tables)

    def decode_stream(self, indexes, cdfs, sizes, offsets) -> list[int]:
        return [self._symbol(cdfs[i], sizes[i] - 2, offsets[i]) for i in indexes]

    def _symbol(self, cdf: list[int], escape: int, offset: int) -> int:
        value = bisect_right(cdf, self.state % 2**16, 0, escape + 2) - 1
        self._take(16, cdf[value], cdf[value + 1] - cdf[value])
        return _int32(offset + (self._escaped(escape) if value == escape else value))

    def _escaped(self, escape: int) -> int:
        count = part = self._nibble()
        while part == 15:
            part = self._nibble()
            count += part
        # As on the usual processors: 32 bits, and shifts count modulo 32.
        raw = 0
        for place in range(count):
            raw |= self._nibble() << 4 * place % 32
        half = _int32(raw) >> 1
        return -half - 1 if raw & 1 else half + escape

    def _nibble(self) -> int:
        value = self.state % 16
        self._take(4, value, 1)
        return value

    def _take(self, bits: int, start: int, size: int) -> None:
        """Take a symbol off the state: `size` slots from `start` on, out of 2**bits."""
        self.state = size * (self.state >> bits) + self.state % 2**bits - start
        if self.state < 2**31:
            self.state = self.state << 32 | self._word()

    def _word(self) -> int:
        word = self.string[self.position : self.position + 4]
        if len(word) < 4:
            raise ReadPastTheEndError(f"of a string of {len(self.string)} bytes")
        self.position += 4
        return int.from_bytes(word, "little")


def _int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31
