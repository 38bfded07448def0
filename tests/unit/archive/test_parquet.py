"""All metrics in one Parquet file: the same numbers, the manifest inside, the same bytes again."""

import json

import pandas as pd
import pytest
from pyarrow import parquet as reader

from qr.archive import parquet
from qr.measure.collect import read
from qr.measure.schema import SCHEMAS
from support.metrics import write_metrics

MANIFEST = {"version": "mine", "git_commit": "abc"}


@pytest.fixture
def results(tmp_path):
    write_metrics(tmp_path / "metrics", models=["mbt2018"])
    write_metrics(tmp_path / "sets" / "more" / "metrics", models=["cheng2020-attn"])
    parquet.write(tmp_path, MANIFEST)
    return tmp_path


@pytest.mark.parametrize(("name", "folder"), [("", "."), ("more", "sets/more")])
def test_every_file_of_every_test_set_comes_back(results, name, folder):
    table = pd.read_parquet(results / parquet.NAME)
    rows = table[table["set"] == name]
    assert set(rows["file"]) == {path.stem for path in (results / folder / "metrics").iterdir()}
    for kind in set(rows["file"]):
        expected = read(results / folder / "metrics" / f"{kind}.csv", SCHEMAS[kind])
        found = rows[rows["file"] == kind][list(expected)].reset_index(drop=True)
        numbers = expected.select_dtypes("number").columns
        for column in expected:
            ours, theirs = expected[column], found[column]
            assert list(ours.isna()) == list(theirs.isna())
            there = ours.notna()
            if column in numbers:
                assert list(ours[there].astype(float)) == list(theirs[there].astype(float))
            else:
                assert list(ours[there].astype(str)) == list(theirs[there].astype(str))


def test_the_manifest_is_inside(results):
    metadata = reader.read_metadata(results / parquet.NAME).metadata
    assert json.loads(metadata[parquet.MANIFEST]) == MANIFEST


def test_the_same_files_give_the_same_bytes(results):
    before = (results / parquet.NAME).read_bytes()
    parquet.write(results, MANIFEST)
    assert (results / parquet.NAME).read_bytes() == before
