"""The OpenAPI document of the HTTP API, and the filters for the page that shows it to people.

The document is ``openapi.json`` in this folder, so that other tools can read it, too. It follows
https://spec.openapis.org/oas/v3.1.1.html, but uses only a part of it: schemas are objects with properties, and parts
that several operations share are referenced with ``$ref``.
"""

import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from markupsafe import Markup, escape

from microbadger import __version__

Node = Mapping[str, Any]

_DOCUMENT: Node = json.loads(resources.files("microbadger.site").joinpath("openapi.json").read_bytes())
_MARKED = re.compile(r"`(?P<code>[^`]+)`|\[(?P<text>[^\]]+)\]\((?P<url>https://[^)\s]+)\)")


def document(base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of a service at a base URL."""
    info = {**_DOCUMENT["info"], "version": __version__}
    return {**_DOCUMENT, "info": info, "servers": [{"url": base_url}]}


def api_document(base_url: str) -> bytes:
    """Return the document as it is published, with indentation for people."""
    return json.dumps(document(base_url), ensure_ascii=False, indent=1).encode() + b"\n"


def resolved(node: Node) -> Node:
    """Return a part of the document, or the part that its ``$ref`` refers to."""
    if "$ref" not in node:
        return node
    found: Node = _DOCUMENT
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def prose(text: str) -> Markup:
    """Return a description as HTML: text in backquotes becomes code, and Markdown links become links.

    >>> prose("See `latest`.")
    Markup('See <code>latest</code>.')
    """
    return Markup(_MARKED.sub(_marked_up, escape(text)))  # noqa: S704 - the text is escaped before it is marked up


def kind(schema: Node) -> Markup:
    """Return the values that a schema allows in words; an object becomes a link to its description.

    >>> kind({"type": "array", "items": {"$ref": "#/components/schemas/Tag"}})
    Markup('list of <a href="#Tag">Tag</a>')
    """
    if "$ref" in schema:
        return Markup('<a href="#{0}">{0}</a>').format(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return escape(json.dumps(schema["const"], ensure_ascii=False))
    if "anyOf" in schema:
        return Markup(" or ").join(map(kind, schema["anyOf"]))
    if "enum" in schema:
        return escape(" or ".join(schema["enum"]))
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ["anything"])
    if kinds == ["array"]:
        return Markup("list of {}").format(kind(schema["items"]))
    if "additionalProperties" in schema:
        return Markup("object of {}s").format(kind(schema["additionalProperties"]))
    words = {"string": {"date-time": "time", "uri": "URL"}.get(schema.get("format", ""), "text")}
    return escape(" or ".join(words.get(name, name) for name in kinds))


def example_text(example: object) -> str:
    """Return an example as it is in a request or an answer: a string unchanged, anything else as JSON."""
    return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)


def _marked_up(match: "re.Match[str]") -> str:
    if match["code"]:
        return f"<code>{match['code']}</code>"
    return f'<a href="{match["url"]}" rel="noopener">{match["text"]}</a>'
