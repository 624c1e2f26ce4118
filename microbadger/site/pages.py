"""Writes the pages: documents in, HTML out.

A page is complete as it is written and can be read without its script; the script adds what needs an answer while one
reads: search, other versions and platforms, badges of another look. A page asks no other host for anything.

Everything that is shown may come from a stranger. Jinja2 escapes what HTML gives a meaning to, and `visible` spells out
what could hide or reorder text. Nothing but what `microbadger.image.labels` vetted becomes a link.
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader

from microbadger.badges import STYLES, badges, count_text, layers_text, platform_text, size_text
from microbadger.image import (
    ChangeDocument,
    ImageDocument,
    InvalidReference,
    LayerDocument,
    PlatformDocument,
    Reference,
    Repository,
    VersionDocument,
    current_version,
    image_name,
    read_labels,
    tags_of,
)
from microbadger.site.label_table import label_table
from microbadger.site.markup import FORMATS, BadgeLink, badge_link
from microbadger.site.openapi import document, example_text, kind, prose, resolved
from microbadger.site.paths import API, ASSETS, CATALOGUE, ImagePaths

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)

CLASSIC_BADGES = ("image", "version", "commit", "license")
_BADGE_NAMES = {
    "image": "Download size and layers",
    "version": "Version",
    "commit": "Commit",
    "license": "License",
    "size": "Download size",
    "layers": "Layers",
    "platforms": "Platforms",
    "created": "Created",
    "pulls": "Pulls",
    "stars": "Stars",
    "base": "Base image",
}
_FORMAT_NAMES = {
    "markdown": "Markdown",
    "html": "HTML",
    "restructuredtext": "reStructuredText",
    "asciidoc": "AsciiDoc",
}
_REGISTRY_NAMES = {"docker.io": "Docker Hub", "ghcr.io": "GitHub Container Registry", "quay.io": "Quay"}

LISTED_ON_HOME = 200
_CHANGES_SHOWN = 20
_LONGEST_TEXT = 2000  # characters of a label or a command; the JSON has the whole
_LAYERS_SHOWN = 500
_LABELS_SHOWN = 200

_TAG_CHARACTERS = string.ascii_letters + string.digits + "_.-"
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_HARMLESS = "\n\r\t\u200c\u200d"  # emoji and several scripts need the joiners
_WITHOUT_HARMLESS = dict.fromkeys(map(ord, _HARMLESS))
_CHECKED = re.compile(rb'<time id="checked"[^<]*</time>')


@dataclass(frozen=True, slots=True)
class BadgeRow:
    """A badge of the current version as the panel lists it."""

    type: str
    name: str
    path: str
    says: str
    markdown: str


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A step of the Dockerfile with the place its bytes take; no size where it has no layer."""

    command: str
    size: str = ""
    share: str = ""
    width: str = ""
    is_largest: bool = False


def image_page(
    image: ImageDocument,
    *,
    current: VersionDocument | None,
    changes: Sequence[ChangeDocument],
    base_url: str,
) -> bytes:
    """Return the page of an image.

    ``current`` is its current version with layers, which are left to the script without it. ``changes`` are newest
    first.
    """
    repository = Repository(image["Registry"], image["Repository"])
    paths = ImagePaths(image_name(repository))
    version = current or current_version(image["Versions"])
    labels, annotations = (version.get("Labels", {}), version.get("Annotations", {})) if version else ({}, {})
    return _page(
        "image.html",
        base_url,
        image=image,
        name=image_name(repository),
        page_url=f"{base_url}/{paths.page_url}",
        registry=_REGISTRY_NAMES.get(repository.registry, repository.registry),
        version=version,
        shown_platform=main_platform_of(version) if version else None,
        layers=layer_rows(version.get("Layers", [])[:_LAYERS_SHOWN]) if version else [],
        facts=read_labels(labels, annotations),
        labels=label_table(labels, annotations),
        labels_shown=_LABELS_SHOWN,
        paths=paths,
        badges=_badge_rows(image, version, repository, base_url) if version else [],
        classic=CLASSIC_BADGES,
        markup=_markup_templates(repository, base_url),
        styles=STYLES,
        formats=_FORMAT_NAMES,
        changes=changes[:_CHANGES_SHOWN],
    )


def checked_again(page: bytes | None, checked_at: str) -> bytes | None:
    """Return the page of an image that was found the same at this time; None for what is no whole page."""
    if page is None or not page.endswith(b"</html>"):
        return None
    checked: str = _macros.checked(checked_at)  # type: ignore[attr-defined]
    return _CHECKED.sub(checked.encode(), page, count=1)


def home_page(images: Sequence[Mapping[str, object]], count: int, base_url: str) -> bytes:
    """Return the home page with the first of so many entries of the catalogue; its script finds the others."""
    return _page("home.html", base_url, images=images[:LISTED_ON_HOME], count=count)


def not_found_page(name: str, base_url: str) -> bytes:
    """Return the page for an image that is not tracked, or not read yet."""
    try:
        trackable = image_name(Reference.parse(name).repository)
    except InvalidReference:
        trackable = None
    return _page("not_found.html", base_url, name=name, trackable=trackable)


def api_page(base_url: str) -> bytes:
    """Return the page about the HTTP API."""
    return _page("api.html", base_url, document=document(base_url), api=API)


def visible(text: str) -> str:
    r"""Return the text with each character that would hide or reorder text spelt out.

    >>> print(visible("invoice\u202efdp.exe"))
    invoice\u{202e}fdp.exe
    """
    if text.translate(_WITHOUT_HARMLESS).isprintable():
        return text
    return "".join(f"\\u{{{ord(char):x}}}" if _is_hidden(char) else char for char in text)


