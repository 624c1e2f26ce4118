"""Describes changes in the format of each receiver: documents in, the body and the headers of a message out.

``microbadger`` is the message that microbadger.com sent; Slack shows its ``text``. ``json`` has the most details. The
other formats are for people: they name a few tags, and link to the page for the rest. Text from a registry is escaped
as the receiver requires, and the size of every message is limited.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from microbadger.image import (
    DOCKER_HUB,
    BaseMovedDocument,
    ChangeDocument,
    Changes,
    ImageDocument,
    Move,
    TagPatterns,
    VersionDocument,
    bases_under,
    difference_lines,
    is_read,
    listed,
    moves_of,
    platform_text,
    short_digest,
    short_reference,
    shortened,
    size_text,
    versions_by_tag,
)
from microbadger.notifications.ntfy import ntfy_headers, ntfy_text

_MOST_TAGS = 500
_MOST_TAG_BYTES = 48 * 1024
_MOST_DIFFERENCE_BYTES = 12 * 1024
_MOST_LINES = 20
# Slack splits a message above 4000 characters, Discord rejects a description above 4096, and ntfy turns a message above
# 4096 bytes into an attachment.
_MOST_LINES_BYTES = 3500
_MOST_FACTS = 6  # differences shown for tags that moved together
_TITLE_CHARACTERS = 128  # half of what Discord allows, because escaping can double the length
_MOST_LABELS = 20
_MOST_BASES = 5  # in a message for people
_MOST_BASE_BYTES = 12 * 1024
_MOST_CHARACTERS = 200  # of a label, a platform or a fact
_MOST_PLATFORMS = 30
_BLUE = 0x007EC6  # as in the badges
_MARKDOWN = re.compile(r"([\\`*_~|\[\]()<>])")

NTFY = "ntfy"
NEW, CHANGED, DELETED = "new", "changed", "deleted"

Message = dict[str, object]


@dataclass(frozen=True, slots=True)
class TagChange:
    """How one tag moved, with the version that it named before and the version that it names now.

    ``sha`` identifies the new version, or the last one if the tag was deleted. ``entry`` is the entry of the tag in the
    change log, and ``move`` describes all the tags that moved together with it.
    """

    tag: str
    kind: str
    sha: str
    old: VersionDocument | None
    new: VersionDocument | None
    entry: Mapping[str, object] = field(default_factory=dict)
    move: Move | None = None

    @property
    def phrase(self) -> str:
        """What happened to the tag, such as ``moved from 1.2 to 1.3``."""
        if self.move is None:
            return self.kind
        if self.move.is_rebuild:
            return "rebuilt"
        names = (("from", self.move.old_name), ("to", self.move.new_name))
        return " ".join(["moved", *(f"{word} {name}" for word, name in names if name)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """The content of a message to the subscribers of an image. Without tags and base images, it is a test message."""

    image_name: str
    registry: str
    page_url: str
    at: str
    tags: tuple[TagChange, ...] = ()
    base_moved: tuple[BaseMovedDocument, ...] = ()

    @property
    def is_test(self) -> bool:
        return not self.tags and not self.base_moved

    @property
    def sentence(self) -> str:
        """What happened, in the words of microbadger.com, which read only Docker Hub."""
        if self.is_test:
            return f"Hi, it's MicroBadger, sending you a test notification for {self.image_name}"
        kind = "Docker Hub image" if self.registry == DOCKER_HUB else "image"
        return f"MicroBadger: {kind} {self.image_name} has changed"


def announce_changes(
    before: ImageDocument,
    after: ImageDocument,
    changes: Changes,
    page_url: str,
    change: ChangeDocument | None = None,
) -> Announcement:
    """Return the announcement of changes between two documents of an image. ``change`` is their change log entry."""
    old, new = versions_by_tag(before), versions_by_tag(after)
    kinds = ((NEW, changes.new), (CHANGED, changes.changed), (DELETED, changes.deleted))
    logged = (*change["New"], *change["Changed"], *change["Deleted"]) if change else ()
    entries: dict[str, Mapping[str, object]] = {entry["tag"]: entry for entry in logged}
    moves = {tag: move for move in moves_of(change) for tag in move.tags} if change else {}
    return Announcement(
        image_name=after["ImageName"],
        registry=after["Registry"],
        page_url=page_url,
        at=after["UpdatedAt"],
        tags=tuple(
            TagChange(tag, kind, sha, old.get(tag), new.get(tag), entries.get(tag, {}), moves.get(tag))
            for kind, tags in kinds
            for tag, sha in tags.items()
        ),
        base_moved=changes.base_moved,
    )


def matching(changes: Changes, patterns: Iterable[str]) -> Changes:
    """Return the changes of the tags that match patterns such as ``1.*``, or all changes if there is no pattern."""
    wanted = TagPatterns(patterns)

    def chosen(tags: Mapping[str, str]) -> dict[str, str]:
        return {tag: sha for tag, sha in tags.items() if wanted.choose(tag)}

    bases = tuple(bases_under(changes.base_moved, wanted))
    return Changes(chosen(changes.new), chosen(changes.changed), chosen(changes.deleted), bases)


def without_rebuilds(changes: Changes, change: ChangeDocument | None) -> Changes:
    """Return the changes without the tags whose version was only rebuilt, according to the change log."""
    moved = change["Changed"] if change else []
    rebuilt = {entry["tag"] for entry in moved if entry.get("Kind") == "rebuilt"}
    return replace(changes, changed={tag: sha for tag, sha in changes.changed.items() if tag not in rebuilt})


def message_bytes(announcement: Announcement, format_: str) -> bytes:
    """Return the body of the message in one of the ``FORMATS``."""
    content = FORMATS[format_](announcement)
    return (content if isinstance(content, str) else _json_text(content)).encode()


def message_headers(announcement: Announcement, format_: str) -> dict[str, str]:
    """Return the headers that a message in one of the ``FORMATS`` needs and a JSON message does not."""
    title = f"{announcement.image_name} has changed"
    return ntfy_headers(title, announcement.page_url) if format_ == NTFY else {}


def _microbadger(announcement: Announcement) -> Message:
    tags = announcement.tags[:_MOST_TAGS]
    message: Message = {
        "text": f"{announcement.sentence} {announcement.page_url}",
        "image_name": announcement.image_name,
    }
    for kind in (NEW, CHANGED, DELETED):
        message[f"{kind}_tags"] = [{"tag": change.tag, "SHA": change.sha} for change in tags if change.kind == kind]
    return message


def _slack(announcement: Announcement) -> Message:
    """https://docs.slack.dev/messaging/formatting-message-text"""
    lines = _chat_lines(announcement, escape=_slack_text, code=_slack_code)
    head = f"{_slack_text(announcement.sentence)}: <{_slack_text(announcement.page_url)}>"
    return {"text": "\n".join([head, *lines]), "mrkdwn": True, "unfurl_links": False}


