"""Reads the labels and annotations of an image as texts and links that are safe to show.

Annotations use the keys of the OCI image specification; labels use these or the older keys of label-schema. See
https://github.com/opencontainers/image-spec/blob/main/annotations.md and
https://github.com/label-schema/label-schema.org/blob/gh-pages/rc1.md. Neither defines `license` and `vcs-type`, but
MicroBadger has always read them. Only exact keys count. The order of precedence is: annotation of the index, of its
entry, of the manifest, OCI label, label-schema label. Annotations come first because labels are inherited from the base
image. Empty values, `NOASSERTION`, and invalid or placeholder times count as absent, so the next value is used.

Every value is untrusted. Texts are shortened, and lose control characters and characters that hide or reorder text.
An address becomes a link only if its host is a name and no character could end an HTML attribute. Links use https and
have no user and no password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote, unquote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from microbadger.image.fields import read_time
from microbadger.image.reference import is_digest
from microbadger.image.words import shortened

_OCI = "org.opencontainers.image"
_LABEL_SCHEMA = "org.label-schema"

# Field → its OCI key and its label-schema key (None if label-schema has none).
KNOWN_FIELDS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        "title": (f"{_OCI}.title", f"{_LABEL_SCHEMA}.name"),
        "description": (f"{_OCI}.description", f"{_LABEL_SCHEMA}.description"),
        "version": (f"{_OCI}.version", f"{_LABEL_SCHEMA}.version"),
        "vendor": (f"{_OCI}.vendor", f"{_LABEL_SCHEMA}.vendor"),
        "authors": (f"{_OCI}.authors", None),
        "created": (f"{_OCI}.created", f"{_LABEL_SCHEMA}.build-date"),
        "documentation": (f"{_OCI}.documentation", f"{_LABEL_SCHEMA}.usage"),
        "url": (f"{_OCI}.url", f"{_LABEL_SCHEMA}.url"),
        "source": (f"{_OCI}.source", f"{_LABEL_SCHEMA}.vcs-url"),
        "revision": (f"{_OCI}.revision", f"{_LABEL_SCHEMA}.vcs-ref"),
        "base_name": (f"{_OCI}.base.name", None),
        "base_digest": (f"{_OCI}.base.digest", None),
        "license": (f"{_OCI}.licenses", f"{_LABEL_SCHEMA}.license"),
    }
)
_CREATED_KEYS = KNOWN_FIELDS["created"]
_VERSION_CONTROL_TYPE_KEY = f"{_LABEL_SCHEMA}.vcs-type"
_NO_ASSERTION = "noassertion"  # SPDX's value for "unknown"
_GIT = "git"

_MAX_TEXT_LENGTH = 2000
_MAX_ADDRESS_LENGTH = 1000
_MAX_REF_LENGTH = 255
_MAX_PORT = 65535

# The zero-width joiners are not among these: emoji and several scripts need them.
_HIDDEN = "\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\uffff"
_SPACING = r"\s\x00-\x20\x7f-\xa0"
_HIDDEN_CHARACTERS = re.compile(f"[{_HIDDEN}]")
_SPACES = re.compile(f"[{_SPACING}]+")
_UNSAFE_IN_ADDRESS = re.compile(rf"[{_SPACING}{_HIDDEN}\"'<>\\^`{{|}}]")
_KEPT_IN_ADDRESS = "%:/?#[]@!$&()*+,;=~"  # RFC 3986, section 2.2, and % of existing escapes, but no quotes

_LABEL_END = r"(?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?P<host>(?:[A-Za-z0-9]{_LABEL_END}\.)+[A-Za-z]{_LABEL_END})"  # with a dot, and no IP address
_USER = r"[A-Za-z0-9_~+-]+"  # without a dot, because a user that looks like a host could mislead readers
_AUTHORITY = rf"(?:{_USER}(?::[^/?#@]*)?@)?{_HOST}(?::(?P<port>[0-9]{{1,5}}))?"
_WEB_ADDRESS = re.compile(rf"(?:git\+)?(?P<scheme>https?)://{_AUTHORITY}(?P<rest>[/?#].*)?", re.ASCII | re.IGNORECASE)
_GIT_ADDRESS = re.compile(rf"(?:git\+)?(?:ssh|git)://{_AUTHORITY}/(?P<path>.*)", re.ASCII | re.IGNORECASE)
_SCP_ADDRESS = re.compile(rf"{_USER}@{_HOST}:(?![0-9]+/)(?P<path>.*)", re.ASCII)  # 2222/ would be a port
_SHORT_ADDRESS = re.compile(rf"{_HOST}[:/](?P<path>.*)", re.ASCII)

_SPDX_IDENTIFIER = re.compile(r"(?!LicenseRef-)[A-Za-z0-9.-]+", re.ASCII)
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}", re.ASCII)
# The part of https://git-scm.com/docs/git-check-ref-format that could change which page an address means.
_UNSAFE_IN_REF = re.compile(r"^[-./]|[./]$|\.\.|//|/\.|@\{|[~^:?*\[]")

_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class License:
    """An SPDX expression, or the text of the label if it is not a valid one. `url` is set for a single license."""

    code: str
    url: str | None


@dataclass(frozen=True, slots=True)
class VersionControl:
    """The commit that an image was built from. `url` is the page of the commit, or of the repository if unknown."""

    type: str
    url: str
    commit: str


@dataclass(frozen=True, slots=True)
class Labels:
    """The facts in the labels and annotations of an image. A field is None if it is absent or its link is not safe."""

    description: str | None
    version: str | None
    authors: str | None
    created: datetime | None
    documentation: str | None
    url: str | None
    source: str | None
    revision: str | None
    base_name: str | None
    base_digest: str | None
    license: License | None
    version_control: VersionControl | None


@dataclass(frozen=True, slots=True)
class _Forge:
    """The paths of a code host's pages for a commit, for another ref and for a release of a repository."""

    commit: str
    ref: str
    release: str | None = None
    nests_repositories: bool = False


