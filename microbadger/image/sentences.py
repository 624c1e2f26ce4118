"""Describes a difference in lines of plain text, which pages, feeds, messages and comparisons share.

The lines contain untrusted text, changed only so that it has no line breaks. Callers must escape the lines.
"""

import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from microbadger.image.differences import (
    BaseDifference,
    ChangedLayerDocument,
    DifferenceDocument,
    LayersDifference,
    NamesDifference,
    PlatformsDifference,
    SizeDifference,
    TextDifference,
    WordsDifference,
)
from microbadger.image.documents import BaseDocument
from microbadger.image.words import short_digest, size_text

_NOT_SET = "not set"


def difference_lines(difference: DifferenceDocument, most: int | None = None) -> list[str]:
    """Return a line for each difference, the most important first. The last line counts those beyond ``most``.

    >>> difference_lines({"User": {"Old": "root", "New": "app"}, "Env": {"MODE": {"New": "fast"}}})
    ['User: root → app', 'Variable MODE added: fast']
    """
    fields: Mapping[str, Any] = difference
    lines = [
        " ".join(line.split())
        for field, lines_of in _FORMATTERS.items()
        if field in fields
        for line in lines_of(fields[field])
    ]
    if most is None or len(lines) <= most + 1:
        return lines
    return [*lines[:most], f"and {len(lines) - most} more"]


def _size(size: SizeDifference) -> Iterator[str]:
    more = size["New"] - size["Old"]
    sign = "+" if more > 0 else "−"
    yield f"Size: {size_text(size['Old'])} → {size_text(size['New'])} ({sign}{size_text(abs(more))})"


def _layers(layers: LayersDifference) -> Iterator[str]:
    added, removed, kept = layers["AddedCount"], layers["RemovedCount"], layers["KeptCount"]
    yield f"Layers: {added} added, {removed} removed, {kept} kept"
    yield from _steps("+", layers["Added"], added)
    yield from _steps("−", layers["Removed"], removed)


def _steps(sign: str, layers: list[ChangedLayerDocument], count: int) -> Iterator[str]:
    for layer in layers:
        yield f"{sign} {layer['Command'] or 'unknown step'} ({size_text(layer['DownloadSize'])})"
    if count > len(layers):
        yield f"{sign} {count - len(layers)} more"


def _platforms(platforms: PlatformsDifference) -> Iterator[str]:
    yield from _names("Platforms", platforms)
    if "Changed" in platforms:
        yield f"Only other platforms changed: {', '.join(platforms['Changed'])}"


def _base(base: BaseDifference) -> Iterator[str]:
    yield f"Base image: {_base_name(base.get('Old'))} → {_base_name(base.get('New'))}"


def _base_name(base: BaseDocument | None) -> str:
    if not base:
        return "not given"
    digest = short_digest(base.get("Digest", ""))
    return " ".join(filter(None, [base.get("Name"), f"({digest})" if digest else ""]))


def _text(what: str, text: TextDifference) -> Iterator[str]:
    yield f"{what}: {text.get('Old', _NOT_SET)} → {text.get('New', _NOT_SET)}"


def _command(what: str, words: WordsDifference) -> Iterator[str]:
    old, new = (shlex.join(command) or _NOT_SET for command in (words.get("Old", []), words.get("New", [])))
    yield f"{what}: {old} → {new}"


def _names(what: str, names: NamesDifference) -> Iterator[str]:
    found = {"added": names.get("Added"), "removed": names.get("Removed")}
    if phrases := [f"{', '.join(each)} {word}" for word, each in found.items() if each]:
        yield f"{what}: {'; '.join(phrases)}"


def _texts(what: str, texts: Mapping[str, TextDifference]) -> Iterator[str]:
    for name, text in texts.items():
        if "Old" in text and "New" in text:
            yield f"{what} {name}: {text['Old'] or 'empty'} → {text['New'] or 'empty'}"
        elif "New" in text:
            yield f"{what} {name} added{': ' if text['New'] else ''}{text['New']}"
        else:
            yield f"{what} {name} removed"


def _left_out(count: int) -> Iterator[str]:
    yield f"and {count} more difference{'' if count == 1 else 's'}"


_FORMATTERS: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "DownloadSize": _size,
    "Platforms": _platforms,
    "Base": _base,
    "User": partial(_text, "User"),
    "WorkingDir": partial(_text, "Working directory"),
    "StopSignal": partial(_text, "Stop signal"),
    "Entrypoint": partial(_command, "Entrypoint"),
    "Cmd": partial(_command, "Command"),
    "ExposedPorts": partial(_names, "Ports"),
    "Volumes": partial(_names, "Volumes"),
    "Env": partial(_texts, "Variable"),
    "Layers": _layers,  # below the config: there can be many steps
    "Labels": partial(_texts, "Label"),
    "LeftOut": _left_out,
}
