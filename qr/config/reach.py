"""What code a result depends on: every definition that its step can reach, by name.

From a step's entry function on, each definition (a function, a class, a constant, an import from
elsewhere) is written down without what decides nothing: comments, docstrings, annotations and
layout, where it stands, and what its module calls the modules of qr. Names that it refers to are
looked up, and what they mean is written down too. A module of which something is reached counts
with all that it does on import. So a definition that moves changes no digest, one that a step
cannot reach neither, and every other edit does. Free of torch.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_HOMES = "_HOMES"  # in which the package `qr` says where its public names are
_UNWRITTEN = {"annotation", "returns", "type_comment", "ctx", "kind", "type_params", "simple"}


@dataclass(frozen=True, order=True)
class Target:
    """What a name means: a module, or with `name` one of its definitions ('' for its effects)."""

    module: str
    name: str | None = None

    def __str__(self) -> str:
        return self.module if self.name is None else f"{self.module}:{self.name}"


@dataclass(frozen=True)
class Written:
    """A definition's text, and what it refers to, in the order of the text."""

    text: str
    references: tuple[Target, ...]


Scope = Mapping[str, Target | None]  # None: a variable, which hides what is outside


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

    def reached(self, entries: Iterable[str], inert: Iterable[str]) -> dict[Target, Written]:
        """Every definition that `entries` can reach.

        Args:
            entries: 'qr.module:name', or 'qr.module' for all of one.
            inert: likewise: what is neither written down nor gone through.

        Raises:
            LookupError: there is no such entry.
        """
        closed = {_target(text) for text in inert}
        found: dict[Target, Written] = {}
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
        for statement in _without_docstring(ast.parse(path.read_text(), str(path)).body):
            self._file(statement)

    def _file(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, target, plain in _imported(statement, self.package):
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
        writer = _Writer(self)
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


def _imported(
    statement: ast.Import | ast.ImportFrom, package: str
) -> Iterator[tuple[str, Target | None, ast.stmt]]:
    """Each name that an import binds, what it stands for in qr, and an import of it alone."""
    for alias in statement.names:
        bound = alias.asname or alias.name.partition(".")[0]
        if isinstance(statement, ast.Import):
            whole = alias.name if alias.asname else bound
            target = Target(whole) if whole.partition(".")[0] == "qr" else None
            yield bound, target, ast.Import([alias])
        else:
            module = statement.module or ""
            if statement.level:
                base = package.rsplit(".", statement.level - 1)[0]
                module = f"{base}.{module}" if module else base
            target = Target(module, alias.name) if module.partition(".")[0] == "qr" else None
            yield bound, target, ast.ImportFrom(module, [alias], 0)


class _Writer:
    """Writes statements of a module down, and notes what they refer to."""

    def __init__(self, module: _Module):
        self.module = module
        self.references: list[Target] = []

    def write(self, node: object, scopes: tuple[Scope, ...]) -> str:
        """`node` as text; `scopes` are those around it within its definition, innermost last."""
        if isinstance(node, list):
            return "[" + ",".join(self.write(part, scopes) for part in node) + "]"
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name | ast.Attribute):
            target = self._meant(node, scopes)
            if target is not None:
                self.references.append(target)
                return f"<{target.name or target.module.rpartition('.')[2]}>"
        if isinstance(node, ast.Import | ast.ImportFrom):
            elsewhere = [p for _, t, p in _imported(node, self.module.package) if t is None]
            return self._fields_of_all(elsewhere)
        if isinstance(node, ast.AnnAssign) and node.value and not _in_class(scopes):
            return self._fields(ast.Assign([node.target], node.value), scopes)
        if isinstance(node, _Function):
            return self._function(node, scopes)
        if isinstance(node, ast.ClassDef):
            return self._class(node, scopes)
        if isinstance(node, _Comprehension):
            return self._comprehension(node, scopes)
        return self._fields(node, scopes)

    def _fields(self, node: ast.AST, scopes: tuple[Scope, ...], *without: str) -> str:
        parts = [
            f"{name}={self.write(value, scopes)}"
            for name, value in ast.iter_fields(node)
            if name not in _UNWRITTEN and name not in without and value not in (None, [])
        ]
        return f"{type(node).__name__}({','.join(parts)})"

    def _fields_of_all(self, nodes: Iterable[ast.AST]) -> str:
        return "".join(self._fields(node, ()) for node in nodes)

    def _meant(self, node: ast.Name | ast.Attribute, scopes: tuple[Scope, ...]) -> Target | None:
        """What of qr a name or a dotted name stands for; None: a variable, or somebody else's."""
        if isinstance(node, ast.Name):
            return self._look_up(node.id, scopes)
        if not isinstance(node.value, ast.Name | ast.Attribute):
            return None
        outer = self._meant(node.value, scopes)
        if outer is None or outer.name is not None:
            return None
        return self.module.sources.resolve(Target(outer.module, node.attr))

    def _look_up(self, name: str, scopes: tuple[Scope, ...]) -> Target | None:
        for scope in reversed(scopes):
            if name in scope:
                bound = scope[name]
                return bound and self.module.sources.resolve(bound)
        return self.module.sources.resolve(Target(self.module.name, name)) if name else None

    def _function(self, node: _Function, scopes: tuple[Scope, ...]) -> str:
        around = self._fields(node, scopes, "body", "args")
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        inner = (*(s for s in scopes if not isinstance(s, _ClassScope)), self._bound_in(node))
        arguments = self._fields(node.args, inner, "defaults", "kw_defaults")
        body = _without_docstring(node.body) if isinstance(node.body, list) else node.body
        return f"{around}{self.write(defaults, scopes)}{arguments}{self.write(body, inner)}"

    def _class(self, node: ast.ClassDef, scopes: tuple[Scope, ...]) -> str:
        around = self._fields(node, scopes, "body")
        inner = (*scopes, _ClassScope(self._bound_in(node)))
        return around + self.write(_without_docstring(node.body), inner)

    def _comprehension(self, node: _Comprehension, scopes: tuple[Scope, ...]) -> str:
        first = self.write(node.generators[0].iter, scopes)
        bound = {n: None for g in node.generators for n in _stored([g.target])}
        return first + self._fields(node, (*scopes, bound))

    def _bound_in(self, node: _Function | ast.ClassDef) -> dict[str, Target | None]:
        """The names that are local to a function or a class, and what of qr they stand for."""
        body = node.body if isinstance(node.body, list) else [node.body]
        bound: dict[str, Target | None] = dict.fromkeys(_stored(body))
        if not isinstance(node, ast.ClassDef):
            arguments = (a for a in ast.walk(node.args) if isinstance(a, ast.arg))
            bound |= {a.arg: None for a in arguments}
        for part in _inside(body):
            if isinstance(part, ast.Import | ast.ImportFrom):
                bound |= {name: t for name, t, _ in _imported(part, self.module.package)}
            elif isinstance(part, ast.Global):
                bound = {name: t for name, t in bound.items() if name not in part.names}
        return bound


class _ClassScope(dict):
    """Names in a class's body, which its methods do not see."""


def _in_class(scopes: tuple[Scope, ...]) -> bool:
    """Whether a statement stands in a class's body, where an annotation makes a field."""
    return bool(scopes) and isinstance(scopes[-1], _ClassScope)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return body


def _inside(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """All nodes of one scope: nested functions and classes, but not what is in them."""
    for node in body:
        yield node
        if not isinstance(node, _Function | _Comprehension | ast.ClassDef):
            yield from _inside(ast.iter_child_nodes(node))


def _stored(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that the statements of one scope bind."""
    for node in _inside(body):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
            isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name
        ):
            yield node.name


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
