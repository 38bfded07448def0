import csv
import hashlib
import logging
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qr.data import manifests, sources
from qr.data.manifests import Entry, read_manifest
from qr.data.prepare import prepare, split
from qr.data.roles import ROLES
from qr.data.sources import PHOTOGRAPHS, _builtin_photographs
from qr.errors import ConfigError, DataError


def make_image(path, seed, size=(12, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """Two folders, 40 and 5 images; the seeds are the names."""
    for seed in range(40):
        make_image(tmp_path / f"many/{seed:02}.png", seed)
    for seed in range(100, 105):
        make_image(tmp_path / f"few/{seed}.png", seed)
    return tmp_path


def configuration(**roles):
    standard = {
        "baseline": {"source": "many", "share": 0.6, "limit": None},
        "exploration": {"reuse": "baseline"},
        "predictive": {"source": "many", "share": 0.3, "limit": None},
        "validation": {"source": "many", "share": 0.1, "limit": None},
        "test": {"source": "few", "share": 1, "limit": None},
    }
    sources = {"many": {"folder": "many"}, "few": {"folder": "few"}, "unused": {"folder": "no"}}
    return {"data": {"sources": sources, "roles": standard | roles}}


def run(config, folder, **options):
    return prepare(config["data"], folder, folder / "downloads", folder / "manifests", **options)


def names(entries):
    return {entry.path.stem for entry in entries}


def test_roles_are_disjoint_complete_and_as_large_as_their_shares(photos):
    entries = run(configuration(), photos)
    sizes = {role: len(found) for role, found in entries.items()}
    assert sizes == {
        "baseline": 24, "exploration": 24, "predictive": 12, "validation": 4, "test": 5
    }  # fmt: skip
    cut = [entries[role] for role in ("baseline", "predictive", "validation")]
    counted = Counter(entry.path for part in cut for entry in part)
    assert set(counted.values()) == {1}
    assert set(counted) == set((photos / "many").iterdir())
    assert entries["exploration"] == entries["baseline"]
    assert [entry.name for entry in entries["test"]] == [f"{n}.png" for n in range(100, 105)]


def test_split_depends_on_pixels_not_on_names_or_files(photos, tmp_path):
    before = run(configuration(), photos)
    other = tmp_path / "elsewhere"
    for seed in range(40):  # renamed, in reverse order, in another format
        path = other / "many" / f"{99 - seed}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.open(photos / f"many/{seed:02}.png").save(path)
    shutil.copytree(photos / "few", other / "few")
    after = run(configuration(), other)
    for role in ROLES:
        pixels = [entry.pixels_sha256 for entry in before[role]]
        assert [entry.pixels_sha256 for entry in after[role]] == pixels


def test_shares_are_normalised_and_limits_come_last(photos):
    roles = {
        "baseline": {"source": "many", "share": 6, "limit": 3},
        "predictive": {"source": "many", "share": 3},
        "validation": {"source": "many", "share": 1, "limit": 100},
    }
    free, limited = run(configuration(), photos), run(configuration(**roles), photos)
    assert limited["baseline"] == free["baseline"][:3]
    assert limited["exploration"] == limited["baseline"]
    assert limited["predictive"] == free["predictive"]
    assert limited["validation"] == free["validation"]


def fake_entries(count):
    digests = [hashlib.sha256(bytes([n])).hexdigest() for n in range(count)]
    return [Entry(Path(f"{n}.png"), 1, 1, 1, d, d) for n, d in enumerate(digests)]


@pytest.mark.parametrize(
    "count, shares, sizes",
    [
        (10, (1, 1, 1), (4, 3, 3)),
        (3, (0.98, 0.01, 0.01), (1, 1, 1)),
        (100, (0.95, 0.05), (95, 5)),
        (7, (0.5, 0.25, 0.25), (3, 2, 2)),
        (5, (100, 1), (4, 1)),
        (200, (0.29, 0.71), (58, 142)),
    ],
)
def test_largest_remainder_with_at_least_one_each(count, shares, sizes):
    parts = split(fake_entries(count), dict(enumerate(shares)))
    assert tuple(len(part) for part in parts.values()) == sizes
    assert len({entry.path for part in parts.values() for entry in part}) == count


def test_too_few_images(photos):
    roles = {role: {"source": "few", "share": 1} for role in ROLES}
    assert {len(found) for found in run(configuration(**roles), photos).values()} == {1}
    (photos / "few/100.png").unlink()
    with pytest.raises(DataError, match=r"data.sources.few: 4 different images are too few for 5"):
        run(configuration(**roles), photos)


def test_manifest_says_what_an_image_is(photos):
    entry = run(configuration(), photos)["test"][0]
    path = photos / "few/100.png"
    pixels = np.array(Image.open(path)).tobytes()
    assert entry == Entry(
        path=path,
        width=12,
        height=9,
        bytes=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        pixels_sha256=hashlib.sha256(b"12 x 9 RGB\n" + pixels).hexdigest(),
    )
    with open(photos / "manifests/test.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert row == {name: str(getattr(entry, name)) for name in manifests.COLUMNS}


def test_manifests_are_the_same_each_time_and_read_back(photos):
    entries = run(configuration(), photos, workers=1)
    before = {p.name: p.read_bytes() for p in (photos / "manifests").iterdir()}
    run(configuration(), photos, workers=3)
    after = {p.name: p.read_bytes() for p in (photos / "manifests").iterdir()}
    assert before == after
    assert set(after) == {f"{role}.csv" for role in ROLES}
    for role in ROLES:
        assert read_manifest(photos / f"manifests/{role}.csv") == entries[role]


def test_of_several_test_sets_each_has_a_manifest_and_test_has_all(photos):
    sets = [{"source": "few"}, {"source": "many", "share": 1, "limit": 2}]
    roles = {"validation": {"source": "many", "share": 3}, "test": sets}
    entries = run(configuration(**roles), photos)
    assert {p.stem for p in (photos / "manifests").iterdir()} == {*ROLES, "test-few", "test-many"}
    first, second = (read_manifest(photos / f"manifests/test-{n}.csv") for n in ("few", "many"))
    assert [entry.name for entry in first] == [f"{n}.png" for n in range(100, 105)]
    assert len(second) == 2 and second == sorted(second, key=lambda entry: entry.name)
    assert read_manifest(photos / "manifests/test.csv") == entries["test"] == first + second
    seen = {
        entry.path for role in ("baseline", "predictive", "validation") for entry in entries[role]
    }
    assert not seen & {entry.path for entry in entries["test"]}


@pytest.mark.parametrize(
    ("sets", "match"),
    [
        ([{"source": "few"}, {"source": "few"}], "a source of its own"),
        ([{"source": "few"}, {"source": "none"}], r"test.source: no source 'none' among"),
        ([{"source": "few"}, {"source": "many", "reuse": "baseline"}], "must not be seen"),
    ],
)
def test_test_sets_that_cannot_be_are_named(photos, sets, match):
    with pytest.raises(ConfigError, match=match):
        run(configuration(test=sets), photos)


def test_a_test_sets_name_is_that_of_a_folder(photos):
    config = configuration(test=[{"source": "few"}, {"source": "a/b"}])
    config["data"]["sources"]["a/b"] = {"folder": "many"}
    with pytest.raises(ConfigError, match=r"'a/b' has other characters"):
        run(config, photos)


def test_odd_file_names_survive_the_manifest(photos):
    for name in ("a,b.png", 'quo"te.png', "new\nline.png", "ünï.png"):
        make_image(photos / "few" / name, sum(name.encode()))
    entries = run(configuration(), photos)["test"]
    assert len(entries) == 9
    assert read_manifest(photos / "manifests/test.csv") == entries


def test_every_bad_file_is_listed_and_nothing_is_written(photos):
    whole = (photos / "many/07.png").read_bytes()
    (photos / "many/07.png").write_bytes(whole[: len(whole) // 2])
    (photos / "many/08.png").write_bytes(b"")
    (photos / "few/text.jpg").write_text("a text with an image's name")
    with pytest.raises(DataError, match="3 of 46 images cannot be used") as caught:
        run(configuration(), photos)
    lines = str(caught.value).splitlines()[1:]
    assert len(lines) == 3
    for name, line in zip(("text.jpg", "07.png", "08.png"), lines, strict=True):
        assert name in line
    assert not (photos / "manifests").exists()


def test_missing_and_empty_folders_are_named_together(photos):
    config = configuration()
    (photos / "hollow").mkdir()
    config["data"]["sources"] = {"many": {"folder": "nowhere"}, "few": {"folder": "hollow"}}
    with pytest.raises(DataError) as caught:
        run(config, photos)
    assert "data.sources.many" in str(caught.value)
    assert "nowhere: no such folder" in str(caught.value)
    assert "hollow: no images" in str(caught.value)


def test_folders_may_be_absolute(photos, tmp_path):
    config = configuration()
    config["data"]["sources"]["few"] = {"folder": str(photos / "few")}
    config["data"]["sources"]["many"] = {"folder": str(photos / "many")}
    assert len(prepare(config["data"], "/", "/downloads", tmp_path / "out")["test"]) == 5


@pytest.mark.parametrize("suffix", [".png", ".bmp"], ids=["copied", "in another format"])
def test_test_picture_in_a_training_role_stops_the_run(photos, suffix):
    Image.open(photos / "few/103.png").save(photos / f"many/leak{suffix}")
    with pytest.raises(DataError) as caught:
        run(configuration(), photos)
    assert str(photos / "few/103.png") in str(caught.value)
    assert str(photos / f"many/leak{suffix}") in str(caught.value)


def test_one_source_under_two_names_cannot_be_validated_on(photos):
    config = configuration(validation={"source": "again"})
    config["data"]["sources"]["again"] = {"folder": "many"}
    with pytest.raises(DataError, match=r"40 pictures of validation.*another role") as caught:
        run(config, photos)
    assert str(caught.value).endswith("and 20 more")
    assert "(baseline)" not in str(caught.value)  # where exploration reuses its images
    assert "(exploration, baseline)" in str(caught.value)


def test_training_roles_may_share_pictures(photos):
    config = configuration(exploration={"source": "again", "share": 1, "limit": None})
    config["data"]["sources"]["again"] = {"folder": "more"}
    for seed in range(1000, 1003):
        make_image(photos / f"more/{seed}.png", seed)
        make_image(photos / f"many/{seed}.png", seed)
    roles = config["data"]["roles"]
    roles["validation"], roles["test"] = (
        {"source": "few", "share": 1},
        {"source": "few", "share": 1},
    )
    assert names(run(config, photos)["exploration"]) == {"1000", "1001", "1002"}


def test_duplicates_are_kept_once_with_a_warning(photos, caplog):
    shutil.copy(photos / "few/101.png", photos / "few/zz.png")
    with caplog.at_level(logging.WARNING):
        entries = run(configuration(), photos)
    assert names(entries["test"]) == {"100", "101", "102", "103", "104"}
    assert "few/zz.png left out" in caplog.text


@pytest.mark.parametrize(
    ("name", "says"),
    [(b"n" * 170 + b".png", "more than 160 bytes"), (b"\xff.png", "valid UTF-8")],
)
def test_a_test_image_whose_results_could_not_be_named_is_refused(photos, name, says):
    path = Path(os.fsdecode(os.fsencode(photos / "few") + b"/" + name))
    make_image(path, 999)
    with pytest.raises(DataError, match=says):
        run(configuration(), photos)


def test_test_images_need_names_of_their_own(photos):
    make_image(photos / "few/sub/101.jpg", 7)
    with pytest.raises(DataError, match=r"called 101.*rename"):
        run(configuration(), photos)


@pytest.mark.parametrize(
    "roles, key",
    [
        ({"test": {"source": "nothing"}}, "data.roles.test.source"),
        ({"test": {"reuse": "baseline"}}, "data.roles.test.reuse"),
        ({"validation": {"reuse": "predictive"}}, "data.roles.validation.reuse"),
        ({"predictive": {"reuse": "test"}}, "data.roles.predictive.reuse"),
        ({"predictive": {"reuse": "exploration"}}, "data.roles.predictive.reuse"),
        ({"predictive": {"reuse": "predictive"}}, "data.roles.predictive.reuse"),
    ],
)
def test_roles_that_cannot_be_are_named(photos, roles, key):
    with pytest.raises(ConfigError, match=key):
        run(configuration(**roles), photos)


def test_missing_role_is_named(photos):
    config = configuration()
    del config["data"]["roles"]["validation"]
    with pytest.raises(ConfigError, match=r"data.roles.validation is missing"):
        run(config, photos)


def builtin(**roles):
    train = ["astronaut", "coffee", "rocket", "motorcycle_left"]
    sources = {
        "train": {"builtin": "scikit-image", "names": train},
        "test": {"builtin": "scikit-image", "names": ["chelsea", "retina"]},
        "all": {"builtin": "scikit-image"},
    }
    standard = {
        "baseline": {"source": "train", "share": 0.7},
        "exploration": {"reuse": "baseline"},
        "predictive": {"reuse": "baseline"},
        "validation": {"source": "train", "share": 0.3},
        "test": {"source": "test"},
    }
    return {"data": {"sources": sources, "roles": standard | roles}}


def test_builtin_photographs(tmp_path):
    entries = run(builtin(), tmp_path)
    assert [(entry.name, entry.width) for entry in entries["test"]] == [
        ("chelsea.png", 451),
        ("retina.jpg", 1411),
    ]
    assert len(entries["baseline"]) == 3


def test_all_builtin_photographs_are_there():
    found = _builtin_photographs()
    assert [path.name for path in found] == list(PHOTOGRAPHS)


def test_unknown_builtin_name_is_refused_with_the_known(tmp_path):
    config = builtin()
    config["data"]["sources"]["test"]["names"] = ["lena"]
    with pytest.raises(ConfigError, match=r"data.sources.test.names: no 'lena' among astronaut"):
        run(config, tmp_path)


def test_names_choose_from_folders_too(photos):
    config = configuration()
    config["data"]["sources"]["few"]["names"] = ["104", "100"]
    assert names(run(config, photos)["test"]) == {"100", "104"}


def test_list_of_downloads(photos, monkeypatch):
    """The list is found beside the configuration; the shipped one by its bare name."""
    asked = []

    def fake(path, folder):
        asked.append((path, folder))
        return sorted((photos / "few").iterdir())

    monkeypatch.setattr(sources, "download_list", fake)
    config = configuration()
    for urls in ("lists/mine.csv", "kodak"):
        config["data"]["sources"]["few"] = {"urls": urls}
        assert len(run(config, photos)["test"]) == 5
    own, shipped = asked
    assert own == (photos / "lists/mine.csv", photos / "downloads/mine")
    assert shipped[0].name == "kodak.csv" and shipped[0].is_file()
    assert shipped[1] == photos / "downloads/kodak"


def test_two_lists_that_would_share_a_folder_are_refused(photos):
    config = configuration()
    for folder in ("a", "b"):
        config["data"]["sources"][f"from-{folder}"] = {"urls": f"{folder}/list.csv"}
    config["data"]["roles"]["test"] = [{"source": "from-a"}, {"source": "from-b"}]
    with pytest.raises(DataError, match=r"a/list.csv and .*b/list.csv would download into one"):
        run(config, photos)


def test_missing_list_of_downloads_is_named(photos):
    config = configuration()
    config["data"]["sources"]["few"] = {"urls": "unheard-of"}
    with pytest.raises(DataError, match=r"data.sources.few.*unheard-of"):
        run(config, photos)


def test_a_manifest_may_begin_with_a_mark_and_has_images(photos):
    entries = run(configuration(), photos)["test"]
    path = photos / "manifests/test.csv"
    path.write_text("\ufeff" + path.read_text())
    assert read_manifest(path) == entries
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(DataError, match="a manifest of no image"):
        read_manifest(path)


def test_changed_or_missing_files_are_listed(photos):
    run(configuration(), photos)
    (photos / "few/100.png").unlink()
    with open(photos / "few/102.png", "ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="missing or changed") as caught:
        read_manifest(photos / "manifests/test.csv")
    assert [line.strip()[-7:] for line in str(caught.value).splitlines()[1:]] == [
        "100.png",
        "102.png",
    ]


@pytest.mark.parametrize(
    "text", [None, "", "a,b\n", ",".join(manifests.COLUMNS) + "\nx,1,2\n",
             ",".join(manifests.COLUMNS) + "\nx,wide,2,3,4,5\n"]
)  # fmt: skip
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "role.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"role.csv"):
        read_manifest(path)


def test_output_folder_that_cannot_be_written_is_named(photos):
    (photos / "manifests").touch()
    with pytest.raises(DataError, match=r"manifests/baseline.csv: cannot be written"):
        run(configuration(), photos)


def test_data_module_imports_neither_torch_nor_scikit_image():
    code = (
        "import sys, qr.data.prepare, qr.measure.quality; from qr.data import sources;"
        "sources._builtin_photographs();"
        "sys.exit(bool({'torch', 'skimage', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
