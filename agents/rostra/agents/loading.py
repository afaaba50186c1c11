"""`module:name` in a team file, made an object. Only the mains of processes load code; data never names code to load."""

import difflib
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from rostra.protocol import RostraError

_bases: dict[str, Path] = {}
"""Which folder each top-level module loaded from beside a team file came from."""


class LoadError(RostraError):
    """A `module:name` does not lead to an object; `spec` is it."""

    def __init__(self, spec: str, reason: str) -> None:
        super().__init__(f"{spec!r}: {reason}")
        self.spec, self.reason = spec, reason


def load(spec: str, base: Path) -> Any:
    """The object that `spec` (`package.module:name`) names.

    It is looked for in the folder `base` (the team file's) first, then on the Python path. Raises `LoadError`, which says what
    was looked for and where.
    """
    module_name, colon, name = spec.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *name.split(".")]):
        raise LoadError(spec, "expected module:name, as in package.module:function")
    value: Any = _import(spec, module_name, base.resolve())
    for part in name.split("."):
        if not hasattr(value, part):
            near = difflib.get_close_matches(part, vars(value), n=1) if hasattr(value, "__dict__") else []
            hint = f"; did you mean {near[0]!r}?" if near else ""
            where = getattr(value, "__file__", None) or module_name
            raise LoadError(spec, f"{where} has no {part!r}{hint}")
        value = getattr(value, part)
    return value


def _import(spec: str, name: str, base: Path) -> ModuleType:
    top = name.partition(".")[0]
    beside = _beside(base, top)
    if beside is not None:
        _make_room(spec, top, base, beside)
        if str(base) in sys.path:
            sys.path.remove(str(base))
        sys.path.insert(0, str(base))
        importlib.invalidate_caches()
        _bases[top] = base
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise LoadError(spec, f"there is no module {error.name!r} in {base}, nor on the Python path") from None
        raise LoadError(spec, f"{name} needs the module {error.name!r}, which is not installed") from error
    except SyntaxError as error:
        raise LoadError(spec, f"{error.filename}, line {error.lineno}: {error.msg}") from error
    except Exception as error:  # the user's module may raise anything while it is imported
        raise LoadError(spec, f"importing {name} raised {type(error).__name__}: {error}{_place(error)}") from error


def _beside(base: Path, top: str) -> Path | None:
    """The file or folder of the module `top` in `base`."""
    for candidate in (base / top / "__init__.py", base / f"{top}.py", base / top):
        if candidate.is_file() or (candidate.is_dir() and any(candidate.glob("*.py"))):
            return candidate
    return None


def _make_room(spec: str, top: str, base: Path, beside: Path) -> None:
    """Forget a module of this name that came from beside another team file; refuse when it came from elsewhere."""
    loaded = sys.modules.get(top)
    if loaded is None or _bases.get(top) == base:
        return
    places = [getattr(loaded, "__file__", None) or "", *map(str, getattr(loaded, "__path__", ()))]
    if any(place and Path(place).resolve() in (beside, beside.parent) for place in places):
        return
    if top not in _bases:
        origin = getattr(loaded, "__file__", None) or "part of Python"
        raise LoadError(spec, f"{beside} has the name of a module that is already loaded ({origin}); rename it")
    for name in [name for name in sys.modules if name == top or name.startswith(top + ".")]:
        del sys.modules[name]


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno})" if trace else ""
