"""Writes the changes of an image as an Atom feed, ``images/<repository>/-/feed.xml``.

The format is that of https://www.rfc-editor.org/rfc/rfc4287. The id of a feed is its address, and the id of an entry is
a hash of the change. So ids never change, and the same log gives the same bytes.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
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
    listed,
    moves_of,
    short_reference,
)
from microbadger.site.paths import ImagePaths

MEDIA_TYPE = "application/atom+xml"
MOST_ENTRIES = 50
_NAMESPACE = "http://www.w3.org/2005/Atom"
_AUTHOR = "MicroBadger"
_BEFORE_ANY_CHANGE = "1970-01-01T00:00:00Z"  # the required time of a feed without entries
_SENTENCES = 100
_FACTS = 12  # shown of the differences between two versions
# All control characters, and the other characters that https://www.w3.org/TR/xml/#charsets forbids.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Entry(NamedTuple):
    """A change of an image with its title, and the part of it that a feed shows: all tags, or only some.

    The id of an entry depends only on the image and the whole change, not on the part that is shown.
    """

    image_name: str
    change: ChangeDocument
    shown: ChangeDocument
    title: str


def feed(log: ChangeLogDocument, base_url: str) -> bytes:
    """Return the feed of a log, with an entry for each of the last changes, the newest first."""
    name = log["ImageName"]
    entries = [Entry(name, change, change, change_title(change)) for change in log["Changes"][:MOST_ENTRIES]]
    return written(f"Changes of {name}", feed_url(name, base_url), page_url(name, base_url), entries, base_url)


def written(title: str, url: str, about_url: str, entries: Sequence[Entry], base_url: str) -> bytes:
    """Return the feed at ``url`` about the page at ``about_url``, with its entries, the newest first."""
    root = Element("feed", {"xmlns": _NAMESPACE, "xml:lang": "en"})
    _add(root, "id", url)
    _add(root, "title", title)
    _add(root, "updated", entries[0].change["Time"] if entries else _BEFORE_ANY_CHANGE)
    _add(SubElement(root, "author"), "name", _AUTHOR)
    _link(root, "self", MEDIA_TYPE, url)
    _link(root, "alternate", "text/html", about_url)
    for entry in entries:
        _add_entry(root, entry, base_url)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def feed_url(image_name: str, base_url: str) -> str:
    """Return the address of the feed of an image."""
    return f"{base_url}/{quote(ImagePaths(image_name).feed, safe='/:')}"


def page_url(image_name: str, base_url: str) -> str:
    """Return the address of the page of an image."""
    return f"{base_url}/{quote(ImagePaths(image_name).page_url, safe='/:')}/"


def identity(change: ChangeDocument) -> str:
    """Return the id of an entry: a hash of the fields that changes have had from the beginning.

    Moved bases count only if there are any, because older changes do not have that field.
    """
    lasting = ChangeDocument(
        Time=change["Time"],
        New=[NewTagDocument(tag=new["tag"], SHA=new["SHA"], Digest=new["Digest"]) for new in change["New"]],
        Changed=[
            ChangedTagDocument(tag=moved["tag"], OldDigest=moved["OldDigest"], NewDigest=moved["NewDigest"])
            for moved in change["Changed"]
        ],
        Deleted=[DeletedTagDocument(tag=gone["tag"], Digest=gone["Digest"]) for gone in change["Deleted"]],
    )
    if bases := change.get("BaseMoved"):
        lasting["BaseMoved"] = bases
    return hashlib.sha256(document_bytes(lasting)).hexdigest()[:32]


def _add_entry(root: Element, entry: Entry, base_url: str) -> None:
    element = SubElement(root, "entry")
    _add(element, "id", f"{feed_url(entry.image_name, base_url)}#{identity(entry.change)}")
    _add(element, "title", entry.title)
    _add(element, "updated", entry.change["Time"])
    _link(element, "alternate", "text/html", page_url(entry.image_name, base_url))
    _add(element, "content", entry_text(entry.shown)).set("type", "text")


def entry_text(change: ChangeDocument) -> str:
    """Return what happened to each tag, and the differences below tags that moved together."""
    sentences = [*_moved(change), *_new_and_gone(change), *_base_moved(change)]
    lines = [line for sentence, facts in sentences[:_SENTENCES] for line in (sentence, *facts)]
    rest = [f"{len(sentences) - _SENTENCES} more tags changed."] if len(sentences) > _SENTENCES else []
    return "\n".join([*lines, *rest])


def _moved(change: ChangeDocument) -> Iterator[tuple[str, list[str]]]:
    for move in moves_of(change):
        old, new = _named(move.old_name, move.old_digest), _named(move.new_name, move.new_digest)
        facts = [f"- {line}" for line in difference_lines(move.difference, _FACTS)]
        for tag in move.tags:
            verb = "was rebuilt and moved" if move.is_rebuild else "moved"
            yield f"{tag} {verb} from {old} to {new}.", facts if tag == move.tags[-1] else []


def _new_and_gone(change: ChangeDocument) -> Iterator[tuple[str, list[str]]]:
    for new in change["New"]:
        yield f"{new['tag']} is new: {new['Digest']}.", []
    for gone in change["Deleted"]:
        yield f"{gone['tag']} is gone. It was {gone['Digest']}.", []


def _base_moved(change: ChangeDocument) -> Iterator[tuple[str, list[str]]]:
    for base in change.get("BaseMoved", []):
        origin = f" from {base['OldDigest']}" if "OldDigest" in base else ""
        name = short_reference(base["Name"])
        yield f"{name}, the base image of {listed(base['Tags'])}, moved{origin} to {base['NewDigest']}.", []


def _named(name: str, digest: str) -> str:
    return f"{name} ({digest})" if name else digest


def _add(parent: Element, name: str, text: str) -> Element:
    element = SubElement(parent, name)
    element.text = "\n".join(_UNPRINTABLE.sub("", line) for line in text.split("\n"))
    return element


def _link(parent: Element, relation: str, media_type: str, url: str) -> None:
    SubElement(parent, "link", {"rel": relation, "type": media_type, "href": url})
