"""Finds old addresses in a text and puts those of this service in their place; pure.

It knows no format. Markdown, HTML, reStructuredText, AsciiDoc, Org and plain text all end an address with a character
that no address of an image has. An address in the query of another one is found as well, quoted
(``url=https%3A%2F%2F…``) or not. One in the path of another is left alone: archives have such.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from microbadger.image import Repository
from microbadger.site.old_addresses import HOSTS, Standing, Successor, standing, successor

_HOST = "|".join(map(re.escape, sorted(HOSTS, key=len, reverse=True)))
_OTHER = "https?(?::|%3A)(?:/|%2F){2}"  # an address does not go on where another one begins
# What https://www.rfc-editor.org/rfc/rfc3986#section-2 has, but for what formats put around addresses. A template can
# be in the place of a part, parentheses come in pairs, and an entity of HTML ends an address.
_CHARACTER = r"[\w\-.~:/@!*+,;=%?#]|\$\w+|\$?\{[\w.$-]*\}|\([^\s()<>\"'\[\]]*\)|&(?!(?:quot|apos|lt|gt|nbsp|\#\w+);)"
_QUOTED_CHARACTER = "|".join([r"[\w\-.~/:]", *(f"%{ord(character):02X}" for character in "-_.~:/@!$&*+,;=%?#{}")])
_ADDRESS = re.compile(
    rf"""
    (?:(?<![A-Z0-9+./-])https?:|(?<![\w:./-]))//
    (?:{_HOST})(?::(?:80|443))?(?!\.?[\w@-]|:\d)
    (?:[/?\#](?:(?!{_OTHER})(?:{_CHARACTER}))*)?
    |
    (?:(?<![A-Z0-9+./-])|(?<=%[0-9A-F][0-9A-F])(?<!%2F))
    (?P<quoted>
        https?(?!://)(?::|%3A)(?:/|%2F){{2}}
        (?:{_HOST})(?:(?::|%3A)(?:80|443))?(?!\.?[\w@-]|(?::|%3A)\d)
        (?:(?:/|%2F|%3F|%23)(?:(?!{_OTHER})(?:{_QUOTED_CHARACTER}))*)?
    )
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_IN_QUERY = re.compile(r"[?&;][\w.\-\[\]]{1,40}=", re.ASCII)
_LONGEST_NAME = 42  # characters, of what _IN_QUERY finds
_PUNCTUATION = ".,;:!?*_~"
# What follows an address that goes on with what addresses are not made of: a template, or an escaped or foreign letter.
_GOES_ON = re.compile(rf"[${{]|\\[_.-]|[^\W\u2e80-\U0010ffff]|{_OTHER}", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"<[\w -]+>", re.ASCII)
_TOKEN = re.compile(r"[\w-]{20,}(?:=|%3D)", re.ASCII | re.IGNORECASE)  # of a webhook
_UNQUOTED = "/:=@,+${}"


@dataclass(frozen=True, slots=True)
class Change:
    """An address as the text had it, and as it is now; both without the token of a webhook."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An address of one of the old services that has no successor, and its line, from 1."""

    line: int
    address: str


@dataclass(slots=True)
class Revival:
    """A text with new addresses, and what was found in it."""

    text: str = ""
    changes: list[Change] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    images: list[Repository] = field(default_factory=list)
    """What the addresses that have a successor are about, each image once."""
    hooked: list[Repository] = field(default_factory=list)
    """Those of which there is a webhook."""
    foreign_count: int = 0
    """How many addresses were left as they are because the service behind them still works."""


@dataclass(frozen=True, slots=True)
class Reviver:
    """Puts addresses of the service at ``base_url`` in the place of old ones.

    It takes webhooks at ``hook_url``, if at all. ``are_foreign_meant`` says whether addresses of services that still
    work are replaced, too.
    """

    base_url: str
    hook_url: str | None
    are_foreign_meant: bool = False

    def revive(self, text: str) -> Revival:
        """Return the text with new addresses. All else in it stays; a text that was revived before stays as it is."""
        revival, pieces, position, line = Revival(), list[str](), 0, 1
        for found in _addresses(text):
            line += text.count("\n", position, found.start)
            pieces += [text[position : found.start], self._revived(found, line, revival)]
            line += text.count("\n", found.start, found.end)
            position = found.end
        revival.text = "".join([*pieces, text[position:]])
        return revival

    def _revived(self, found: "_Found", line: int, revival: Revival) -> str:
        """Return what takes the place of an address, and note it."""
        address = urlsplit(found.address)
        host, path = address.hostname or "", unquote(address.path)
        what = standing(host, path)
        is_left = what is Standing.ALIVE and not self.are_foreign_meant
        if what is None or is_left:
            revival.foreign_count += is_left
            return found.text
        ampersand = "&amp;" if "&amp;" in address.query else "&"
        target = successor(host, path, address.query.replace(ampersand, "&"), address.fragment)
        new = self._new(found, target, ampersand) if target else None
        if target is None or new is None:
            revival.unplaced.append(Unplaced(line, _TOKEN.sub("…", found.text)))
            return found.text
        if new != found.text:
            revival.changes.append(Change(*(_TOKEN.sub("…", text) for text in (found.text, new))))
        _note(target, revival)
        return new

    def _new(self, found: "_Found", target: Successor, ampersand: str) -> str | None:
        """Return what takes the place of an address; None if its end is not clear, or nothing takes webhooks."""
        base_url = self.hook_url if target.is_webhook else self.base_url
        may_go_on = target.is_webhook and target.path.endswith("/")
        if base_url is None or (found.goes_on and not may_go_on):
            return None
        query = f"?{target.query.replace('&', ampersand)}" if target.query else ""
        return found.written(f"{base_url}{quote(target.path, _UNQUOTED)}{query}")


@dataclass(frozen=True, slots=True)
class _Found:
    """An address in a text."""

    start: int
    text: str
    is_quoted: bool = False
    goes_on: bool = False
    """Whether what follows belongs to it, so that it is not known what it is the address of."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def address(self) -> str:
        return unquote(self.text) if self.is_quoted else self.text

    def written(self, url: str) -> str:
        """Return a URL as it has to be written in the place of this one."""
        if not self.is_quoted:
            return url
        return quote(url, "".join(character for character in "/:" if character in self.text))


def _addresses(text: str) -> Iterator[_Found]:
    position = 0
    while match := _ADDRESS.search(text, position):
        found = _quoted(text, match) if match["quoted"] else _plain(text, match)
        yield found
        position = found.end


def _plain(text: str, match: "re.Match[str]") -> _Found:
    address = match[0]
    before = text[max(0, match.start() - _LONGEST_NAME) : match.start()]
    is_in_query = any(found.end() == len(before) for found in _IN_QUERY.finditer(before))
    path, mark, query = address.partition("?")
    if "&" in path or (is_in_query and "&" in address):
        address = address.partition("&")[0]
    elif "//" in query:
        address = f"{path}{mark}{query.partition('//')[0]}"
        return _Found(match.start(), address, goes_on=True)
    goes_on = len(address) == len(match[0]) and _goes_on(text, match.end())
    return _Found(match.start(), address if goes_on else address.rstrip(_PUNCTUATION), goes_on=goes_on)


def _quoted(text: str, match: "re.Match[str]") -> _Found:
    goes_on = _goes_on(text, match.end())
    return _Found(match.start(), match[0] if goes_on else match[0].rstrip("._~"), is_quoted=True, goes_on=goes_on)


def _goes_on(text: str, end: int) -> bool:
    is_open = text[end - 1] in "/:=" and _PLACEHOLDER.match(text, end)
    return bool(is_open or _GOES_ON.match(text, end))


def _note(target: Successor, revival: Revival) -> None:
    if target.image is None:
        return
    for noted in (revival.images, revival.hooked) if target.is_webhook else (revival.images,):
        if target.image.repository not in noted:
            noted.append(target.image.repository)
