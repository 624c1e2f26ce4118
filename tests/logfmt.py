"""Reads lines of ``key=value`` as strictly as they are written: one space between, quoted values as JSON has them."""

import json
import re

_FIELD = re.compile(r'([a-z_]+)=("(?:[ -!#-\[\]-~]|\\["\\bfnrt/]|\\u[0-9a-f]{4})*"|[!#-<>-\[\]-~]+)(?: (?!\Z)|\Z)')


def parse(line: str) -> dict[str, str]:
    """Return the fields of a line; raise ValueError for anything that is none."""
    fields: dict[str, str] = {}
    at = 0
    while at < len(line):
        found = _FIELD.match(line, at)
        if found is None or found[1] in fields:
            raise ValueError(f"no field at {at}: {line!r}")
        fields[found[1]] = json.loads(found[2]) if found[2].startswith('"') else found[2]
        at = found.end()
    if not fields:
        raise ValueError("an empty line")
    return fields
