"""Two versions side by side: what moved, found where it was put, and nothing else."""

import pandas as pd
import pytest

from qr.analyse.versions import compare
from qr.errors import ResultsError
from qr.present import versions
from support import metrics as fixture


def images(models=("mbt2018",), seeds=(0,), variants=fixture.VARIANTS, names=fixture.KODAK):
    return fixture.images(list(models), ["mse"], [2, 3], variants, list(seeds), list(names))


def moved(table):
    return set(table[table["moved"]][["quality", "variant", "what"]].itertuples(index=False))


def shifted(rows, db, variant, quality=3):
    """The same but for one decoder, by about so many dB on every image."""
    at = (rows["variant"] == variant) & (rows["quality"] == quality)
    wobble = pd.Series([0.9, 1.1] * len(rows), index=range(2 * len(rows)))[: len(rows)]
    return rows.assign(psnr_db=rows["psnr_db"] + (db * wobble.to_numpy()) * at)


def test_the_same_version_has_not_moved():
    table = compare(images(), images())
    assert not table["moved"].any()
    assert (table["change_db"] == 0).all() and (table["bits_percent"] == 0).all()


def test_one_decoder_that_moved_is_found_with_what_follows_from_it():
    table = compare(images(), shifted(images(), 0.2, "qr"))
    assert moved(table) == {(3, "qr", "quality"), (3, "qr", "gain"), (3, "qr", "own gain")}
    changes = table[table["moved"]]["change_db"]
    assert list(changes) == pytest.approx([0.2] * 3)


def test_a_control_that_moved_moves_the_own_gains_the_other_way():
    table = compare(images(), shifted(images(), 0.2, "decoder"))
    found = table[table["moved"] & (table["what"] == "own gain") & (table["variant"] == "qr")]
    assert list(found["change_db"]) == pytest.approx([-0.2])
    assert (3, "qr", "quality") not in moved(table)


def test_means_are_of_the_images_and_seeds_that_both_have():
    before = images(seeds=(0, 1, 2), names=fixture.KODAK[:10])
    after = shifted(images(seeds=(1, 2, 3), names=fixture.KODAK[4:14]), 0.2, "qr")
    row = compare(before, after).query("variant == 'qr' and what == 'quality'").iloc[-1]
    assert (row["images"], row["seeds"]) == (6, 2)
    shared = before[before["image"].isin(fixture.KODAK[4:10]) & before["seed"].isin([1, 2])]
    shared = shared[(shared["variant"] == "qr") & (shared["quality"] == 3)]
    assert row["before_db"] == pytest.approx(shared["psnr_db"].mean())


def test_what_a_version_lacks_to_compare_with_is_left_out():
    table = compare(images(), images(variants=("baseline", "qr")))
    assert set(table[table["variant"] == "qr"]["what"]) == {"quality", "gain"}


def test_what_was_not_trained_has_no_own_gain():
    table = compare(images(), images()).groupby("variant")["what"].agg(set)
    assert table["qr"] == {"quality", "gain", "own gain"}
    assert table["baseline"] == {"quality"}
    assert table["centroid"] == {"quality", "gain"}


def test_bits_are_compared_by_their_sum():
    after = images().assign(bytes=lambda rows: rows["bytes"] * 2)
    assert compare(images(), after)["bits_percent"].unique() == pytest.approx([100.0])


def test_versions_with_nothing_in_common_are_refused():
    with pytest.raises(ResultsError, match="no decoder and picture in common"):
        compare(images(["mbt2018"]), images(["cheng2020-attn"]))
    with pytest.raises(ResultsError, match="no decoder and picture in common"):
        compare(images(names=["a", "b"]), images(names=["c", "d"]))


def test_what_has_no_interval_and_what_one_version_lacks_is_told(tmp_path):
    for name, variants in (("a", ["baseline", "qr"]), ("b", ["baseline", "decoder"])):
        fixture.write_metrics(
            tmp_path / name / "metrics", models=["mbt2018"], names=["one"], variants=variants
        )
    told = versions.table(tmp_path / "a", tmp_path / "b")
    assert told.nothing == "Nothing can be told to have moved."
    _, once, *alone = told.notes
    assert "have no interval" in once
    assert [note.split(", such as ")[1].split()[0] for note in alone] == ["qr", "decoder"]
    assert str(tmp_path / "a") in alone[0] and str(tmp_path / "b") in alone[1]


def test_a_file_that_appears_meanwhile_is_kept(refused, tmp_path, monkeypatch):
    for name in ("a", "b"):
        fixture.write_metrics(tmp_path / name / "metrics", models=["mbt2018"])
    out, compared = tmp_path / "all.csv", versions.compare

    def meanwhile(*images):
        out.write_text("precious")
        return compared(*images)

    monkeypatch.setattr(versions, "compare", meanwhile)
    refused("results", "diff", tmp_path / "a", tmp_path / "b", "--csv", out, says=[out, "--force"])
    assert out.read_text() == "precious"


def test_the_command_prints_what_moved(works, tmp_path):
    for name in ("a", "b"):
        fixture.write_metrics(tmp_path / name / "metrics", models=["mbt2018"])
    out = works("results", "diff", tmp_path / "a", tmp_path / "b")
    assert "Nothing did." in out and "0 of " in out
    path = tmp_path / "b" / "metrics" / "images.csv"
    shifted(pd.read_csv(path), 0.5, "qr").to_csv(path, index=False)
    out = works("results", "diff", tmp_path / "a", tmp_path / "b", "--csv", tmp_path / "all.csv")
    assert "own gain" in out and "+0.5" in out
    assert len(pd.read_csv(tmp_path / "all.csv")) > out.count("own gain")
