"""Maps old addresses of images and badges to the addresses of the same things in this service; pure.

The old services are microbadger.com, imagelayers.io, the badges that shields.io drew for both, and three services that
still draw badges of container images: shields.io, badgen.net and ghcr-badge. This service also answers at their paths,
so it is enough to change the host. The paths of imagelayers.io and ghcr-badge are below the name of their service.

* https://github.com/microscaling/microbadger/blob/93529e1/api/api.go
* https://github.com/badges/shields/tree/master/services/docker
* https://github.com/badgen/badgen.net/blob/19f3003/pages/api/docker.ts
* https://github.com/eggplants/ghcr-badge/blob/00774a2/README.md
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, unquote_plus

from microbadger.badges import BADGE_TYPES
from microbadger.image import DOCKER_HUB, InvalidReference, Reference, in_lower_case
from microbadger.site.paths import ImagePaths

HERE = ""
"""Stands for the host of this service."""

_HOOKS = "hooks.microbadger.com"
_LONGEST_ADDRESS = 2000  # characters
_MOST_PARAMETERS = 50
_MOST_PARTS_WITH_TAG, _MOST_PARTS = 3, 5
_PICTURE = re.compile(r"(?P<stem>.+)\.(?P<suffix>svg|json|png|gif|jpe?g)", re.IGNORECASE)
_OLD_TOKEN = re.compile(r"[A-Za-z0-9_-]{27}=", re.ASCII)
_ARCHITECTURE = re.compile(r"[a-z0-9_]+(?:/[a-z0-9]+)?", re.ASCII)
_NOT_IN_NAMES = frozenset({".", "..", "-"})

_OF_MICROBADGER = {"image-size": "size", "layers": "layers"}
_OF_DOCKER = {
    "image-size": "size",
    "size": "size",
    "v": "version",
    "version": "version",
    "pulls": "pulls",
    "stars": "stars",
    "layers": "layers",
}
_OF_ALL_TAGS = {"pulls", "stars"}
# The parameters of a badge. All others, such as logo and cacheSeconds, have no meaning here.
_DRAWING = frozenset({"style", "label", "color", "labelColor", "platform", "prerelease"})
_OLDER_NAMES = {"colorA": "labelColor", "colorB": "color"}
_OF_LISTS = ("query", "page")


class Standing(Enum):
    """Whether the service of an address still works."""

    DEAD = "dead"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class Successor:
    """The address in this service: an unquoted path, a query as it is sent, and the image."""

    path: str
    query: str = ""
    image: Reference | None = None
    is_webhook: bool = False


@dataclass(frozen=True, slots=True)
class _Old:
    """An old address, in parts."""

    host: str
    parts: list[str]
    parameters: list[tuple[str, str]]
    """Names, and values as they are sent."""
    ends_in_slash: bool = False

    def value(self, name: str) -> str:
        """Return the first value of a parameter; empty if there is none."""
        return next((unquote_plus(value) for key, value in self.parameters if key == name), "")


def successor(host: str, path: str, query: str = "", fragment: str = "") -> Successor | None:
    """Return the new address of an old one, or None if it has no counterpart here.

    The path and the fragment are unquoted; the query is as it is sent. With `HERE` as the host, the address is one of
    this service with the path of another service.

    >>> found = successor("img.shields.io", "/microbadger/layers/_/alpine/3.20.svg", "colorB=red&logo=docker")
    >>> found.path, found.query
    ('/badges/layers/library/alpine:3.20.svg', 'color=red')
    """
    host = host.lower()
    if len(path) + len(query) + len(fragment) > _LONGEST_ADDRESS or host not in _READ:
        return None
    if path.strip("/") == "" and "/" in fragment:
        route, _, rest = fragment.removeprefix("!").partition("?")
        path, query = route, query or rest
    parts = [part for part in path.split("/") if part]
    if _NOT_IN_NAMES & set(parts):
        return None
    return _READ[host](_Old(host, parts, _parameters(query), ends_in_slash=path.endswith("/")))


def standing(host: str, path: str) -> Standing | None:
    """Return whether the service of an address still works, or None if the address is not about images."""
    first = path.strip("/").partition("/")[0].lower()
    read = _READ.get(host.lower())
    if read is _shields:
        is_alive = first == "docker" and not path.lower().startswith(_DEAD_OF_SHIELDS)
        return Standing.ALIVE if is_alive else Standing.DEAD if first in _OF_SHIELDS else None
    if read in (_badgen, _flat_badgen):
        return Standing.ALIVE if first == "docker" else None
    if read is _ghcr_badge:
        return Standing.ALIVE
    return Standing.DEAD if read else None


def beginning(host: str, path: str, *, is_template: bool) -> Successor | None:
    """Return what to put before the path of an incomplete address, or None if the address is unknown.

    An incomplete address is a template, or an address to which programs append a name. Its path is unquoted and stays.

    >>> beginning("badge.imagelayers.io", "/$USER/$NAME.svg", is_template=True).path
    '/imagelayers'
    """
    host = host.lower()
    read, parts = _READ.get(host), [part for part in path.split("/") if part]
    if read in _BELOW:
        return Successor(_BELOW[read]) if is_template else None
    firsts = _OF_MICROBADGER_WITH_NAMES if read is _microbadger else _OF_SHIELDS_WITH_NAMES
    if read is None or not parts or parts[0] not in firsts or not (is_template or len(parts) <= firsts[parts[0]]):
        return None
    return Successor("", is_webhook=host == _HOOKS)


def _microbadger(old: _Old) -> Successor | None:
    match old.parts:
        case [] | ["labels"] | ["about"]:
            return Successor("/", is_webhook=old.host == _HOOKS)
        case ["badges", badge_type, *name]:
            return _badge(old, badge_type, "/".join(name)) if badge_type in BADGE_TYPES else None
        case ["images", *name, token] if name and (old.host == _HOOKS or _OLD_TOKEN.fullmatch(token)):
            return _webhook(old, name, token)
        case ["images" | "image", *name] | ["registry", _, "images", *name]:
            return _page("/".join(name))
        case ["v1", *below]:
            return _api(old, below)
        case ["healthcheck.txt"]:
            return Successor("/healthcheck.txt")
    return None


def _api(old: _Old, below: list[str]) -> Successor | None:
    match below:
        case [] | ["images"] if old.ends_in_slash:  # programs append a name to these
            return None
        case [] | ["badges", "counts"]:
            return Successor(f"/{'/'.join(old.parts)}")
        case ["images"]:
            return Successor("/v1/images", _query((key, value) for key, value in old.parameters if key in _OF_LISTS))
        case ["images", "search", *term] if term:
            return Successor(f"/{'/'.join(old.parts)}")
        case ["images", *name, "version", sha] if name:
            return _document("/".join(name), f"/version/{sha}")
        case ["images", *name]:
            return _document("/".join(name).removesuffix(".json"))
    return None


def _shields(old: _Old) -> Successor | None:
    match old.parts:
        case ["microbadger" | "imagelayers", kind, *name] if kind in _OF_MICROBADGER:
            name = name[1:] if len(name) > 1 and name[0] == kind else name  # the first addresses repeated the kind
            return _badge_of_parts(old, _OF_MICROBADGER[kind], name) if len(name) <= _MOST_PARTS_WITH_TAG else None
        case ["docker", kind, user, repository, *rest] if kind in _OF_DOCKER:
            return _badge_of_parts(old, _OF_DOCKER[kind], [user, repository, *rest])
    return None


def _badgen(old: _Old) -> Successor | None:
    return _shields(old) if old.parts[:1] == ["docker"] else None


def _flat_badgen(old: _Old) -> Successor | None:
    """Read an address of flat.badgen.net, where every badge has the style flat-square."""
    return _badgen(_Old(old.host, old.parts, [("style", "flat-square"), *old.parameters]))


def _imagelayers(old: _Old) -> Successor | None:
    name = "/".join(old.parts)
    if not name:
        first = old.value("images").partition(",")[0]
        return _page(first) if first else Successor("/")
    return _badge(old, "image", name)


def _ghcr_badge(old: _Old) -> Successor | None:
    match old.parts:
        case [owner, *name, "size"] if name:
            tag = old.value("tag")
            return _badge(old, "size", f"ghcr.io/{owner}/{'/'.join(name)}{f':{tag}' if tag else ''}.svg")
        case [owner, *name, "latest_tag"] if name:
            return _badge(old, "version", f"ghcr.io/{owner}/{'/'.join(name)}.svg")
        case [owner, *name, "tags"] if name and old.value("n") == "1":
            return _badge(old, "version", f"ghcr.io/{owner}/{'/'.join(name)}.svg")
    return None


def _here(old: _Old) -> Successor | None:
    first, *rest = old.parts or [""]
    if first == "ghcr-badge":
        return _ghcr_badge(_Old(old.host, rest, old.parameters))
    found = _shields(old)
    if first == "imagelayers" and found is None:
        return _imagelayers(_Old(old.host, rest, old.parameters))
    return found or _microbadger(old)


# The number of parts before the name of the image.
_OF_MICROBADGER_WITH_NAMES = {"badges": 2, "images": 1, "image": 1, "v1": 2}
_OF_SHIELDS_WITH_NAMES = {"microbadger": 2, "imagelayers": 2, "docker": 2}
_OF_SHIELDS = frozenset(_OF_SHIELDS_WITH_NAMES)
# https://github.com/badges/shields/pull/6529, https://github.com/badges/shields/pull/11501
_DEAD_OF_SHIELDS = ("/docker/automated/", "/docker/build/", "/docker/cloud/")
_BELOW = {_imagelayers: "/imagelayers", _ghcr_badge: "/ghcr-badge"}
_READ: Mapping[str, Callable[[_Old], Successor | None]] = {
    HERE: _here,
    **dict.fromkeys(("microbadger.com", "www.microbadger.com", "api.microbadger.com"), _microbadger),
    **dict.fromkeys(("images.microbadger.com", _HOOKS), _microbadger),
    **dict.fromkeys(("img.shields.io", "raster.shields.io", "shields.io", "www.shields.io"), _shields),
    "badgen.net": _badgen,
    "flat.badgen.net": _flat_badgen,
    **dict.fromkeys(("badge.imagelayers.io", "badge-imagelayers.iron.io"), _imagelayers),
    **dict.fromkeys(("imagelayers.io", "www.imagelayers.io", "imagelayers.iron.io"), _imagelayers),
    **dict.fromkeys(("ghcr-badge.egpl.dev", "ghcr-badge.deta.dev", "ghcr-badge.herokuapp.com"), _ghcr_badge),
}

HOSTS = tuple(filter(None, _READ))
"""Every host that an old address can have, in lower case."""


def _badge_of_parts(old: _Old, badge_type: str, parts: list[str]) -> Successor | None:
    """Return the badge of ``[user/]name[/tag[/architecture[/variant]]]``; the last part can have an ending."""
    if not 1 <= len(parts) <= _MOST_PARTS:
        return None
    stem, suffix = _without_ending(parts[-1])
    user_and_name, rest = [*parts[:-1], stem][:2], [*parts[:-1], stem][2:]
    tag = f":{rest[0]}" if rest and badge_type not in _OF_ALL_TAGS else ""
    name = f"docker.io/{'/'.join(user_and_name)}{tag}.{suffix}"
    return _badge(old, badge_type, name, architecture="/".join(rest[1:]) or old.value("arch"))


def _badge(old: _Old, badge_type: str, file: str, *, architecture: str = "") -> Successor | None:
    """Return the badge of a name, with or without an ending and a tag, drawn as the old address says."""
    stem, suffix = _without_ending(file)
    reference = _reference(stem)
    if reference is None or (stem == file and old.ends_in_slash):
        return None
    suffix = "json" if suffix.lower() == "json" else "svg"
    path = _paths(stem, reference).badge(badge_type, reference.tag, suffix)
    return Successor(f"/{path}", _drawing(old, reference, architecture.lower()), reference)


def _page(name: str) -> Successor | None:
    reference = _reference(name)
    if reference is None or _PICTURE.fullmatch(name):
        return None
    tag = f":{reference.tag}" if reference.tag else ""
    return Successor(f"/{_paths(name, reference).page_url}{tag}", "", reference)


def _document(name: str, below: str = "") -> Successor | None:
    page = _page(name)
    return Successor(f"/v1{page.path}{below}", "", page.image) if page else None


def _webhook(old: _Old, name: list[str], token: str) -> Successor | None:
    """Return the webhook of an image. If the token is elsewhere, the address has no token and ends with a slash."""
    if old.ends_in_slash and not _OLD_TOKEN.fullmatch(token):
        name, token = [*name, token], ""
    page = _page("/".join(name))
    return Successor(f"{page.path}/{token}", "", page.image, is_webhook=True) if page else None


def _reference(name: str) -> Reference | None:
    """Return the image of a name in upper or lower case, perhaps with a tag; at most two parts on Docker Hub."""
    name = f"library{name[1:]}" if name.startswith("_/") else name
    try:
        reference = Reference.parse(in_lower_case(name))
    except InvalidReference:
        return None
    is_too_deep = reference.repository.registry == DOCKER_HUB and reference.repository.path.count("/") > 1
    return None if reference.digest or is_too_deep else reference


def _paths(name: str, reference: Reference) -> ImagePaths:
    """Return the paths of an image, under its short name if the old address has that."""
    bare = reference.repository.bare
    is_bare = bare and name.lower().partition(":")[0] == bare
    return ImagePaths(bare) if bare and is_bare else ImagePaths.of(reference.repository)


def _drawing(old: _Old, reference: Reference, architecture: str) -> str:
    """Return the query of a badge; the current name of a parameter has precedence over an older name."""
    drawn: dict[str, str] = {}
    for name, value in old.parameters:
        newer = _OLDER_NAMES.get(name)
        if newer and not any(key == newer for key, _ in old.parameters):
            drawn.setdefault(newer, value)
        elif name in _DRAWING:
            drawn.setdefault(name, value)
    if _ARCHITECTURE.fullmatch(architecture):
        drawn.setdefault("platform", f"linux/{architecture}")
    if old.value("sort") == "semver" and reference.tag is None:
        drawn["sort"] = "semver"
    return _query(drawn.items())


def _without_ending(text: str) -> tuple[str, str]:
    match = _PICTURE.fullmatch(text)
    return (match["stem"], match["suffix"]) if match else (text, "svg")


def _parameters(query: str) -> list[tuple[str, str]]:
    pairs = (part.partition("=") for part in query.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS])
    return [(unquote(name), value) for name, equals, value in pairs if equals]


def _query(parameters: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in parameters)
