"""Writes the changes of an image as an Atom feed: a log in, the bytes of ``images/<repository>/-/feed.xml`` out.

The format is that of https://www.rfc-editor.org/rfc/rfc4287. The address of a feed is its id, and a hash of the change
that of an entry, so both keep their identity, and the same log gives the same bytes.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from microbadger.image import ChangeDocument, ChangeLogDocument, document_bytes
from microbadger.site.paths import ImagePaths

MEDIA_TYPE = "application/atom+xml"
MOST_ENTRIES = 50
_NAMESPACE = "http://www.w3.org/2005/Atom"
_AUTHOR = "MicroBadger"
_BEFORE_ANY_CHANGE = "1970-01-01T00:00:00Z"  # a feed must have a time, and an empty one has nothing to take it from
_TAGS_IN_A_TITLE = 3
_DIGESTS_IN_A_TITLE = 2
_SENTENCES = 100
_SHORT_DIGEST_LENGTH = len("sha256:") + 12
# https://www.w3.org/TR/xml/#charsets, and the controls beyond ASCII, which it discourages.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def feed(log: ChangeLogDocument, base_url: str) -> bytes:
    """Return the feed of a log, with an entry for each of the last changes, the newest first."""
    paths = ImagePaths(log["ImageName"])
    page_url, feed_url = (f"{base_url}/{quote(path, safe='/:')}" for path in (f"{paths.page_url}/", paths.feed))
    changes = log["Changes"][:MOST_ENTRIES]
    root = Element("feed", {"xmlns": _NAMESPACE, "xml:lang": "en"})
    _add(root, "id", feed_url)
    _add(root, "title", f"Changes of {log['ImageName']}")
    _add(root, "updated", changes[0]["Time"] if changes else _BEFORE_ANY_CHANGE)
    _add(SubElement(root, "author"), "name", _AUTHOR)
    _link(root, "self", MEDIA_TYPE, feed_url)
    _link(root, "alternate", "text/html", page_url)
    for change in changes:
        _add_entry(root, change, feed_url, page_url)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def title(change: ChangeDocument) -> str:
    """Return a change in a few words, such as ``latest moved to sha256:6457d53fb065, 1.2.3 is new``."""
    new, gone = [tag["tag"] for tag in change["New"]], [tag["tag"] for tag in change["Deleted"]]
    phrases = list(_moves(change))
    if new:
        phrases.append(f"{_listed(new)} {'is' if len(new) == 1 else 'are'} new")
    if gone:
        phrases.append(f"{_listed(gone)} {'is' if len(gone) == 1 else 'are'} gone")
    return ", ".join(phrases)


def sentences(change: ChangeDocument) -> Iterator[str]:
    """Yield what happened to each tag."""
    for moved in change["Changed"]:
        yield f"{moved['tag']} moved from {moved['OldDigest']} to {moved['NewDigest']}."
    for new in change["New"]:
        yield f"{new['tag']} is new: {new['Digest']}."
    for gone in change["Deleted"]:
        yield f"{gone['tag']} is gone. It was {gone['Digest']}."


def _add_entry(root: Element, change: ChangeDocument, feed_url: str, page_url: str) -> None:
    entry = SubElement(root, "entry")
    _add(entry, "id", f"{feed_url}#{hashlib.sha256(document_bytes(change)).hexdigest()[:32]}")
    _add(entry, "title", title(change))
    _add(entry, "updated", change["Time"])
    _link(entry, "alternate", "text/html", page_url)
    _add(entry, "content", _content(change)).set("type", "text")


def _content(change: ChangeDocument) -> str:
    shown = list(sentences(change))
    rest = [f"{len(shown) - _SENTENCES} more tags changed."] if len(shown) > _SENTENCES else []
    return "\n".join([*shown[:_SENTENCES], *rest])


def _moves(change: ChangeDocument) -> Iterator[str]:
    tags_by_digest: dict[str, list[str]] = {}
    for moved in change["Changed"]:
        tags_by_digest.setdefault(moved["NewDigest"], []).append(moved["tag"])
    if len(tags_by_digest) > _DIGESTS_IN_A_TITLE:
        yield f"{_listed([moved['tag'] for moved in change['Changed']])} moved"
        return
    for digest, tags in tags_by_digest.items():
        yield f"{_listed(tags)} moved to {digest[:_SHORT_DIGEST_LENGTH]}"


def _listed(tags: Sequence[str]) -> str:
    """Return tags as a text: all of them if they are few, else the first ones and how many more there are."""
    if len(tags) == 1:
        return tags[0]
    shown, rest = tags[:_TAGS_IN_A_TITLE], len(tags) - _TAGS_IN_A_TITLE
    return f"{', '.join(shown)} and {rest} more" if rest > 0 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _add(parent: Element, name: str, text: str) -> Element:
    element = SubElement(parent, name)
    element.text = "\n".join(_UNPRINTABLE.sub("", line) for line in text.split("\n"))
    return element


def _link(parent: Element, relation: str, media_type: str, url: str) -> None:
    SubElement(parent, "link", {"rel": relation, "type": media_type, "href": url})
