"""Replaces old addresses in a text with addresses of this service; pure.

The format of the text does not matter, because Markdown, HTML, reStructuredText, AsciiDoc, Org and plain text all end
an address with a character that no address of an image has. An address in the query of another address is replaced as
well, quoted (``url=https%3A%2F%2F…``) or not. An address in the path of another one stays, because archives have such
paths.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from microbadger.image import Repository
from microbadger.site.old_addresses import HOSTS, Standing, Successor, beginning, standing, successor

_HOST = "|".join(map(re.escape, sorted(HOSTS, key=len, reverse=True)))
_OTHER = "https?(?::|%3A)(?:/|%2F){2}"  # the beginning of another address ends an address
# The characters of https://www.rfc-editor.org/rfc/rfc3986#section-2, without those that formats put around addresses.
# JSON and Markdown escape some of them. A part can be a template, parentheses come in pairs, and an HTML entity ends an
# address, except for ampersands.
_END = "-->|!:"  # the end of a comment in HTML, and of a picture with a link in Textile
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
_LONGEST_NAME = 42  # characters that _IN_QUERY finds at most
_PUNCTUATION = ".,;:!?*_~+"
# Text after an address that shows that its end is not clear: an escaped dot or hyphen, a letter that addresses do not
# have, or another address. Letters from U+0530 on do not count, because some languages have no spaces between words.
_GOES_ON = re.compile(rf"\\[.-]|[^\W\u0530-\U0010ffff]|{_OTHER}", re.IGNORECASE)
_PLACEHOLDER = re.compile(rf"\$(?!{_OTHER})|\#?\{{|%[sd]|<[\w -]+>|(?<=/):\w|@\w+@", re.ASCII)
_TOKEN = re.compile(r"(?<![\w-])[\w-]{20,}(?:=|%3D)", re.ASCII | re.IGNORECASE)  # of a webhook
_LONGEST_NAMED = 2000  # characters of an address that is listed for the user
_UNQUOTED = "/:=@,+${}"


@dataclass(frozen=True, slots=True)
class Change:
    """An address before and after, both without the token of a webhook."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Named:
    """An address that the user has to check, without the token of a webhook, and its line number from 1."""

    line: int
    address: str


@dataclass(slots=True)
class Revival:
    """A text with new addresses, and the addresses that were found in it."""

    text: str = ""
    changes: list[Change] = field(default_factory=list)
    unplaced: list[Named] = field(default_factory=list)
    """Addresses that stay because they have no counterpart here, or because their end is not clear."""
    unfinished: list[Named] = field(default_factory=list)
    """Incomplete addresses, such as templates, of which only the host was replaced."""
    images: list[Repository] = field(default_factory=list)
    """The images in the replaced addresses, each once."""
    hooked: list[Repository] = field(default_factory=list)
    """The images whose webhooks were replaced."""
    foreign_count: int = 0
    """The number of addresses that stay because their service still works."""


@dataclass(frozen=True, slots=True)
class Reviver:
    """Replaces old addresses with addresses of the service at ``base_url``.

    ``hook_url`` is the address for webhooks, None if there are no webhooks. ``are_foreign_meant`` says whether
    addresses of services that still work are replaced, too.
    """

    base_url: str
    hook_url: str | None
    are_foreign_meant: bool = False

    def revive(self, text: str) -> Revival:
        """Return the text with new addresses. Everything else stays, and a second run changes nothing."""
        revival, pieces, position, line = Revival(), list[str](), 0, 1
        for found in _addresses(text):
            line += text.count("\n", position, found.start)
            pieces += [text[position : found.start], self._revived(found, line, revival)]
            line += text.count("\n", found.start, found.end)
            position = found.end
        revival.text = "".join([*pieces, text[position:]])
        return revival

    def _revived(self, found: "_Found", line: int, revival: Revival) -> str:
        """Return the replacement of an address, and record it in ``revival``."""
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
        """Return the replacement of an address, or None if its end is not clear, or if there are no webhooks."""
        base_url = self._base_url(target)
        may_go_on = target.is_webhook and target.path.endswith("/")
        if base_url is None or (found.goes_on and not may_go_on):
            return None
        path = "" if target.path == "/" and not urlsplit(found.address).path else quote(target.path, _UNQUOTED)
        return found.written(f"{base_url}{path}{'?' if target.query else ''}{target.query}")

    def _new_beginning(self, found: "_Found", host: str, path: str) -> str | None:
        """Return an incomplete address with the new host, or None if the address is not incomplete."""
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
    """The address in an address of GitHub's image proxy. The whole address is replaced, because it is signed."""
    goes_on: bool = False
    """Whether the following text belongs to the address, so that its end is not clear."""
    is_template: bool = False
    """Whether the address has a placeholder, or a placeholder follows it."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def address(self) -> str:
        """The address without the quoting and escaping of the text around it."""
        if self.proxied:
            return self.proxied
        if self.is_quoted:
            return unquote(self.text)
        return _AMPERSAND.sub("&", self.text).replace(r"\/", "/").replace(r"\_", "_")

    def written(self, url: str) -> str:
        """Return a URL with the quoting and the escapes of this address."""
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