_GITHUB = _Forge("commit", "tree", "releases/tag")
_GITLAB = _Forge("-/commit", "-/tree", "-/releases", nests_repositories=True)
_GITEA = _Forge("commit", "src")
_BITBUCKET = _Forge("commits", "src")
_FORGES_BY_HOST = {
    "github.com": _GITHUB,
    "www.github.com": _GITHUB,
    "gitlab.com": _GITLAB,
    "bitbucket.org": _BITBUCKET,
    "codeberg.org": _GITEA,
    "gitea.com": _GITEA,
}
_FORGES_BY_FIRST_LABEL = {"github": _GITHUB, "gitlab": _GITLAB, "gitea": _GITEA, "forgejo": _GITEA}


def read_labels(labels: Mapping[str, object], annotations: Mapping[str, object] = _NOTHING) -> Labels:
    """Return the facts in the labels of an image and its merged annotations. Invalid values never raise."""
    values = {
        field: _first_value(
            annotations.get(oci), labels.get(oci), None if label_schema is None else labels.get(label_schema)
        )
        for field, (oci, label_schema) in KNOWN_FIELDS.items()
    }
    texts = {field: one_line(value) or None for field, value in values.items()}
    source = repository_url(values["source"])
    revision = texts["revision"] or _commit_in_fragment(values["source"])
    is_git = _first_value(labels.get(_VERSION_CONTROL_TYPE_KEY), _GIT).lower() == _GIT
    return Labels(
        description=texts["description"],
        version=texts["version"],
        authors=texts["authors"],
        created=_created(labels, annotations),
        documentation=web_link(values["documentation"]),
        url=web_link(values["url"]),
        source=source,
        revision=revision,
        base_name=texts["base_name"],
        base_digest=values["base_digest"] if is_digest(values["base_digest"]) else None,
        license=_license(texts["license"]),
        version_control=_version_control(source, revision) if is_git else None,
    )


def read_base(texts: Mapping[str, object]) -> tuple[str, str]:
    """Return the name and the digest of the base image in labels or annotations; either is empty if absent."""
    name, digest = (_first_value(texts.get(KNOWN_FIELDS[field][0])) for field in ("base_name", "base_digest"))
    return one_line(name), digest if is_digest(digest) else ""


def merged_annotations(*levels: Mapping[str, str]) -> dict[str, str]:
    """Return the annotations of several levels as one mapping, with the first meaningful value for each key."""
    merged: dict[str, str] = {}
    for level in reversed(levels):
        merged |= {key: text for key, text in level.items() if key not in merged or says_something(key, text)}
    return merged


def says_something(key: str, text: str) -> bool:
    """Return whether the value of a label or annotation is meaningful, and not empty or a placeholder."""
    return bool(_first_value(text)) and (key not in _CREATED_KEYS or read_time(text.strip()) is not None)


def repository_url(text: str) -> str | None:
    """Return the web address of the repository that a git address names, or None if the address is not safe.

    >>> repository_url("git@github.com:owner/app.git")
    'https://github.com/owner/app'
    """
    found = _origin_and_path(text.partition("#")[0].partition("?")[0]) if _is_safe(text) else None
    if found is None:
        return None
    origin, path = found
    components = [component for component in _without_suffix(path).split("/") if component]
    if any(unquote(component) in {".", ".."} for component in components):
        return None
    return "/".join([origin, *map(_escaped, components)])


def commit_url(repository: str, revision: str) -> str | None:
    """Return the web page of a commit or another ref, or None if no page is known for the host or ref.

    >>> commit_url("https://gitlab.com/group/app", "12a4554")
    'https://gitlab.com/group/app/-/commit/12a4554'
    """
    url = repository_url(repository)
    root = None if url is None else _forge_and_root(url)
    if root is None or not _is_ref(revision):
        return None
    forge, root_url = root
    page = forge.commit if _COMMIT.fullmatch(revision) else forge.ref
    return f"{root_url}/{page}/{quote(revision)}"


