"""Reads the config of an image: its platform, labels and history.

https://github.com/opencontainers/image-spec/blob/main/config.md
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from microbadger.image.bounds import bounded_commands, bounded_texts, size_bytes
from microbadger.image.descriptors import UNKNOWN, Platform, read_platform
from microbadger.image.documents import ConfigDocument
from microbadger.image.fields import parse_document, read_list, read_object, read_text, read_texts, read_time
from microbadger.image.parameters import TOO_LARGE, read_parameters
from microbadger.image.reference import is_digest

LEFT_OUT = "Labels and commands are left out: those of all platforms together are too large"

_MAX_DIFF_IDS = 1000
_MAX_HISTORY = 4000


@dataclass(frozen=True)
class HistoryStep:
    """One step of a build. `empty_layer` is true if it changed no files."""

    created_by: str
    empty_layer: bool


@dataclass(frozen=True)
class Config:
    """The config of an image: its platform, author, labels, and how and when it was built."""

    platform: Platform
    created: datetime | None
    author: str | None
    labels: Mapping[str, str]
    history: tuple[HistoryStep, ...]
    diff_ids: tuple[str, ...]
    cut: tuple[str, ...] = ()
    """A sentence about each kind of data that is left out because it is too large."""
    parameters: ConfigDocument | None = None  # None if they are too large or unknown

    @property
    def details_bytes(self) -> int:
        """The number of bytes that its labels, history and parameters take in a document."""
        parts = [dict(self.labels), *(step.created_by for step in self.history), *filter(None, [self.parameters])]
        return sum(map(size_bytes, parts))

    def without_details(self) -> "Config":
        """Return the config without its labels, its history and its parameters."""
        history = tuple(replace(step, created_by="") for step in self.history)
        return replace(self, labels={}, history=history, cut=(*self.cut, LEFT_OUT), parameters=None)


def parse_config(raw: bytes) -> Config:
    """Return the config of an image. Raises `InvalidManifest` only if the bytes are not a JSON object."""
    document = parse_document(raw)
    steps = [_history_step(step) for step in read_list(document.get("history"), _MAX_HISTORY)]
    commands, cut_commands = bounded_commands(step.created_by for step in steps)
    fields = read_object(document.get("config"))
    labels, cut_labels = bounded_texts(read_texts(fields.get("Labels")), "labels")
    parameters = read_parameters(fields)
    return Config(
        platform=read_platform(document) or Platform(UNKNOWN, UNKNOWN),
        created=read_time(document.get("created")),
        author=read_text(document.get("author")) or None,
        labels=labels,
        history=tuple(map(HistoryStep, commands, (step.empty_layer for step in steps))),
        diff_ids=_diff_ids(read_object(document.get("rootfs")).get("diff_ids")),
        cut=tuple(filter(None, (cut_labels, cut_commands, "" if parameters is not None else TOO_LARGE))),
        parameters=parameters,
    )


def _history_step(value: object) -> HistoryStep:
    fields = read_object(value)
    return HistoryStep(read_text(fields.get("created_by")), empty_layer=fields.get("empty_layer") is True)


def _diff_ids(value: object) -> tuple[str, ...]:
    """Return the diff IDs, or none if any is broken, because their positions are those of the layers."""
    diff_ids = read_list(value, _MAX_DIFF_IDS)
    texts = [diff_id for diff_id in diff_ids if isinstance(diff_id, str) and is_digest(diff_id)]
    return tuple(texts) if len(texts) == len(diff_ids) else ()
