"""Renders the templates of pages.

All shown texts may come from strangers. Jinja2 escapes the special characters of HTML, and `visible` spells out
characters that could hide or reorder text. Only addresses that `microbadger.image.labels` has checked become links.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from microbadger.badges import count_text, layers_text
from microbadger.image import PlatformDocument, platform_text, short_digest, size_text, tags_of
from microbadger.site.openapi import example_text, kind, prose, resolved
from microbadger.site.options import SiteOptions
from microbadger.site.paths import ASSETS, CATALOGUE

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'"
)

_LONGEST_TEXT = 2000  # characters of a label or a command; the JSON has the whole text
_FIRST_CREATION = "2013-03-20"  # when Docker was first released: an earlier time is a placeholder
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_HARMLESS = "\n\r\t\u200c\u200d"  # emoji and several scripts need the joiners
_WITHOUT_HARMLESS = dict.fromkeys(map(ord, _HARMLESS))


def render(template: str, site: SiteOptions, **context: object) -> bytes:
    """Return the bytes of a page, rendered from a template."""
    page = _templates.get_template(template).render(
        base_url=site.base_url,
        root=urlsplit(site.base_url).path,
        is_static=site.is_static,
        open_registries=site.open_registries,
        assets=_asset_urls(),
        catalogue=CATALOGUE,
        security=CONTENT_SECURITY_POLICY,
        **context,
    )
    return page.encode("utf-8", "replace")


def copy_button(what: str) -> Markup:
    """Return the button that copies the code before it; ``what`` completes "Copy …" for screen readers."""
    macros: Any = _templates.get_template("macros.html").module
    button: Markup = macros.copy_button(what)
    return button


def visible(text: str) -> str:
    r"""Return the text with each character that would hide or reorder text spelt out.

    >>> print(visible("invoice\u202efdp.exe"))
    invoice\u{202e}fdp.exe
    """
    if text.translate(_WITHOUT_HARMLESS).isprintable():
        return text
    return "".join(f"\\u{{{ord(char):x}}}" if _is_hidden(char) else char for char in text)


def platform_names(platforms: Sequence[PlatformDocument]) -> str:
    """Return all platforms, ``linux/amd64, arm64``, with the operating system only where it changes."""
    names, system = [], ""
    for name in dict.fromkeys(map(platform_text, platforms)):
        names.append(name.removeprefix(f"{system}/"))
        system = name.partition("/")[0]
    return ", ".join(names)


def media_words(media_type: str) -> str:
    """Return the unusual properties of a layer from its media type; nothing for an ordinary compressed tar.

    https://github.com/opencontainers/image-spec/blob/main/layer.md and, for encryption,
    https://github.com/containers/ocicrypt/blob/main/spec/spec.go

    >>> media_words("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd")
    'foreign, zstd'
    """
    kinds = (
        ("foreign", "nondistributable" in media_type or ".foreign." in media_type),
        ("zstd", re.search(r"[.+]zstd\b", media_type)),
        ("uncompressed", re.search(r"\.tar(\+encrypted)?$", media_type)),
        ("encrypted", media_type.endswith("+encrypted")),
    )
    return ", ".join(word for word, fits in kinds if fits)


def _creation(time: str) -> str:
    """Return a time of creation, or nothing if it is unknown or a placeholder."""
    return time if time and time >= _FIRST_CREATION else ""


def _is_hidden(char: str) -> bool:
    return char not in _HARMLESS and unicodedata.category(char) in _HIDDEN_CATEGORIES


def _day(time: str) -> str:
    moment = datetime.fromisoformat(time)
    return f"{moment.day} {moment:%B} {moment.year}"


def _exact(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… (shortened; the JSON has all of it)"


def _safe(value: object) -> object:
    """Make hidden characters visible in everything that a template prints, so that no template can forget to."""
    return visible(value) if type(value) is str else value


@cache
def _asset_urls() -> dict[str, str]:
    """Return the path of each asset, with a query that changes with its content, so that browsers fetch it again."""
    files = [file for file in resources.files("microbadger.site").joinpath("assets").iterdir() if file.is_file()]
    return {
        file.name: f"{ASSETS}/{file.name}?{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" for file in files
    }


_templates = Environment(
    loader=PackageLoader("microbadger.site"),
    auto_reload=False,  # a running service does not reload its modules either
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=_safe,
)
_templates.filters |= {
    "size": size_text,
    "count": count_text,
    "layers": layers_text,
    "platform": platform_text,
    "platform_names": platform_names,
    "tags": tags_of,
    "creation": _creation,
    "day": _day,
    "exact": _exact,
    "short": short_digest,
    "shortened": _shortened,
    "resolved": resolved,
    "prose": prose,
    "kind": kind,
    "example_text": example_text,
}
