"""`module:name`: where a team file points into Python.

The module is looked for beside the team file first, then on the Python path. Checking finds the file and reads it without
running any of it; only the process that needs the object imports it (`rostra.agents.loading`).
"""

import ast
import importlib
import importlib.util
import re
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from rostra.protocol import RostraError

from .shapes import suggestion

_REFERENCE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\Z")


class BadReference(RostraError):
    """A `module:name` does not lead to anything; the message is a sentence."""

    code = "bad_reference"


def split(reference: str) -> tuple[str, str]:
    """The module and the name of a reference; raises `BadReference`."""
    match = _REFERENCE.match(reference)
    if match is None:
        raise BadReference(f'"{reference}" is no module:name')
    return match["module"], match["name"]


def check(reference: str, base: Path) -> None:
    """Raise `BadReference` unless `reference` leads to something, seen from the directory `base`. Runs none of it."""
    module, name = split(reference)
    spec = _find(module, base)
    if spec is None:
        raise BadReference(f'there is no module "{module}", neither beside the team file nor on the Python path')
    if spec.origin is None or not spec.origin.endswith(".py"):
        if spec.submodule_search_locations is not None:
            raise BadReference(f'"{module}" is a folder without code of its own')
        return
    source = Path(spec.origin)
    try:
        tree = ast.parse(source.read_bytes(), spec.origin)
    except SyntaxError as error:
        raise BadReference(f'the module "{module}" does not compile: {source.name}, line {error.lineno}: {error.msg}') from None
    except OSError as error:
        raise BadReference(f'the module "{module}" cannot be read: {error.strerror}') from None
    names = _defined(tree.body)
    first = name.split(".")[0]
    if first not in names and "*" not in names and "__getattr__" not in names:
        raise BadReference(f'"{module}" defines no "{first}"{suggestion(first, sorted(names))}')


def _find(module: str, base: Path) -> ModuleSpec | None:
    first, *rest = module.split(".")
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(first, [str(base)])
    if spec is None or (spec.origin is None and rest == []):
        try:
            spec = importlib.util.find_spec(first) or spec
        except ValueError:  # a module that is its own entry point has no spec
            return None
    full = first
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        full = f"{full}.{part}"
        spec = PathFinder.find_spec(full, list(spec.submodule_search_locations))
    return spec


def _defined(body: list[ast.stmt]) -> set[str]:
    """The names that the statements of a module define, wherever they stand outside of functions and classes."""
    names: set[str] = set()
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(statement.name)
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.For() | ast.With():
                names |= {
                    node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                }
                names |= _defined(getattr(statement, "body", []))
            case ast.If() | ast.While():
                names |= _defined(statement.body) | _defined(statement.orelse)
            case ast.Try():
                names |= _defined([*statement.body, *statement.orelse, *statement.finalbody])
                for handler in statement.handlers:
                    names |= _defined(handler.body)
            case _:
                pass
    return names
