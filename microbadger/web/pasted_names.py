"""Finds the image in a pasted text: a name, a command that pulls an image, or the address of a web page; pure."""

import re

from microbadger.freshness import without_invisible
from microbadger.image import InvalidReference, Reference, in_lower_case

_LONGEST_TEXT = 1000  # characters
_QUOTES = "\"'`<>()[],;"
_BEFORE_A_NAME = frozenset(
    {"$", "#", ">", "-", "sudo", "docker", "podman", "nerdctl", "image", "pull", "from", "image:", "from:"}
)
# Addresses of web pages about an image, without the scheme, with the name of the image. Other addresses are names.
_PAGES = [
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"(?:www\.)?hub\.docker\.com/_/([^/]+)(?:/.*)?", "{}"),
        (r"(?:www\.)?hub\.docker\.com/r/([^/]+/[^/]+)(?:/.*)?", "{}"),
        (r"(?:www\.)?microbadger\.com/(?:#/)?images/(.+)", "{}"),
        (r"quay\.io/repository/([^/]+/[^/]+)(?:/.*)?", "quay.io/{}"),
        (r"github\.com/([^/]+)/[^/]+/pkgs/container/([^/]+)(?:/.*)?", "ghcr.io/{}/{}"),
    )
]
_OTHER_PAGE = re.compile(r"(?:(?:www\.)?(?:hub\.docker|microbadger)|github)\.com(?:/.*)?", re.IGNORECASE)
_PLATFORM = re.compile(r"--platform[ =]\S+")
_SCHEME = re.compile(r"\A(?:https?:)?//", re.IGNORECASE)
_END = re.compile(r"[?#](?!/images/)")  # the end of the path; microbadger.com had names in the fragment, too


def pasted_name(text: str) -> Reference | None:
    """Return the image that a text names, perhaps with a tag, or None if it names no image.

    Upper case becomes lower case, and a digest is left out.

    >>> str(pasted_name(" docker pull Example/Web:1.0 "))
    'example/web:1.0'
    >>> str(pasted_name("https://hub.docker.com/_/alpine"))
    'library/alpine'
    """
    word = _word(without_invisible(text)) if len(text) <= _LONGEST_TEXT else ""
    address = _SCHEME.sub("", word, count=1)
    if address != word:
        address = _END.split(address)[0]
    try:
        return Reference.parse(in_lower_case(_name_at(address.rstrip("/")).partition("@")[0]))
    except InvalidReference:
        return None


def _word(text: str) -> str:
    """Return the word of a command, or of a line of a Dockerfile or Compose file, that names the image."""
    words = [word for word in _PLATFORM.sub(" ", text).split() if word == "-" or not word.startswith("-")]
    while len(words) > 1 and words[0].lower() in _BEFORE_A_NAME:
        del words[0]
    if len(words) == 3 and words[1].lower() == "as":
        del words[1:]
    return words[0].strip(_QUOTES) if len(words) == 1 else ""


def _name_at(address: str) -> str:
    """Return the name of the image that a web page is about, or an empty string if the page is about none.

    Addresses of other sites are returned unchanged, because they can be names.
    """
    for pattern, name in _PAGES:
        if match := pattern.fullmatch(address):
            return name.format(*match.groups())
    return "" if _OTHER_PAGE.fullmatch(address) else address
