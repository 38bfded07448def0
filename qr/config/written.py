"""One definition of a module, written down without what decides nothing.

Left out are comments, docstrings, annotations and layout, where it stands, and what its module
calls the modules of qr. What it refers to in qr is looked up, scope by scope, as Python would.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
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


Resolve = Callable[[Target], Target | None]


class Writer:
    """Writes statements of a module down, and notes what they refer to.

    Args:
        module: its name; `package`: the package that its relative imports start from.
        resolve: where in qr a name is defined; None for names from elsewhere.
    """

    def __init__(self, module: str, package: str, resolve: Resolve):
        self.module, self.package, self.resolve = module, package, resolve
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
            elsewhere = [p for _, t, p in imported(node, self.package) if t is None]
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
        return self.resolve(Target(outer.module, node.attr))

    def _look_up(self, name: str, scopes: tuple[Scope, ...]) -> Target | None:
        for scope in reversed(scopes):
            if name in scope:
                bound = scope[name]
                return bound and self.resolve(bound)
        return self.resolve(Target(self.module, name)) if name else None

    def _function(self, node: _Function, scopes: tuple[Scope, ...]) -> str:
        around = self._fields(node, scopes, "body", "args")
        defaults = [*node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        inner = (*(s for s in scopes if not isinstance(s, _ClassScope)), self._bound_in(node))
        arguments = self._fields(node.args, inner, "defaults", "kw_defaults")
        body = without_docstring(node.body) if isinstance(node.body, list) else node.body
        return f"{around}{self.write(defaults, scopes)}{arguments}{self.write(body, inner)}"

    def _class(self, node: ast.ClassDef, scopes: tuple[Scope, ...]) -> str:
        around = self._fields(node, scopes, "body")
        inner = (*scopes, _ClassScope(self._bound_in(node)))
        return around + self.write(without_docstring(node.body), inner)

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
                bound |= {name: t for name, t, _ in imported(part, self.package)}
            elif isinstance(part, ast.Global):
                bound = {name: t for name, t in bound.items() if name not in part.names}
        return bound


class _ClassScope(dict):
    """Names in a class's body, which its methods do not see."""


def _in_class(scopes: tuple[Scope, ...]) -> bool:
    """Whether a statement stands in a class's body, where an annotation makes a field."""
    return bool(scopes) and isinstance(scopes[-1], _ClassScope)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
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
        name = getattr(node, "name", None)  # of a function, a class, an exception, a pattern
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            name = node.id
        if name is not None and not isinstance(node, ast.alias):
            yield name


def imported(
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