def _discord(announcement: Announcement) -> Message:
    """https://discord.com/developers/docs/resources/message#embed-object-embed-limits"""
    lines = _chat_lines(announcement, escape=_markdown_text, code=_markdown_text)
    embed: Message = {
        "title": _markdown_text(announcement.image_name[:_TITLE_CHARACTERS]),
        "url": announcement.page_url,
        "description": "\n".join(lines),
        "color": _BLUE,
        "timestamp": announcement.at,
    }
    return {
        "content": _markdown_text(announcement.sentence),
        "embeds": [embed],
        "allowed_mentions": {"parse": []},
    }


def _teams(announcement: Announcement) -> Message:
    """https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using"""
    lines = _chat_lines(announcement, escape=_markdown_text, code=_markdown_text)
    texts = [{"type": "TextBlock", "text": line, "wrap": True, "spacing": "Small"} for line in lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": _markdown_text(announcement.sentence), "weight": "Bolder", "wrap": True},
            *texts,
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "Show the image", "url": announcement.page_url}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _json(announcement: Announcement) -> Message:
    """The top-level members are those that the Standard Webhooks specification recommends."""
    tags = list(_within(map(_tag_details, announcement.tags), _MOST_TAG_BYTES))
    _add_differences(tags, announcement.tags)
    data: Message = {
        "ImageName": announcement.image_name,
        "Registry": announcement.registry,
        "PageURL": announcement.page_url,
        "Tags": tags,
    }
    if left_out := len(announcement.tags) - len(tags):
        data["TagsLeftOut"] = left_out
    if announcement.base_moved:
        data["BaseMoved"] = list(_within(map(_base_details, announcement.base_moved), _MOST_BASE_BYTES))
    kind = "image.test" if announcement.is_test else "image.changed"
    return {"type": kind, "timestamp": announcement.at, "data": data}


def _ntfy(announcement: Announcement) -> str:
    """https://docs.ntfy.sh/publish/"""
    lines = _chat_lines(announcement, escape=str, code=str)
    return ntfy_text(lines) or announcement.sentence


FORMATS: Mapping[str, Callable[[Announcement], Message | str]] = {
    "microbadger": _microbadger,
    "slack": _slack,
    "discord": _discord,
    "teams": _teams,
    NTFY: _ntfy,
    "json": _json,
}


