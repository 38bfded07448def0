"""Strings that lie, read by CompressAI's decoder and by one that looks where it reads."""

import random

import pytest
from compressai.ans import RansDecoder, RansEncoder

from qr.codecs.entropy.rans import PaddedDecoder, padded
from support.reader import Reader

TABLES = {
    "a usual one": [0, 1, 3000, 62000, 65534, 65536],
    "nearly always an escape": [0, 1, 65536],
    "an escape in every second": [0, 32768, 65536],
    "long ago decided": [0, 65535, 65536],
}


def tables(cdf, count):
    """The decoder's arguments for `count` symbols of one table."""
    return [0] * count, [cdf], [len(cdf)], [0]


def hostile(rng, cdf):
    """Strings that ask for more than they hold, and honest ones cut short."""
    start = rng.randrange(2**31, 2**63).to_bytes(8, "little")
    escape = (rng.randrange(2**47) << 16 | 0xFFFF).to_bytes(8, "little")
    length = 4 * rng.randrange(100)
    outliers = [rng.choice((0, 1, -(2**26), 2**26)) for _ in range(50)]
    honest = RansEncoder().encode_with_indexes(outliers, *tables(cdf, 50))
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
    for count in 20 * (50, 2000):
        for string in hostile(rng, cdf):
            safe = padded(string, count)
            values = Reader().decode_with_indexes(safe, *tables(cdf, count))
            assert RansDecoder().decode_with_indexes(safe, *tables(cdf, count)) == values


def test_the_strings_above_are_hostile_indeed():
    """Without padding, most of them would be read past their end, and far."""
    rng, cdf, reader, reach = random.Random(0), TABLES["a usual one"], Reader(), []
    for _ in range(60):
        for string in hostile(rng, cdf):
            reader.decode_with_indexes(padded(string, 200), *tables(cdf, 200))
            reach.append(reader.position / len(string))
    assert sum(times > 1 for times in reach) > len(reach) / 2
    assert max(reach) > 10


@pytest.mark.parametrize("name", TABLES)
def test_what_an_encoder_wrote_is_read_to_its_end_and_no_further(name):
    cdf, rng, reader = TABLES[name], random.Random(name), Reader()
    for spread in (1, 5, 2**26):
        symbols = [rng.randint(-spread, spread) for _ in range(300)]
        string = RansEncoder().encode_with_indexes(symbols, *tables(cdf, 300))
        assert reader.decode_with_indexes(string, *tables(cdf, 300)) == symbols
        assert reader.position == len(string)
        assert PaddedDecoder().decode_with_indexes(string, *tables(cdf, 300)) == symbols


START = (2**40).to_bytes(8, "little")


@pytest.mark.parametrize(
    "string",
    [b"", START[:4], START[:7], START + b"\0", START + bytes(84), bytes(16), b"\xff" * 16],
    ids=["empty", "short", "shorter", "odd", "long", "zero", "ones"],
)
def test_what_no_encoder_writes_is_refused(string):
    with pytest.raises(ValueError, match=r"string|symbols"):
        PaddedDecoder().decode_with_indexes(string, *tables([0, 1, 65536], 10))


def test_the_padding_cannot_be_foreseen():
    assert padded(START, 10)[8:] != padded(START, 10)[8:]
