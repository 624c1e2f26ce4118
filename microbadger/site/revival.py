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
from microbadger.site.old_addresses import HOSTS, Standing, Successor, beginning, standing, successor

_HOST = "|".join(map(re.escape, sorted(HOSTS, key=len, reverse=True)))
_OTHER = "https?(?::|%3A)(?:/|%2F){2}"  # an address does not go on where another one begins
# What https://www.rfc-editor.org/rfc/rfc3986#section-2 has, but for what formats put around addresses. JSON and
# Markdown escape some. A template can be in the place of a part, parentheses come in pairs, and an entity of HTML ends
# an address, except for ampersands.
_END = "-->|!:"  # of a comment in HTML, of a picture with a link in Textile
_AMPERSAND = re.compile(r"&(?:amp|\#38|\#x26);|\\u0026|&", re.IGNORECASE)
_ESCAPED = (r"\/", r"\_")
_IN_HTML = r"&(?!(?:quot|apos|lt|gt|nbsp|\#\w+);)"
_PATH_CHARACTER = rf"[\w\-.~:/@+=%]|\\[/_]|\$(?!{_OTHER})\w+|\$?\{{[\w.$-]*\}}|\([^\s()<>\"'\[\]]*\)|{_IN_HTML}"
_CHARACTER = rf"{_PATH_CHARACTER}|[!*,;?]|\#(?!\{{)|&(?:\#38|\#x26);|\\u0026"
_QUOTED_CHARACTER = "|".join([r"[\w\-.~/:]", *(f"%{ord(character):02X}" for character in "-_.~:/@!$&*+,;=%?#{}")])
_ADDRESS = re.compile(
    rf"""
    (?:(?:(?<![A-Z0-9/])(?<![A-Z0-9][+.-])|(?<=\\[nrt]))https?:|(?<![\w:./\\-])|(?<=<!--))
    (?://|\\/\\/)
    (?:{_HOST})(?::(?:80|443))?(?:(?=-->)|(?!\.?[\w@-]|\.[/:]|:\d))
    (?:\\?/(?:(?!{_OTHER}|{_END})(?:{_PATH_CHARACTER}))*)?
    (?:(?:\?|\#(?!\{{))(?:(?!{_OTHER}|{_END})(?:{_CHARACTER}))*)?
    |
    (?:(?<![A-Z0-9+./-])|(?<=%[0-9A-F][0-9A-F])(?<!%2F))
    (?P<quoted>
        https?(?!://)(?::|%3A)(?:/|%2F){{2}}
        (?:{_HOST})(?:(?::|%3A)(?:80|443))?(?!\.?[\w@-]|(?::|%3A)\d)
        (?:(?:/|%2F|%3F|%23)(?:(?!{_OTHER})(?:{_QUOTED_CHARACTER}))*)?
    )
    |
    https://camo\.githubusercontent\.com/[0-9a-f]{{40,64}}/(?P<proxied>(?:[0-9a-f]{{2}}){{16,2000}})(?![0-9a-z])
    """,
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_SERVER = re.compile(rf"(?:https?:)?(?://|\\/\\/)(?:{_HOST})(?::\d+)?", re.ASCII | re.IGNORECASE)
_IN_QUERY = re.compile(r"[?&;][\w.\-\[\]]{1,40}=", re.ASCII)
_LONGEST_NAME = 42  # characters, of what _IN_QUERY finds
_PUNCTUATION = ".,;:!?*_~+"
# What follows an address that goes on with what addresses are not made of: an escaped or foreign letter, or another
# address. Languages that put no space between words have letters beyond these.
_GOES_ON = re.compile(rf"\\[.-]|[^\W\u0530-\U0010ffff]|{_OTHER}", re.IGNORECASE)
_PLACEHOLDER = re.compile(rf"\$(?!{_OTHER})|\#?\{{|%[sd]|<[\w -]+>|(?<=/):\w|@\w+@", re.ASCII)
_TOKEN = re.compile(r"(?<![\w-])[\w-]{20,}(?:=|%3D)", re.ASCII | re.IGNORECASE)  # of a webhook
_LONGEST_NAMED = 2000  # characters, of an address that is named
_UNQUOTED = "/:=@,+${}"


@dataclass(frozen=True, slots=True)
class Change:
    """An address as the text had it, and as it is now; both without the token of a webhook."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Named:
    """An address that the user has to check, without the token of a webhook, and its line, from 1."""

    line: int
    address: str


@dataclass(slots=True)
class Revival:
    """A text with new addresses, and what was found in it."""

    text: str = ""
    changes: list[Change] = field(default_factory=list)
    unplaced: list[Named] = field(default_factory=list)
    """Addresses that stay because they have no successor."""
    unfinished: list[Named] = field(default_factory=list)
    """Addresses with something to fill in, or to append; only their host was replaced."""
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
        what, target = standing(host, path), successor(host, path, address.query, address.fragment)
        is_left = what is Standing.ALIVE and not self.are_foreign_meant
        if what is None or is_left:
            revival.foreign_count += is_left and target is not None
            return found.text
        new = self._new(found, target) if target else None
        named = Named(line, _TOKEN.sub("…", found.text)[:_LONGEST_NAMED])
        if target is None or new is None:
            new = self._new_beginning(found, host, path)
            (revival.unplaced if new is None else revival.unfinished).append(named)
        else:
            _note(target, revival)
        if new is not None and new != found.text:
            revival.changes.append(Change(_TOKEN.sub("…", found.text), _TOKEN.sub("…", new)))
        return found.text if new is None else new

    def _new(self, found: "_Found", target: Successor) -> str | None:
        """Return what takes the place of an address; None if its end is not clear, or nothing takes webhooks."""
        base_url = self._base_url(target)
        may_go_on = target.is_webhook and target.path.endswith("/")
        if base_url is None or (found.goes_on and not may_go_on):
            return None
        path = "" if target.path == "/" and not urlsplit(found.address).path else quote(target.path, _UNQUOTED)
        return found.written(f"{base_url}{path}{'?' if target.query else ''}{target.query}")

    def _new_beginning(self, found: "_Found", host: str, path: str) -> str | None:
        """Return a template, or what only begins an address, with another host; None if it is neither."""
        is_open = found.is_template or (path.endswith("/") and not found.goes_on)
        target = beginning(host, path, is_template=found.is_template) if is_open else None
        base_url = self._base_url(target) if target else None
        server = None if found.is_quoted or "/#" in found.address else _SERVER.match(found.text)
        if target is None or base_url is None or server is None:
            return None
        return f"{found.written(f'{base_url}{target.path}')}{found.text[server.end() :]}"

    def _base_url(self, target: Successor) -> str | None:
        return self.hook_url if target.is_webhook else self.base_url


@dataclass(frozen=True, slots=True)
class _Found:
    """An address in a text."""

    start: int
    text: str
    is_quoted: bool = False
    proxied: str = ""
    """The address that GitHub's proxy of pictures is asked for by this one, which is of no use with another in it."""
    goes_on: bool = False
    """Whether what follows belongs to it, so that it is not known what it is the address of."""
    is_template: bool = False
    """Whether something is to be filled in, in it or right behind it."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def address(self) -> str:
        if self.proxied:
            return self.proxied
        if self.is_quoted:
            return unquote(self.text)
        return _AMPERSAND.sub("&", self.text).replace(r"\/", "/").replace(r"\_", "_")

    def written(self, url: str) -> str:
        """Return a URL as it has to be written in the place of this one."""
        if self.proxied:
            return url
        if self.is_quoted:
            return quote(url, "".join(character for character in "/:" if character in self.text))
        ampersand = _AMPERSAND.search(self.text)
        url = url.replace("&", ampersand[0]) if ampersand else url
        for escaped in _ESCAPED:
            url = url.replace(escaped[1], escaped) if escaped in self.text else url
        return url


def _addresses(text: str) -> Iterator[_Found]:
    position = 0
    while match := _ADDRESS.search(text, position):
        position = match.end()
        if match["proxied"]:
            proxied = bytes.fromhex(match["proxied"]).decode("latin-1")
            if _ADDRESS.fullmatch(proxied):
                yield _Found(match.start(), match[0], proxied=proxied)
            continue
        found = _quoted(text, match) if match["quoted"] else _plain(text, match)
        yield found
        position = found.end


def _plain(text: str, match: "re.Match[str]") -> _Found:
    address = match[0]
    before = text[max(0, match.start() - _LONGEST_NAME) : match.start()]
    is_in_query = any(found.end() == len(before) for found in _IN_QUERY.finditer(before))
    path, mark, query = address.partition("?")
    ampersand = _AMPERSAND.search(address)
    if ampersand and (is_in_query or ampersand.start() < len(path)):
        address = address[: ampersand.start()]
    elif "//" in query:
        address = f"{path}{mark}{query.partition('//')[0]}"
        return _Found(match.start(), address, goes_on=True)
    is_cut = len(address) < len(match[0])
    is_open = not is_cut and _PLACEHOLDER.match(text, match.end())
    goes_on = is_open or (not is_cut and address[-1] not in ",;" and _GOES_ON.match(text, match.end()))
    address = address if goes_on else address.rstrip(_PUNCTUATION)
    is_template = bool(is_open or _PLACEHOLDER.search(address))
    return _Found(match.start(), address, goes_on=bool(goes_on), is_template=is_template)


def _quoted(text: str, match: "re.Match[str]") -> _Found:
    goes_on = bool(_PLACEHOLDER.match(text, match.end()) or _GOES_ON.match(text, match.end()))
    return _Found(match.start(), match[0] if goes_on else match[0].rstrip("._~"), is_quoted=True, goes_on=goes_on)


def _note(target: Successor, revival: Revival) -> None:
    if target.image is None:
        return
    for noted in (revival.images, revival.hooked) if target.is_webhook else (revival.images,):
        if target.image.repository not in noted:
            noted.append(target.image.repository)