def release_url(repository: str, tag: str) -> str | None:
    """Return the web page of a release at GitHub or GitLab, or None for other hosts.

    >>> release_url("https://gitlab.com/group/app", "v1.2.3")
    'https://gitlab.com/group/app/-/releases/v1.2.3'
    """
    root = _forge_and_root(repository)
    if root is None or root[0].release is None:
        return None
    return f"{root[1]}/{root[0].release}/{quote(tag)}"


def web_link(text: str) -> str | None:
    """Return an address as an https link, or None if it is not a safe web address.

    >>> web_link("http://ci.example.org/runs/1"), web_link("javascript:alert(1)")
    ('https://ci.example.org/runs/1', None)
    """
    match = _WEB_ADDRESS.fullmatch(text) if _is_safe(text) else None
    origin = None if match is None else _web_origin(match)
    return None if match is None or origin is None else origin + _escaped(match["rest"] or "")


def one_line(value: str) -> str:
    """Return a text as one line that is short and safe to show."""
    text = " ".join(_HIDDEN_CHARACTERS.sub("", _SPACES.sub(" ", value[: 2 * _MAX_TEXT_LENGTH])).split())
    return shortened(text, _MAX_TEXT_LENGTH)


def _first_value(*values: object) -> str:
    """Return the first meaningful value, stripped, or an empty text."""
    texts = (value.strip() for value in values if isinstance(value, str))
    return next((text for text in texts if one_line(text).lower() not in ("", _NO_ASSERTION)), "")


def _created(labels: Mapping[str, object], annotations: Mapping[str, object]) -> datetime | None:
    oci, label_schema = _CREATED_KEYS
    texts = (_first_value(value) for value in (annotations.get(oci), labels.get(oci), labels.get(label_schema or "")))
    return next((time for text in texts if (time := read_time(text))), None)


def _license(text: str | None) -> License | None:
    if text is None:
        return None
    try:
        code = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return License(text, None)
    identifier = code.removesuffix("+")
    is_single = _SPDX_IDENTIFIER.fullmatch(identifier)
    return License(code, f"https://spdx.org/licenses/{identifier}.html" if is_single else None)


def _version_control(source: str | None, revision: str | None) -> VersionControl | None:
    if source is None or revision is None:
        return None
    return VersionControl(_GIT, commit_url(source, revision) or source, revision)


def _commit_in_fragment(address: str) -> str | None:
    """Return the commit after `#`, where official images have it, as in `#12a4554…:24/cli`, or None."""
    ref = address.partition("#")[2].partition(":")[0]
    return ref if _COMMIT.fullmatch(ref) and repository_url(address) else None


def _is_safe(text: str) -> bool:
    return len(text) <= _MAX_ADDRESS_LENGTH and not _UNSAFE_IN_ADDRESS.search(text)


def _origin_and_path(address: str) -> tuple[str, str] | None:
    if match := _WEB_ADDRESS.fullmatch(address):
        origin = _web_origin(match)
        return None if origin is None else (origin, match["rest"] or "")
    match = _GIT_ADDRESS.fullmatch(address) or _SCP_ADDRESS.fullmatch(address) or _short_address(address)
    return None if match is None else (f"https://{match['host'].lower()}", match["path"])


def _short_address(address: str) -> re.Match[str] | None:
    """Match an address such as `github.com/owner/app`, which is only unambiguous for a known host."""
    match = _SHORT_ADDRESS.fullmatch(address)
    return match if match and match["host"].lower() in _FORGES_BY_HOST else None


def _web_origin(match: re.Match[str]) -> str | None:
    """Return the https origin of a web address, or None if its port cannot serve https."""
    host, port = match["host"].lower(), int(match["port"] or 0)
    is_https = match["scheme"].lower() == "https"
    if match["port"] is None or port == (443 if is_https else 80):
        return f"https://{host}"
    return f"https://{host}:{port}" if is_https and 0 < port <= _MAX_PORT else None


def _without_suffix(path: str) -> str:
    path = path.rstrip("/")
    while path.endswith(".git"):
        path = path.removesuffix(".git").rstrip("/")
    return path


def _escaped(text: str) -> str:
    return quote(text, safe=_KEPT_IN_ADDRESS)


def _forge_and_root(url: str) -> tuple[_Forge, str] | None:
    """Return the kind of code host and the page of the repository that an address belongs to, or None."""
    authority, *components = url.removeprefix("https://").split("/")
    host = authority.partition(":")[0]
    forge = _FORGES_BY_HOST.get(host) or _FORGES_BY_FIRST_LABEL.get(host.partition(".")[0])
    if forge is None:
        return None
    count = 2
    if forge.nests_repositories:
        count = components.index("-") if "-" in components else len(components)
    root = components[:count]
    return (forge, "/".join([f"https://{authority}", *root])) if len(root) >= 2 else None


def _is_ref(text: str) -> bool:
    fits = 0 < len(text) <= _MAX_REF_LENGTH
    return fits and not _UNSAFE_IN_ADDRESS.search(text) and not _UNSAFE_IN_REF.search(text)
