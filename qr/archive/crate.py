"""RO-Crate metadata of a finished version: what each file is, in terms that archives read."""

import json
import mimetypes
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from qr import __version__
from qr.archive import parquet
from qr.archive.manifest import as_text, read
from qr.archive.seal import NAME as MANIFEST
from qr.errors import ResultsError
from qr.files import write_text
from qr.measure.schema import OTHERS, SCHEMAS

NAME = "ro-crate-metadata.json"  # the specification's
PARTS = ("metrics", "figures", "tables", "compressai", "pictures")
_LICENSE = "https://spdx.org/licenses/MIT"
_PAPER = "https://arxiv.org/abs/2403.17236"
_ANYTHING = "application/octet-stream"
# Not known on every machine.
_TYPES = {
    ".parquet": "application/vnd.apache.parquet",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
    ".webp": "image/webp",
}


def build(results: Path, manifest: Mapping[str, Any], date: str) -> str:
    """The text of `ro-crate-metadata.json`: the same from the same files, manifest and date.

    Args:
        results: folder of the version; its Parquet file and those in `PARTS`, there and in `sets`,
            are described.
        manifest: described as the file that it is going to be.
        date: of publication, ISO 8601.
    """
    crate = ROCrate()
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"
    crate.name = f"Quantization rectifier benchmark, {manifest['version']}"
    crate.description = "Metrics, figures and tables of one run, and the manifest of its origin."
    crate.license = crate.add(ContextEntity(crate, _LICENSE, {"@type": "CreativeWork"}))
    crate.root_dataset["datePublished"] = date
    contents = {path.relative_to(results).as_posix(): path.read_bytes() for path in _files(results)}
    contents[MANIFEST] = as_text(manifest).encode()
    files = [_describe(crate, name, content) for name, content in contents.items()]
    crate.add_action(_software(crate, manifest), identifier="#run", result=files)
    return json.dumps(crate.metadata.generate(), indent=2, sort_keys=True) + "\n"


def renew(results: Path) -> None:
    """Describe the files of a finished version anew, once some were drawn again; its date stays.

    Raises:
        ResultsError: it is not finished, what describes it is unreadable, or metrics, which seal
            it, are gone or others.
    """
    try:
        manifest = read(results / MANIFEST)
        entities = json.loads((results / NAME).read_text())["@graph"]
        (root,) = [entity for entity in entities if entity["@id"] == "./"]
        date = root["datePublished"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultsError(f"{results} is no finished version: {NAME}: {error!r}") from error
    for entity in entities:
        name = Path(entity.get("@id", ""))
        if name.parent.name == "metrics" and name.stem in SCHEMAS:
            _check_same(results, name, entity.get("sha256"))
    parquet.write(results, manifest)
    write_text(build(results, manifest, date), results / NAME)


def _check_same(results: Path, name: Path, digest: str | None) -> None:
    """Codecs may be added to a finished version; what was measured stays."""
    path = results / name
    if not path.is_file():
        raise ResultsError(f"{results} has lost {name}, with which it was finished")
    if name.stem != OTHERS.name and sha256(path.read_bytes()).hexdigest() != digest:
        raise ResultsError(
            f"{path} is not the file with which {results} was finished: put that one back"
        )


def _files(results: Path) -> list[Path]:
    """Those of every test set, but for hidden ones, which Snakemake leaves in folders."""
    tops = [results, *results.glob("sets/*")]
    found = [path for top in tops for part in PARTS for path in (top / part).rglob("[!.]*")]
    found.append(results / parquet.NAME)
    return sorted(path for path in found if path.is_file())


def _describe(crate: ROCrate, name: str, content: bytes) -> Any:
    suffix = Path(name).suffix.lower()
    properties = {
        "name": name,
        "contentSize": str(len(content)),
        "encodingFormat": _TYPES.get(suffix) or mimetypes.types_map.get(suffix, _ANYTHING),
        "sha256": sha256(content).hexdigest(),
    }
    return crate.add_file(dest_path=name, properties=properties)


def _software(crate: ROCrate, manifest: Mapping[str, Any]) -> Any:
    paper = crate.add(ContextEntity(crate, _PAPER, {"@type": "ScholarlyArticle"}))
    properties = {
        "@type": "SoftwareSourceCode",
        "name": "qr-benchmark",
        "version": __version__,
        "identifier": manifest["git_commit"],
        "programmingLanguage": "Python",
    }
    software = crate.add(ContextEntity(crate, "#qr-benchmark", properties))
    software["citation"] = paper
    software["license"] = crate.license
    return software
