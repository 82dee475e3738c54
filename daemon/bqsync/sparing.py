"""
Libraries without what of them nothing here asks for.

A library imports for all of its users what some of them need. That can be left out in two ways, and neither depends on
how the library is built: a module that is executed at its first use is there for whoever does ask for it, and a library
that can't do without an absent one is imported whole.

Python 3.15 does the first by itself, where a library says so; Google's have begun to.
Source: https://peps.python.org/pep-0810/
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import RLock
from types import ModuleType
from typing import cast


def defer(*names: str) -> None:
    """
    Have modules executed at their first use, instead of where they are imported.

    It makes no difference for `from module import name`, which is a use, for modules that are loaded already, and for
    names that no module has.
    """
    sys.meta_path.insert(0, _DeferringFinder(frozenset(names)))


def import_without(name: str, *absent: str) -> None:
    """
    Import a module, and let others count as missing meanwhile, unless they are loaded already.

    A library that needs one of them after all gets it.

    Raises:
        ImportError: the module can't be imported either way.
    """
    hidden = [one for one in absent if one not in sys.modules]
    # Source: https://docs.python.org/3/reference/import.html#the-module-cache (a module that is None can't be imported)
    sys.modules.update(dict.fromkeys(hidden, cast("ModuleType", None)))
    try:
        import_module(name)
    except Exception:  # noqa: BLE001, S110 - whatever it is, it is not raised by an import as usual, or once more
        pass
    finally:
        for one in hidden:
            del sys.modules[one]
    import_module(name)


class _DeferringFinder(MetaPathFinder):
    """Finds modules as usual, and replaces the loader of some."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname not in self._names:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferringLoader(spec.loader)
        return spec


class _DeferringLoader(Loader):
    """
    Leaves a module empty until somebody looks for something in it.

    The standard library's LazyLoader is not used: it takes the second import statement for a use, and until 3.12 two
    threads that came at once could meet a module half made.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = RLock()
        self._is_begun = False

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = _DeferredModule

    def execute(self, module: ModuleType) -> None:
        """Make the module what it is, once; another thread waits for that, and the module itself may look around."""
        with self._lock:
            if self._is_begun:
                return
            self._is_begun = True
            try:
                self._loader.exec_module(module)
            except BaseException:
                self._is_begun = False
                raise
            module.__class__ = ModuleType
            module.__loader__ = self._loader
            if module.__spec__ is not None:
                module.__spec__.loader = self._loader


class _DeferredModule(ModuleType):
    """Asks its loader for what it has not."""

    def __getattr__(self, name: str) -> object:
        loader = self.__loader__
        # An import statement looks whether a module is a package: that is no use of it.
        if name != "__path__" and isinstance(loader, _DeferringLoader):
            loader.execute(self)
        return ModuleType.__getattribute__(self, name)
