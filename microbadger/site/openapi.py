"""Describes the HTTP API: the OpenAPI document for programs, and from the same document what the page for people shows.

The document stands beside this module as ``openapi.json``, so that other tools can read it, too. It follows
https://spec.openapis.org/oas/v3.1.1.html and uses little of it: schemas are objects with properties, and what several
operations share is referred to by ``$ref``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from microbadger import __version__

Node = Mapping[str, Any]

_DOCUMENT: Node = json.loads(resources.files("microbadger.site").joinpath("openapi.json").read_bytes())
_METHODS = ("get", "post", "put", "delete")
_MARKED = re.compile(r"`(?P<code>[^`]+)`|\[(?P<link>[^\]]+)\]\((?P<url>https://[^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a description: plain, code, or a link if it has a URL."""

    text: str
    is_code: bool = False
    url: str = ""


Prose = tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of an object; ``schema`` is the name of the object it holds, if it is one."""

    name: str
    kind: str
    schema: str
    description: Prose
    is_required: bool


@dataclass(frozen=True, slots=True)
class Content:
    """What a body holds, in one media type."""

    media_type: str
    schema: str
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers with one status."""

    status: str
    description: Prose
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method at an address."""

    id: str
    method: str
    path: str
    summary: str
    description: Prose
    is_for_administrators: bool
    parameters: tuple[Field, ...]
    sent: tuple[Content, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """The operations of one subject."""

    name: str
    description: Prose
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """An object that bodies hold."""

    name: str
    description: Prose
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """Everything the page tells."""

    introduction: tuple[Prose, ...]
    sections: tuple[Section, ...]
    objects: tuple[Object, ...]


def document(base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of a service that is reached at a URL."""
    info = {**_DOCUMENT["info"], "version": __version__}
    return {**_DOCUMENT, "info": info, "servers": [{"url": base_url}]}


def api_document(base_url: str) -> bytes:
    """Return the document as it is published, laid out for people who look into it."""
    return json.dumps(document(base_url), ensure_ascii=False, indent=1).encode() + b"\n"


def api_guide() -> Guide:
    """Return what the page tells of the API."""
    operations = [*_operations("paths"), *_operations("webhooks")]
    schemas = _DOCUMENT["components"]["schemas"].items()
    return Guide(
        introduction=tuple(map(prose, _DOCUMENT["info"]["description"].split("\n\n"))),
        sections=tuple(
            Section(tag["name"], prose(tag["description"]), tuple(op for name, op in operations if name == tag["name"]))
            for tag in _DOCUMENT["tags"]
        ),
        objects=tuple(Object(name, _description(schema), tuple(_members(schema))) for name, schema in schemas),
    )


def resolved(node: Node) -> Node:
    """Return what a part of the document says or refers to."""
    if "$ref" not in node:
        return node
    found: Node = _DOCUMENT
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def prose(text: str) -> Prose:
    """Return a description in pieces: what stands between backquotes is code, and Markdown links are links.

    >>> [(words.text, words.is_code) for words in prose("See `latest`.")]
    [('See ', False), ('latest', True), ('.', False)]
    """
    pieces, end = [], 0
    for match in _MARKED.finditer(text):
        pieces += [Words(text[end : match.start()]), Words(match["code"] or match["link"], *_mark(match))]
        end = match.end()
    return tuple(words for words in [*pieces, Words(text[end:])] if words.text)


def _mark(match: "re.Match[str]") -> tuple[bool, str]:
    return bool(match["code"]), match["url"] or ""


def _description(node: Node) -> Prose:
    return prose(node.get("description", ""))


def _operations(part: str) -> Iterator[tuple[str, Operation]]:
    """Yield each operation with the subject it belongs to."""
    for path, item in _DOCUMENT[part].items():
        for method in filter(item.__contains__, _METHODS):
            operation = item[method]
            parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
            yield (
                operation["tags"][0],
                Operation(
                    id=operation["operationId"],
                    method=method.upper(),
                    path=path if part == "paths" else "",
                    summary=operation["summary"],
                    description=_description(operation),
                    is_for_administrators="security" in operation,
                    parameters=tuple(map(_parameter, parameters)),
                    sent=_contents(operation.get("requestBody", {})),
                    answers=tuple(_answer(*answer) for answer in operation["responses"].items()),
                ),
            )


def _parameter(node: Node) -> Field:
    parameter = resolved(node)
    kind, schema = _kind(parameter["schema"])
    where = {"path": "in the address", "query": "in the query", "header": "as a header"}[parameter["in"]]
    is_required = parameter.get("required", False)
    return Field(parameter["name"], f"{kind}, {where}", schema, _description(parameter), is_required)


def _members(schema: Node) -> Iterator[Field]:
    for name, member in schema["properties"].items():
        description = _description(member) or _description(resolved(member))
        yield Field(name, *_kind(member), description, name in schema["required"])


def _kind(schema: Node) -> tuple[str, str]:
    """Return what kind of value it is, in words, and the name of the object it is or holds."""
    if "$ref" in schema:
        return "", schema["$ref"].rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"]), ""
    if "enum" in schema:
        return " or ".join(schema["enum"]), ""
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ["anything"])
    if kinds == ["array"]:
        kind, name = _kind(schema["items"])
        return f"list of {kind}".strip(), name
    if "additionalProperties" in schema:
        return f"object of {_kind(schema['additionalProperties'])[0]}s", ""
    words = {"string": {"date-time": "time", "uri": "URL"}.get(schema.get("format", ""), "text")}
    return " or ".join(words.get(kind, kind) for kind in kinds), ""


def _answer(status: str, node: Node) -> Answer:
    answer = resolved(node)
    return Answer(status, _description(answer), _contents(answer))


def _contents(node: Node) -> tuple[Content, ...]:
    return tuple(
        Content(media_type, _kind(media["schema"])[1], _example(media.get("example")))
        for media_type, media in node.get("content", {}).items()
        if media_type != "*/*"
    )


def _example(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, indent=2)
