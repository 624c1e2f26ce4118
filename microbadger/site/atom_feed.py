"""Writes the changes of an image as an Atom feed: a log in, the bytes of ``images/<repository>/-/feed.xml`` out.

The format is that of https://www.rfc-editor.org/rfc/rfc4287. The address of a feed is its id, and a hash of the change
that of an entry, so both keep their identity, and the same log gives the same bytes.
"""

import hashlib
import re
from collections.abc import Iterator
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from microbadger.image import (
    ChangeDocument,
    ChangedTagDocument,
    ChangeLogDocument,
    DeletedTagDocument,
    NewTagDocument,
    change_title,
    difference_lines,
    document_bytes,
    moves_of,
)
from microbadger.site.paths import ImagePaths

MEDIA_TYPE = "application/atom+xml"
MOST_ENTRIES = 50
_NAMESPACE = "http://www.w3.org/2005/Atom"
_AUTHOR = "MicroBadger"
_BEFORE_ANY_CHANGE = "1970-01-01T00:00:00Z"  # a feed must have a time, and an empty one has nothing to take it from
_SENTENCES = 100
_FACTS = 12  # that differ between two versions
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


def identity(change: ChangeDocument) -> str:
    """Return what an entry is known by for ever: a hash of the fields that a change has always had."""
    lasting = ChangeDocument(
        Time=change["Time"],
        New=[NewTagDocument(tag=new["tag"], SHA=new["SHA"], Digest=new["Digest"]) for new in change["New"]],
        Changed=[
            ChangedTagDocument(tag=moved["tag"], OldDigest=moved["OldDigest"], NewDigest=moved["NewDigest"])
            for moved in change["Changed"]
        ],
        Deleted=[DeletedTagDocument(tag=gone["tag"], Digest=gone["Digest"]) for gone in change["Deleted"]],
    )
    return hashlib.sha256(document_bytes(lasting)).hexdigest()[:32]


def _add_entry(root: Element, change: ChangeDocument, feed_url: str, page_url: str) -> None:
    entry = SubElement(root, "entry")
    _add(entry, "id", f"{feed_url}#{identity(change)}")
    _add(entry, "title", change_title(change))
    _add(entry, "updated", change["Time"])
    _link(entry, "alternate", "text/html", page_url)
    _add(entry, "content", _content(change)).set("type", "text")


def _content(change: ChangeDocument) -> str:
    """Return what happened to each tag, and below tags that moved together what differs."""
    sentences = [*_moved(change), *_new_and_gone(change)]
    lines = [line for sentence, facts in sentences[:_SENTENCES] for line in (sentence, *facts)]
    rest = [f"{len(sentences) - _SENTENCES} more tags changed."] if len(sentences) > _SENTENCES else []
    return "\n".join([*lines, *rest])


def _moved(change: ChangeDocument) -> Iterator[tuple[str, list[str]]]:
    for move in moves_of(change):
        old, new = _named(move.old_name, move.old_digest), _named(move.new_name, move.new_digest)
        facts = [f"- {line}" for line in difference_lines(move.difference)[:_FACTS]]
        for tag in move.tags:
            verb = "was rebuilt and moved" if move.is_rebuild else "moved"
            yield f"{tag} {verb} from {old} to {new}.", facts if tag == move.tags[-1] else []


def _new_and_gone(change: ChangeDocument) -> Iterator[tuple[str, list[str]]]:
    for new in change["New"]:
        yield f"{new['tag']} is new: {new['Digest']}.", []
    for gone in change["Deleted"]:
        yield f"{gone['tag']} is gone. It was {gone['Digest']}.", []


def _named(name: str, digest: str) -> str:
    return f"{name} ({digest})" if name else digest


def _add(parent: Element, name: str, text: str) -> Element:
    element = SubElement(parent, name)
    element.text = "\n".join(_UNPRINTABLE.sub("", line) for line in text.split("\n"))
    return element


def _link(parent: Element, relation: str, media_type: str, url: str) -> None:
    SubElement(parent, "link", {"rel": relation, "type": media_type, "href": url})
