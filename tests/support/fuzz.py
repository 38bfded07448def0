"""Bitstreams mutated at random, decoded in a process that may die of it.

`python -m support.fuzz FIRST COUNT`, in tests/, codes small pictures with a small codec of each
kind, then decodes the mutants number FIRST, FIRST + 1, ... and prints for each what came of it:
"refused" by BitstreamError, "same" symbols as without the mutation, "another" latent whose digest
the file has in it, or what must not be. A mutant is known by its number alone. One that takes
longer than `SECONDS` of processor time ends the process.

Every mutant is decoded once more with `support.reader.Reader` in place of the decoder in C++: that
one reads past a string's end and goes on, and dies of it only sometimes.
"""

import hashlib
import json
import random
import re
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import NamedTuple
from unittest.mock import patch

SECONDS = 10  # for one file, of which a usual machine takes a tenth of one
MEBIBYTES = 64  # that files may add to the process, whatever they say of their size
GOOD = "refused", "same", "another"
SIZES = (64, 64), (40, 100)  # height and width of the pictures, pixels
NUMBERS = (0, 1, 2, 7, 63, 64, 65, 127, 128, 255, 2**14, 2**20, 2**28, 2**31, 2**32, 2**35 - 1)
SHAPES = ([], [0, 0], [-1, 1], [1], [2, 2], [1, 1, 1], [4, 4], [2**40, 1], [[1, 1]], {}, None, "1")


# What is done to a file