def _chat_lines(announcement: Announcement, *, escape: Callable[[str], str], code: Callable[[str], str]) -> list[str]:
    """Return a line for each base image that moved, with its digests, and a line for each tag.

    The line of a tag says what happened to it, with the old and the new digest and size. The differences follow the
    first of the tags that moved together, as far as the size limit allows.
    """
    bases = [f"• {escape(_base_line(base))}" for base in announcement.base_moved]
    shown_bases = bases[:_MOST_BASES]
    lines: list[str] = []
    left_bytes = _MOST_LINES_BYTES - sum(map(_size_bytes, shown_bases))
    for change in announcement.tags[:_MOST_LINES]:
        facts = filter(None, (change.phrase, _moved(_short_sha, change), _moved(_size, change)))
        line = f"• {code(change.tag)} {escape(', '.join(facts))}"
        if _size_bytes(line) > left_bytes:
            break
        left_bytes -= _size_bytes(line)
        lines.append(line)
    more = len(announcement.tags) - len(lines) + len(bases) - len(shown_bases)
    shown = shown_bases + list(_with_facts(zip(lines, announcement.tags, strict=False), escape, left_bytes))
    return [*shown, f"and {more} more"] if more else shown


def _base_line(base: BaseMovedDocument) -> str:
    digests = " → ".join(short_digest(base[field]) for field in ("OldDigest", "NewDigest") if field in base)
    name, tags = short_reference(base["Name"]), listed(base["Tags"])
    return _printable(_cut(f"base image {name} of {tags} has moved, {digests}"))


def _base_details(base: BaseMovedDocument) -> Message:
    return {**base, "Name": _cut(base["Name"])}


def _with_facts(
    lines: Iterable[tuple[str, TagChange]], escape: Callable[[str], str], left_bytes: int
) -> Iterator[str]:
    """Yield each line, followed by the differences between its two versions unless an earlier line has listed them."""
    said: set[tuple[str, str]] = set()
    for line, change in lines:
        yield line
        move = change.move
        if move is None or (move.old_digest, move.new_digest) in said:
            continue
        said.add((move.old_digest, move.new_digest))
        for fact in difference_lines(move.difference, _MOST_FACTS):
            text = f"   {escape(_printable(_cut(fact)))}"
            left_bytes -= _size_bytes(text)
            if left_bytes >= 0:
                yield text


def _size_bytes(line: str) -> int:
    return len(line.encode()) + 1


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _moved(describe: Callable[[VersionDocument], str], change: TagChange) -> str:
    """Return a fact about the old and the new version, only once if it is the same for both."""
    facts = [describe(version) for version in (change.old, change.new) if version]
    return " → ".join(dict.fromkeys(filter(None, facts)))


def _short_sha(version: VersionDocument) -> str:
    return short_digest(version["Digest"])


def _size(version: VersionDocument) -> str:
    return size_text(version["DownloadSize"]) if version["DownloadSize"] else ""


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _slack_code(text: str) -> str:
    return f"`{_slack_text(text.replace('`', ''))}`"


def _markdown_text(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _tag_details(change: TagChange) -> Message:
    details: Message = {"Tag": change.tag, "Change": change.kind}
    details |= {name: change.entry[name] for name in ("Kind", "OldTags", "NewTags") if name in change.entry}
    if change.old:
        details["Old"] = _version_details(change.old)
    if change.new:
        details["New"] = _version_details(change.new)
    if change.old and change.new and is_read(change.old) and is_read(change.new):
        details["Labels"] = _label_changes(change.old.get("Labels", {}), change.new.get("Labels", {}))
    return details


def _add_differences(tags: Iterable[Message], changes: Iterable[TagChange]) -> None:
    """Add the differences between the two versions to each tag that moved, as far as the size limit allows."""
    left_bytes = _MOST_DIFFERENCE_BYTES
    for details, change in zip(tags, changes, strict=False):
        difference = change.entry.get("Difference")
        size = len(_json_text(difference)) if difference else 0
        if 0 < size <= left_bytes:
            details["Difference"] = difference
            left_bytes -= size


def _version_details(version: VersionDocument) -> Message:
    """Return the known values of a version; unknown ones are left out."""
    details: Message = {"Digest": version["Digest"]}
    if version["DownloadSize"]:
        details["DownloadSize"] = version["DownloadSize"]
    if is_read(version):
        details["LayerCount"] = version["LayerCount"]
    if version["Platforms"]:
        details["Platforms"] = [_cut(platform_text(platform)) for platform in version["Platforms"][:_MOST_PLATFORMS]]
    return details


def _label_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Message:
    """Return each label that was added, removed or changed, with its old and new value. Long values are cut."""
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return {
        _cut(name): {when: _cut(values[name]) for when, values in (("Old", old), ("New", new)) if name in values}
        for name in names[:_MOST_LABELS]
    }


def _cut(text: str) -> str:
    return shortened(text, _MOST_CHARACTERS)


def _json_text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _within(entries: Iterable[Message], most_bytes: int) -> Iterator[Message]:
    left_bytes = most_bytes
    for entry in entries:
        left_bytes -= len(_json_text(entry))
        if left_bytes < 0:
            return
        yield entry