def layer_rows(layers: Sequence[LayerDocument]) -> list[LayerRow]:
    """Return a row for each step, its bar as wide as its layer is large, in percent of the largest one."""
    sizes = [layer["DownloadSize"] for layer in layers]
    largest, total = max(sizes, default=0), sum(sizes)
    return [
        LayerRow(
            command=layer["Command"],
            size=size_text(size),
            share=_percent_text(size, total),
            width=f"{max(100 * size / largest, 0.5):.1f}",
            is_largest=size == largest,
        )
        if size
        else LayerRow(command=layer["Command"])
        for layer, size in zip(layers, sizes, strict=True)
    ]


def platform_names(platforms: Sequence[PlatformDocument]) -> str:
    """Return all platforms, ``linux/amd64, arm64``: the operating system only where it is another one."""
    names, system = [], ""
    for name in dict.fromkeys(map(platform_text, platforms)):
        names.append(name.removeprefix(f"{system}/"))
        system = name.partition("/")[0]
    return ", ".join(names)


def main_platform_of(version: VersionDocument) -> PlatformDocument | None:
    """Return the platform that the size and the layers on top of a version are those of."""

    def is_main(platform: PlatformDocument) -> bool:
        layers = platform.get("Layers", version.get("Layers")) == version.get("Layers")
        same_size = platform["DownloadSize"] == version["DownloadSize"]
        return layers and same_size and platform["LayerCount"] == version["LayerCount"]

    return next(filter(is_main, version["Platforms"]), None)


def _badge_rows(
    image: ImageDocument, version: VersionDocument, repository: Repository, base_url: str
) -> list[BadgeRow]:
    paths = ImagePaths(image_name(repository))
    image = image.copy()
    image["Versions"] = [version]  # the badges of other versions would be worded in vain
    return [
        BadgeRow(
            type=badge_type,
            name=_BADGE_NAMES[badge_type],
            path=paths.badge(badge_type, None, "svg"),
            says=f"{badge.label}: {badge.message}",
            markdown=FORMATS["markdown"](badge_link(base_url, repository, badge_type)),
        )
        for badge_type, tag, badge in badges(image)
        if tag is None
    ]


def _markup_templates(repository: Repository, base_url: str) -> dict[str, object]:
    """Return what `badge_markup` writes in each format, and the path of a badge, with holes for the script to fill."""
    of_image = _with_query(badge_link(base_url, repository, "{type}"))
    of_tag = _with_query(badge_link(base_url, repository, "{type}", "{tag}"))
    spoken = replace(of_tag, alt=of_tag.alt.replace("{tag}", "{spoken}"))
    formats = {
        name: {"image": write(of_image), "tag": write(spoken), "escapes": _escapes(name)}
        for name, write in FORMATS.items()
    }
    preview = {"image": _path_of(of_image.image_url), "tag": _path_of(of_tag.image_url)}
    return {"formats": formats, "preview": preview}


def _with_query(link: BadgeLink) -> BadgeLink:
    return replace(link, image_url=link.image_url + "{query}")


def _path_of(url: str) -> str:
    """Return an address for pages on the same host, which may be reached under another name."""
    return urlsplit(url).path


@cache
def _escapes(markup_format: str) -> dict[str, str]:
    """Return how a format writes those characters of a tag that mean something in it."""
    write = FORMATS[markup_format]

    def written(text: str) -> str:
        return write(BadgeLink(alt=text, image_url="", page_url=""))

    before, _, after = written("{spoken}").partition("{spoken}")
    spelt = {char: written(char).removeprefix(before).removesuffix(after) for char in _TAG_CHARACTERS}
    return {char: spelling for char, spelling in spelt.items() if spelling != char}


def _percent_text(size_bytes: int, total_bytes: int) -> str:
    percent = int(100 * size_bytes / total_bytes + 0.5)
    return f"{percent}%" if percent else "<1%"


def _is_hidden(char: str) -> bool:
    return char not in _HARMLESS and unicodedata.category(char) in _HIDDEN_CATEGORIES


def _day(time: str) -> str:
    moment = datetime.fromisoformat(time)
    return f"{moment.day} {moment:%B} {moment.year}"


def _exact(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:12]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}… (shortened; the JSON has all of it)"


def _safe(value: object) -> object:
    """Make hidden characters visible in whatever a template prints, so that none can forget it."""
    return visible(value) if type(value) is str else value


@cache
def _asset_urls() -> dict[str, str]:
    """Return each asset's path, with what makes a browser fetch it anew after its content changed."""
    files = [file for file in resources.files("microbadger.site").joinpath("assets").iterdir() if file.is_file()]
    return {
        file.name: f"{ASSETS}/{file.name}?{hashlib.sha256(file.read_bytes()).hexdigest()[:8]}" for file in files
    }


def _page(template: str, base_url: str, **context: object) -> bytes:
    page = _templates.get_template(template).render(
        root=urlsplit(base_url).path,
        assets=_asset_urls(),
        catalogue=CATALOGUE,
        security=CONTENT_SECURITY_POLICY,
        **context,
    )
    return page.encode("utf-8", "replace")


_templates = Environment(
    loader=PackageLoader("microbadger.site"), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_safe
)
_templates.filters |= {
    "size": size_text,
    "count": count_text,
    "layers": layers_text,
    "platform": platform_text,
    "platform_names": platform_names,
    "tags": tags_of,
    "day": _day,
    "exact": _exact,
    "short": _short,
    "shortened": _shortened,
    "resolved": resolved,
    "prose": prose,
    "kind": kind,
    "example_text": example_text,
}
_macros = _templates.get_template("macros.html").module
