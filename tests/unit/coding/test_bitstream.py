"""The container: what is written is read, and nothing else is believed."""

import json
import struct
import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qr.codecs.catalogue import ARITHMETICS
from qr.coding.bitstream import MAKERS, Bitstream
from qr.errors import BitstreamError

EXAMPLE = Bitstream(
    model="mbt2018",
    metric="ms-ssim",
    quality=3,
    arithmetic="float64",
    maker="AVX2",
    checkpoint="0123456789abcdef",
    width=768,
    height=511,
    padding=64,
    latent_digest=b"8 bytes!",
    shape=[8, 12],
    strings=(b"\x00\xff" * 70, b"", b"z"),
)

texts = st.text(st.characters(max_codepoint=127), max_size=40)
bitstreams = st.builds(
    Bitstream,
    model=texts,
    metric=st.sampled_from(["mse", "ms-ssim"]),
    quality=st.integers(0, 255),
    arithmetic=st.sampled_from(ARITHMETICS),
    maker=st.sampled_from(MAKERS),
    checkpoint=st.binary(min_size=8, max_size=8).map(bytes.hex),
    width=st.integers(1, 2**14),
    height=st.integers(1, 2**14),
    padding=st.integers(1, 4096),
    latent_digest=st.binary(min_size=8, max_size=8),
    shape=st.one_of(
        st.lists(st.integers(0, 99), max_size=4),
        st.dictionaries(texts, st.lists(st.integers(0, 99), max_size=3), max_size=3),
    ),
    strings=st.lists(st.binary(max_size=300), max_size=6).map(tuple),
)
thorough = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


def sealed(body):
    """A body with the checksum that belongs to it."""
    return body + struct.pack("<I", zlib.crc32(body))


@thorough
@given(bitstreams)
def test_round_trip(bitstream):
    assert Bitstream.from_bytes(bitstream.to_bytes()) == bitstream


def test_the_layout_is_the_documented_one():
    content = EXAMPLE.to_bytes()
    expected = (
        b"QRC\x02"
        + b"\x07mbt2018"
        + b"\x01\x03"
        + b"\x14"  # float64, AVX2
        + bytes.fromhex("0123456789abcdef")
        + bytes([0x80, 0x06, 0xFF, 0x03, 64])  # 768, 511, 64
        + b"8 bytes!"
        + b"\x06[8,12]"
        + bytes([3, 0x8C, 0x01, 0, 1])  # three strings of 140, 0 and 1 bytes
        + b"\x00\xff" * 70
        + b"z"
    )
    assert content == sealed(expected)


def test_the_header_is_small():
    empty = replace(EXAMPLE, strings=(b"", b""))
    assert len(empty.to_bytes()) <= 50


def test_every_truncation_is_refused():
    content = EXAMPLE.to_bytes()
    for length in range(len(content)):
        with pytest.raises(BitstreamError):
            Bitstream.from_bytes(content[:length])


def test_every_truncation_with_a_right_checksum_is_refused():
    body = EXAMPLE.to_bytes()[:-4]
    for length in range(len(body)):
        with pytest.raises(BitstreamError):
            Bitstream.from_bytes(sealed(body[:length]))


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_every_changed_byte_is_refused(flip):
    content = EXAMPLE.to_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= flip
        with pytest.raises(BitstreamError):
            Bitstream.from_bytes(bytes(damaged))


def test_bytes_that_follow_are_refused():
    with pytest.raises(BitstreamError):
        Bitstream.from_bytes(EXAMPLE.to_bytes() + b"\0")
    with pytest.raises(BitstreamError, match="left over"):
        Bitstream.from_bytes(sealed(EXAMPLE.to_bytes()[:-4] + b"\0"))


def test_messages_name_the_file_and_what_is_wrong():
    for content, match in (
        (b"", r"photo\.qrc: the file is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "no bitstream of qr"),
        (b"QRC\x03" + EXAMPLE.to_bytes()[4:], "another version"),
        (b"QRC", "another version"),
        (sealed(EXAMPLE.to_bytes()[:14] + b"\x24" + EXAMPLE.to_bytes()[15:-4]), "arithmetic"),
        (sealed(EXAMPLE.to_bytes()[:14] + b"\x0f" + EXAMPLE.to_bytes()[15:-4]), "arithmetic"),
        (EXAMPLE.to_bytes()[:-1], "cut short or damaged"),
    ):
        with pytest.raises(BitstreamError, match=match):
            Bitstream.from_bytes(content, "photo.qrc")


@thorough
@given(st.binary(max_size=400))
def test_any_bytes_give_one_clear_error(content):
    begun = [b"QRC" + bytes([version]) + content for version in (1, 2)]
    for variant in (content, *begun, *map(sealed, begun)):
        with pytest.raises(BitstreamError):
            Bitstream.from_bytes(variant)


@thorough
@given(
    bitstreams,
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_mutations_with_a_right_checksum(bitstream, changes, cut):
    """Believed only if what is read says the same as what was written."""
    body = bytearray(bitstream.to_bytes()[:-4])
    for place, value in changes:
        body[place % len(body)] = value
    content = sealed(bytes(body[: len(body) - cut]))
    try:
        found = Bitstream.from_bytes(content)
    except BitstreamError:
        return
    assert found.metric in ("mse", "ms-ssim")
    assert 0 < found.width * found.height <= 2**28
    assert sum(map(len, found.strings)) < len(content)
    assert Bitstream.from_bytes(found.to_bytes()) == found


def leb128(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def header(width=64, height=64, padding=64, shape=b"[1,1]", strings=b"\0"):
    """A sealed file made by hand."""
    return sealed(
        b"QRC\x02\x01m\x00\x01\x14" + bytes(8) + leb128(width) + leb128(height)
        + leb128(padding) + bytes(8) + leb128(len(shape)) + shape + strings
    )  # fmt: skip


LIES = {
    "a string longer than the file": header(strings=leb128(1) + leb128(2**34)),
    "more strings than the file has bytes": header(strings=leb128(60_000)),
    "strings beyond counting": header(strings=leb128(2**34)),
    "a picture beyond all memory": header(width=2**30, height=2**30),
    "a picture without width": header(width=0),
    "padding without end": header(padding=2**20),
    "no padding": header(padding=0),
    "a shape longer than the file": sealed(header()[:-8] + leb128(4000)),
    "a shape beyond all text": header(shape=b"[" * 5000),
    "a deep shape": header(shape=b"[" * 4000),
    "a shape that is no JSON": header(shape=b"[1,"),
    "a number without end": header(strings=b"\xff" * 40),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies(lie):
    tracemalloc.start()
    try:
        with pytest.raises(BitstreamError):
            Bitstream.from_bytes(LIES[lie])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_the_handmade_header_is_right_when_it_does_not_lie():
    assert Bitstream.from_bytes(header()).shape == [1, 1]


def test_shapes_of_newer_models_survive():
    shape = {"y": [[4, 4, 8], [12, 4, 8]], "hyper": [1, 2]}
    found = Bitstream.from_bytes(replace(EXAMPLE, shape=shape).to_bytes())
    assert found.shape == json.loads(json.dumps(shape)) == shape
