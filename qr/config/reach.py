"""What code a result depends on: every definition that its step can reach, by name.

From a step's entry function on, each definition (a function, a class, a constant, an import from
elsewhere) is written down by `qr.config.written`, and so is all that it refers to. A module of
which something is reached counts with all that it does on import. So a definition that moves
changes no digest, one that a step cannot reach neither, and every other edit does. Free of torch.
"""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from qr.config.written import Target, Writer, Written, imported, without_docstring

_HOMES = "_HOMES"  # in which the package `qr` says where its public names are


Reached = dict[Target, Written]


class Sources:
    """The modules below a folder, read when they are asked for.

    Args:
        package: folder of the package `qr`.
    """

    def __init__(self, package: Path):
        self.package = package
        self._modules: dict[str, _Module | None] = {}

    def module(self, name: str) -> "_Module | None":
        """The module `name` of qr, such as 'qr.data'; None if there is none."""
        if name not in self._modules:
            path = self._path(name)
            self._modules[name] = _Module(self, name, path) if path else None
        return self._modules[name]

    def matching(self, name: str) -> list[str]:
        """`name` itself, or for 'package.*' the modules of a package that are no helpers of it."""
        package, star, _ = name.partition(".*")
        folder = self.package.joinpath(*package.split(".")[1:])
        return [f"{package}.{p.stem}" for p in sorted(folder.glob("[!_]*.py"))] if star else [name]

    def outside(self, path: str) -> str:
        """The name by which `reached` knows a file that is not of the package; it counts whole."""
        self._modules[path] = _Module(self, path, Path(path))
        return path

    def _path(self, name: str) -> Path | None:
        first, *inner = name.split(".")
        if first != "qr":
            return None
        stem = self.package.joinpath(*inner)
        found = (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))
        return next((path for path in found if path.is_file()), None)

    def resolve(self, target: Target) -> Target | None:
        """Where a name is defined, through all modules that only pass it on; None: nowhere here."""
        if target.name is None:
            return target if self.module(target.module) else None
        inner = f"{target.module}.{target.name}"
        if self.module(inner):
            return Target(inner)
        module = self.module(target.module)
        if module is None:
            return None
        if target.name in module.definitions or target.name == "":
            return target
        passed_on = module.bindings.get(target.name)
        return self.resolve(passed_on) if passed_on else None

    def reached(self, entries: Iterable[str], inert: Iterable[str]) -> Reached:
        """Every definition that `entries` can reach.

        Args:
            entries: 'qr.module:name', or 'qr.module' for all of one.
            inert: likewise: what is neither written down nor gone through.

        Raises:
            LookupError: there is no such entry.
        """
        closed = {_target(text) for text in inert}
        found: Reached = {}
        waiting = [self._entry(text) for text in entries]
        while waiting:
            target = waiting.pop()
            if target in found or target in closed or Target(target.module) in closed:
                continue
            written = self._written(target)
            found[target] = written
            waiting += written.references
            if target.name:
                waiting.append(Target(target.module, ""))
        return found

    def _entry(self, text: str) -> Target:
        found = self.resolve(_target(text))
        if found is None:
            raise LookupError(f"there is no {text}")
        return found

    def _written(self, target: Target) -> Written:
        module = self.module(target.module)
        assert module is not None
        if target.name is None:  # the module itself is passed around: anything of it may be used
            return Written("", tuple(Target(target.module, name) for name in module.definitions))
        return module.written(target.name)


def _target(text: str) -> Target:
    module, _, name = text.partition(":")
    return Target(module, name or None)


class _Module:
    """One module: what it defines, what its other names stand for, what it does on import."""

    def __init__(self, sources: Sources, name: str, path: Path):
        self.sources, self.name = sources, name
        self.package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        self.definitions: dict[str, list[ast.stmt]] = {"": []}
        self.bindings: dict[str, Target] = {}
        for statement in without_docstring(ast.parse(path.read_text(), str(path)).body):
            self._file(statement)

    def _file(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, target, plain in imported(statement, self.package):
                if target is None:
                    self.definitions.setdefault(name, []).append(plain)
                else:
                    self.bindings[name] = target
            return
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
            return
        for name in _defined(statement) or ("",):
            self.definitions.setdefault(name, []).append(statement)
            if name == _HOMES and isinstance(statement, ast.Assign):
                homes = ast.literal_eval(statement.value)
                self.bindings |= {name: Target(home, name) for name, home in homes.items()}

    @cache  # noqa: B019, as long-lived as the sources
    def written(self, name: str) -> Written:
        """One of its definitions, or with '' its effects."""
        writer = Writer(self.name, self.package, self.sources.resolve)
        texts = [writer.write(statement, ()) for statement in self.definitions[name]]
        return Written("\n".join([name, *texts]), tuple(writer.references))


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement at a module's top binds; none: it is run for its effect."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if all(isinstance(t, ast.Name | ast.Tuple) for t in targets):
            return [node.id for t in targets for node in ast.walk(t) if isinstance(node, ast.Name)]
    return []


def digest(found: Mapping[Target, Written]) -> str:
    """SHA-256 over definitions, whichever modules they stand in.

    Beside each stands what its names mean, so that two definitions of one name are told apart.
    """
    marks = {t: f"{t.name}:{_sha256(w.text)[:16]}" for t, w in found.items() if t.name is not None}
    lines = {
        f"{written.text}|{[marks[r] for r in written.references if r in marks]}"
        for written in found.values()
    }
    return _sha256("\n".join(sorted(lines)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
