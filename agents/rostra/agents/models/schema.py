"""Whether an answer conforms to a JSON Schema: the keywords that structured answers use."""

import re
from typing import Any

import msgspec

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\n(.*)\n```\s*\Z", re.DOTALL)
DEPTH = 32


def without_fence(text: str) -> str:
    """The JSON inside a Markdown code fence, which models like to put around it; other text as it is."""
    match = _FENCED.match(text)
    return match[1] if match else text


def problem(text: str, schema: dict[str, Any]) -> str:
    """What is wrong with `text` as JSON for `schema`, a sentence; empty: nothing.

    Knows `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`, `anyOf`, `oneOf`, `allOf`, `$ref`
    within the schema, and the bounds of lengths and numbers; other keywords are not checked.
    """
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return f"it is no JSON: {error}"
    return _check(value, schema, schema, "the answer", DEPTH)


def _check(value: Any, schema: Any, root: dict[str, Any], at: str, depth: int) -> str:
    if schema is False or depth == 0:
        return f"{at} is not allowed here"
    if not isinstance(schema, dict):
        return ""
    if isinstance(reference := schema.get("$ref"), str):
        return _check(value, _resolve(reference, root), root, at, depth - 1)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return f"{at} is not of type {' or '.join(map(str, kinds))}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{at} is none of {schema['enum']}"
    if "const" in schema and value != schema["const"]:
        return f"{at} is not {schema['const']!r}"
    for one in schema.get("allOf", ()):
        if found := _check(value, one, root, at, depth - 1):
            return found
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if choices and all(_check(value, one, root, at, depth - 1) for one in choices):
            return f"{at} is none of the {len(choices)} forms it may have"
    return _bounds(value, schema, at) or _inside(value, schema, root, at, depth)


def _inside(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str, depth: int) -> str:
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                return f"{at} has no {key!r}"
        for key, inner in value.items():
            rule = properties.get(key, schema.get("additionalProperties", True))
            if found := _check(inner, rule, root, f"{at}.{key}", depth - 1):
                return found
    if isinstance(value, list):
        for place, inner in enumerate(value):
            if found := _check(inner, schema.get("items", True), root, f"{at}[{place}]", depth - 1):
                return found
    return ""


def _bounds(value: Any, schema: dict[str, Any], at: str) -> str:
    if isinstance(value, str | list):
        unit = "Length" if isinstance(value, str) else "Items"
        size: float = len(value)
        low, high = schema.get(f"min{unit}"), schema.get(f"max{unit}")
        what = f"the length of {at}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        size, low, high, what = value, schema.get("minimum"), schema.get("maximum"), at
    else:
        return ""
    if low is not None and size < low:
        return f"{what} is less than {low}"
    if high is not None and size > high:
        return f"{what} is more than {high}"
    return ""


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(kind, (object,)))


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        if key:
            found = found.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if found is not None else True
