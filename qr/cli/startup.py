"""What a command leaves out when it imports other packages, so that it starts sooner.

CompressAI reads its data sets of point clouds when it is imported, for which it needs PyTorch
Geometric and torchvision, and Lightning asks TorchMetrics for its version. These three bring
torch's compiler with them, and no command uses any of them. Lightning and torch's optimizers
import the compiler itself, to tell it what to leave alone. `scipy.stats`, of which CompressAI
needs a quantile for new tables, is there as soon as it is used: SciPy itself sees to that.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial, wraps
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"
_LEFT_OUT = {
    "compressai": ("torch_geometric", "torchvision", "scipy.stats"),
    "lightning_fabric": ("torchmetrics", _COMPILER),
}
# Decorators that speak to the compiler; beside each, what it does else while a function runs.
_DECORATORS: dict[str, dict[str, Callable[..., AbstractContextManager]]] = {
    "torch._compile": {"_disable_dynamo": lambda *_: nullcontext()},
    "torch.optim.optimizer": {"_use_grad_for_differentiable": lambda own, *_: _gradients(own)},
}


def lighten() -> None:
    """Let the first import of CompressAI and of Lightning do without those packages.

    Only theirs: whoever imports torchvision before or after it, such as a plugin, gets it.
    Likewise the compiler, which is spoken to as ever once somebody has imported it.
    """
    if not any(isinstance(finder, _Importer) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Importer())


class _Importer(MetaPathFinder):
    """Finds the packages above, to be executed with stand-ins for what they leave out."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _LEFT_OUT and name not in _DECORATORS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Lightened(spec.loader, _LEFT_OUT.get(name, ()))
        return spec


class _Lightened(Loader):
    """A package's loader that leaves packages out."""

    def __init__(self, loader: Loader, left_out: Sequence[str]):
        self.loader, self.left_out = loader, left_out

    def __getattr__(self, name: str) -> Any:  # what else loaders have, such as resources
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with _stood_in_for(self.left_out):
            self.loader.exec_module(module)
        for name, without in _DECORATORS.get(module.__name__, {}).items():
            setattr(module, name, _unless_compiling(getattr(module, name), without))


@contextmanager
def _stood_in_for(packages: Sequence[str]) -> Iterator[None]:
    """Stand-ins are imported in place of packages that are not imported yet, and forgotten."""
    finder = _StandIns([name for name in packages if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    before, _Nothing.refused = _Nothing.refused, False  # one import may be within another
    try:
        yield
    finally:
        _Nothing.refused = before
        sys.meta_path.remove(finder)
        for name in finder.made:
            module, (parent, _, child) = sys.modules.pop(name), name.rpartition(".")
            if vars(sys.modules.get(parent, module)).get(child) is module:
                delattr(sys.modules[parent], child)


def _gradients(optimizer: Any) -> AbstractContextManager:
    import torch

    return torch.set_grad_enabled(optimizer.defaults["differentiable"])


def _unless_compiling(
    decorator: Callable, around: Callable[..., AbstractContextManager]
) -> Callable:
    """The decorator, without effect on the compiler as long as nobody has imported that.

    Nothing is compiled until then, so there is nothing to leave alone.
    """

    @wraps(decorator)
    def lazy(function: Callable | None = None, **options: Any) -> Callable:
        if function is None:
            return partial(lazy, **options)
        decorated = decorator(function, **options)

        @wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            if _COMPILER in sys.modules:
                return decorated(*arguments, **named)
            with around(*arguments):
                return function(*arguments, **named)

        return called

    return lazy


class _StandIns(MetaPathFinder, Loader):
    """Makes modules that have whatever name is asked of them."""

    def __init__(self, packages: Sequence[str]):
        self.packages = packages
        self.made: list[str] = []

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not any(f"{name}.".startswith(f"{package}.") for package in self.packages):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        self.made.append(spec.name)
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (_Nothing,), {"__module__": self.__name__})


class _Nothing:
    """A class to inherit from, or a decorator that changes nothing: all that imports ask for."""

    refused = True

    def __init__(self, *arguments: Any, **options: Any):
        if self.refused:
            package = type(self).__module__.partition(".")[0]
            raise ImportError(
                f"{type(self).__module__}.{type(self).__name__} was left out when this command "
                f"started: a plugin that needs it imports {package} before CompressAI"
            )

    def __call__(self, decorated: Any) -> Any:
        return decorated