def mutate(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """A file made from `content`; half of all bear the checksum that belongs to them."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(MUTATIONS)(rng, content, others)
    return seal(content[:-4]) if rng.random() < 0.5 else content


def seal(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


def flip(rng, content, others):
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8)) if content else 0):
        changed[rng.randrange(len(changed))] ^= rng.choice((1, 0x80, 0xFF, rng.randrange(1, 256)))
    return bytes(changed)


def truncate(rng, content, others):
    return content[: rng.randrange(len(content) + 1)]


def insert(rng, content, others):
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.choice((1, 4, 100))) + content[place:]


def splice(rng, content, others):
    other = rng.choice(others)
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]


def lie(rng, content, others):
    """Another value for one field of the header."""
    number = rng.choice(NUMBERS)
    change = rng.choice(
        (
            {"model": rng.choice(("", "mbt2018", "x" * 127))},
            {"metric": "ms-ssim"},
            {"quality": number % 256},
            {"checkpoint": rng.randbytes(8).hex()},
            {"width": number},
            {"height": number},
            {"padding": number},
            {"width": 64 * number, "height": 64 * number, "shape": [number, number]},
            {"latent_digest": rng.randbytes(8)},
            {"shape": rng.choice(SHAPES)},
            {"shape": [number, rng.choice(NUMBERS)]},
        )
    )
    return rebuilt(content, lambda bitstream: change)


def retell(rng, content, others):
    """Other strings, or another number of them."""

    def change(bitstream):
        strings = list(bitstream.strings)
        rng.choice((*6 * (tell,), drop, double, swap))(rng, strings)
        return {"strings": tuple(strings)}

    return rebuilt(content, change)


def tell(rng, strings):
    place = rng.randrange(len(strings)) if strings else 0
    old = strings[place] if strings else b""
    cut = 4 * rng.randrange(len(old) // 4 + 1)
    state = rng.randrange(2**31, 2**63).to_bytes(8, "little")
    strings[place : place + 1] = [
        rng.choice(
            (
                b"",
                old[:cut],
                old[: cut + 1],
                old + bytes(4 * rng.randrange(100)),
                old[:cut] + b"\xff" * rng.choice((4, 400, len(old) - cut)),
                b"\xff" * 7 + b"\x7f" + b"\xff" * (len(old) - 8),
                state,
                state + rng.randbytes(max(len(old) - 8, 0)),
                rng.randbytes(len(old)),
                bytes(len(old)),
                rng.randbytes(10**5),
            )
        )
    ]


def drop(rng, strings):
    del strings[rng.randrange(len(strings) + 1) :]


def double(rng, strings):
    strings *= 2


def swap(rng, strings):
    strings.reverse()


def rebuilt(content, change):
    """`content` with other fields; as it is where it cannot be read, or they be written."""
    from qr.coding.bitstream import Bitstream
    from qr.errors import BitstreamError

    try:
        bitstream = Bitstream.from_bytes(content)
        return replace(bitstream, **change(bitstream)).to_bytes()
    except BitstreamError:
        return content


MUTATIONS = (flip, truncate, insert, splice, lie, lie, retell, retell, retell)


def digest(symbols) -> bytes:
    """The digest of a latent as the format's description has it."""
    shape = ",".join(map(str, symbols.shape)).encode()
    return hashlib.blake2b(shape + b":" + symbols.tobytes(), digest_size=8).digest()


# The process that decodes


class File(NamedTuple):
    """A bitstream, and what decoding it gives."""

    model: str
    content: bytes
    size: tuple[int, int]
    latent: "qr.Latent"  # noqa: F821


def work(first: int, count: int) -> None:
    """Decode mutants; prints a line of JSON for each and, before them, one for the codecs."""
    import torch
    from compressai.models import google

    from qr.codecs import weights
    from qr.codecs.catalogue import CodecId
    from qr.codecs.entropy import rans
    from qr.coding import code as coding
    from qr.coding.bitstream import Bitstream
    from qr.errors import BitstreamError
    from support.codecs import MODELS, make_codec
    from support.photographs import picture
    from support.reader import Reader, ReadPastTheEndError

    torch.set_num_threads(1)
    codecs = {model: make_codec(model) for model in MODELS}
    digests = {model: weights.codec_digest(codec) for model, codec in codecs.items()}

    def decode(model, content, size):
        bitstream = Bitstream.from_bytes(content, "mutant")
        return coding.decode(codecs[model], digests[model], bitstream, size, "mutant")

    def code(model, size):
        codec_id = CodecId(model, "mse", 1)
        coded = coding.encode(codecs[model], codec_id, digests[model], picture(*size))
        content = coded.to_bytes()
        return File(model, content, size, decode(model, content, size))

    def judge(file, content):
        try:
            latent = decode(file.model, content, file.size)
        except BitstreamError as error:
            return "refused", str(error)
        except Exception as error:
            return "escaped", repr(error)
        if torch.equal(latent.symbols, file.latent.symbols):
            return "same", ""
        said = Bitstream.from_bytes(content).latent_digest
        return ("another" if said == digest(latent.symbols.numpy()) else "wrong"), ""

    def check(file, content):
        with patch.object(rans, "RansDecoder", Reader), patch.object(google, "RansDecoder", Reader):
            try:
                return judge(file, content)
            except ReadPastTheEndError as error:
                return "read past the end", str(error)

    files = [code(model, size) for model in MODELS for size in SIZES]
    before = peak()
    report({"files": len(files)})
    for number in range(first, first + count):
        rng = random.Random(number)
        file = rng.choice(files)
        mutant = mutate(rng, file.content, [other.content for other in files])
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        start = process_time()
        found = judge(file, mutant)
        seconds = process_time() - start
        signal.setitimer(signal.ITIMER_PROF, 0)
        grown = peak() - before
        checked = check(file, mutant)
        outcome, why = found if checked[0] in GOOD else checked
        row = {"mutant": number, "outcome": outcome, "why": why, "model": file.model}
        report(row | {"seconds": seconds, "mebibytes": grown})


def peak() -> float:
    """MiB that the process has asked for at most so far, whether it used them or not."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmPeak:\s*(\d+) kB", status)[1]) / 2**10


def report(row: dict) -> None:
    print(json.dumps(row), flush=True)


# The process that watches


@dataclass
class Outcome:
    """What came of a number of mutants."""

    rows: list[dict]

    def count(self, outcome: str, why: str = "") -> int:
        """How many were "refused" for a reason that contains `why`, or "same"."""
        return sum(row["outcome"] == outcome and why in row["why"] for row in self.rows)

    @property
    def slowest(self) -> dict:
        return max(self.rows, key=lambda row: row["seconds"])

    @property
    def mebibytes(self) -> float:
        """By how much the process grew, over what it had coded and decoded honest files with."""
        return self.rows[-1]["mebibytes"]


def fuzz(count: int, first: int = 0, command=(sys.executable, "-m", "support.fuzz")) -> Outcome:
    """Decode mutants number `first` to `first + count - 1` in a process of their own.

    Raises:
        AssertionError: one was not refused as it should, took too long or too much memory,
            or ended the process; the message tells its number.
    """
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [*command, str(first), str(count)], cwd=tests, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()[1:]]
    if done.returncode:
        died = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr
        raise AssertionError(f"mutant {first + len(rows)} ended the process: {died}")
    bad = [row for row in rows if row["outcome"] not in GOOD]
    bad += [row for row in rows if row["mebibytes"] > MEBIBYTES][:1]
    assert not bad, bad
    assert len(rows) == count
    return Outcome(rows)


if __name__ == "__main__":
    work(*map(int, sys.argv[1:]))
