"""Checks that stored JSON has the shape of a document, including every field of every nested object.

Stored JSON can be valid although it is damaged, or was written by another program or another version of MicroBadger.
"""

import json
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_Check = Callable[[Any], bool]
_ANY: _Check = lambda _value: True  # noqa: E731 - a value like the other checks
_LARGEST = 2**63 - 1


def parse_kept(text: str | bytes | None, kind: Any) -> Any:
    """Return the value of stored JSON, or None if it is missing, damaged or of another type than ``kind``."""
    try:
        value = json.loads(text or "")
    except (TypeError, ValueError, RecursionError):
        return None
    return value if has_shape(value, kind) else None


def has_shape(value: object, kind: Any) -> bool:
    """Return whether a value has a type: a TypedDict, or a list, dict or scalar type of JSON."""
    return _check_of(kind)(value)


@cache
def _check_of(kind: Any) -> _Check:
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _typed_object(kind)
    if origin is Literal:
        return lambda value: value in arguments
    if origin in (Union, UnionType):
        checks = [_check_of(argument) for argument in arguments]
        return lambda value: any(check(value) for check in checks)
    if origin is list:
        of_item = _check_of(arguments[0])
        return lambda value: isinstance(value, list) and all(map(of_item, value))
    if origin is dict:
        of_value = _check_of(arguments[1])
        return lambda value: isinstance(value, dict) and all(map(of_value, value.values()))
    return _scalar(kind)


def _scalar(kind: Any) -> _Check:
    if kind in (object, Any):
        return _ANY
    if kind is int:
        return lambda value: type(value) is int and abs(value) <= _LARGEST
    if kind is float:
        return lambda value: type(value) in (int, float) and abs(value) <= _LARGEST
    return lambda value: isinstance(value, kind)


def _typed_object(kind: Any) -> _Check:
    checks = {name: _check_of(hint) for name, hint in get_type_hints(kind).items()}
    required: frozenset[str] = kind.__required_keys__

    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and required <= value.keys()
            and all(field not in checks or checks[field](each) for field, each in value.items())
        )

    return check
