"""Strings that lie, against a decoder of our own that looks where it reads."""

import random

import pytest
from compressai.ans import RansDecoder, RansEncoder

from qr.rans import PaddedDecoder, padded

TABLES = {
    "a usual one": [0, 1, 3000, 62000, 65534, 65536],
    "nearly always an escape": [0, 1, 65536],
    "an escape in every second": [0, 32768, 65536],
    "long ago decided": [0, 65535, 65536],
}


def decode(string, count, cdf):
    """`count` symbols and where reading ended; ValueError beyond the string's end."""
    position = 8
    state = int.from_bytes(string[:8], "little")

    def take(bits, start, size):
        """Remove a symbol of `size` from `start` on, out of 2**bits."""
        nonlocal state, position
        state = size * (state >> bits) + state % 2**bits - start
        if state < 2**31:
            if position + 4 > len(string):
                raise ValueError("read past the end")
            state = state << 32 | int.from_bytes(string[position : position + 4], "little")
            position += 4

    def nibble():
        value = state % 16
        take(4, value, 1)
        return value

    values = []
    for _ in range(count):
        value = max(i for i, low in enumerate(cdf[:-1]) if low <= state % 2**16)
        take(16, cdf[value], cdf[value + 1] - cdf[value])
        if value == len(cdf) - 2:
            length = part = nibble()
            while part == 15:
                part = nibble()
                length += part
            # As in C++ on this processor: 32 bits, and shifts count modulo 32.
            raw = 0
            for place in range(length):
                raw |= nibble() << 4 * place % 32
            raw = (raw + 2**31) % 2**32 - 2**31
            value = -(raw >> 1) - 1 if raw & 1 else (raw >> 1) + value
        values.append((value + 2**31) % 2**32 - 2**31)
    return values, position


def hostile(rng, cdf):
    """Strings that ask for more than they hold, and honest ones cut short."""
    start = rng.randrange(2**31, 2**63).to_bytes(8, "little")
    escape = (rng.randrange(2**47) << 16 | 0xFFFF).to_bytes(8, "little")
    length = 4 * rng.randrange(40)
    outliers = [rng.choice((0, 1, -(2**26), 2**26)) for _ in range(50)]
    honest = RansEncoder().encode_with_indexes(outliers, [0] * 50, [cdf], [len(cdf)], [0])
    return [
        start,
        start + bytes(length),
        start + rng.randbytes(length),
        start + b"\xff" * length,
        escape[:7] + b"\x7f" + b"\xff" * length,
        b"\xff" * 7 + b"\x7f" + b"\xff" * length,
        honest[: 8 + length],
    ]


@pytest.mark.parametrize("name", TABLES)
def test_no_string_is_read_past_its_end(name):
    cdf, rng = TABLES[name], random.Random(name)
    for _ in range(60):
        count = rng.choice((50, 200))
        for string in hostile(rng, cdf):
            safe = padded(string, count)
            values, position = decode(safe, count, cdf)
            assert position <= len(safe)
            tables = [0] * count, [cdf], [len(cdf)], [0]
            assert RansDecoder().decode_with_indexes(safe, *tables) == values


def test_the_strings_above_are_hostile_indeed():
    """Without padding, most of them are read past their end, and far."""
    rng = random.Random(0)
    cdf = TABLES["a usual one"]
    strings = [string for _ in range(60) for string in hostile(rng, cdf)]
    reached = [decode(padded(string, 200), 200, cdf)[1] / len(string) for string in strings]
    assert sum(reach > 1 for reach in reached) > len(strings) / 2
    assert max(reached) > 10


@pytest.mark.parametrize("name", TABLES)
def test_what_an_encoder_wrote_is_read_to_its_end_and_no_further(name):
    cdf, rng = TABLES[name], random.Random(name)
    for spread in (1, 5, 2**26):
        symbols = [rng.randint(-spread, spread) for _ in range(300)]
        tables = [0] * 300, [cdf], [len(cdf)], [0]
        string = RansEncoder().encode_with_indexes(symbols, *tables)
        assert decode(string, 300, cdf) == (symbols, len(string))
        assert PaddedDecoder().decode_with_indexes(string, *tables) == symbols


START = (2**40).to_bytes(8, "little")


@pytest.mark.parametrize(
    "string",
    [b"", START[:4], START[:7], START + b"\0", START + bytes(84), bytes(16), b"\xff" * 16],
    ids=["empty", "short", "shorter", "odd", "long", "zero", "ones"],
)
def test_what_no_encoder_writes_is_refused(string):
    with pytest.raises(ValueError, match=r"string|symbols"):
        PaddedDecoder().decode_with_indexes(string, [0] * 10, [[0, 1, 65536]], [3], [0])


def test_the_padding_cannot_be_foreseen():
    assert padded(START, 10)[8:] != padded(START, 10)[8:]
