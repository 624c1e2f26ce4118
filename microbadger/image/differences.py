"""What differs between two versions of an image: two documents in, one document out.

A field is there only if it differs and is known of both versions. Everything is bounded: long texts are cut, and
``LeftOut`` counts the entries that do not fit.
"""

from typing import NotRequired, TypedDict

from microbadger.image.documents import BaseDocument


class SizeDifference(TypedDict):
    """Sizes in bytes."""

    Old: int
    New: int


class TextDifference(TypedDict):
    """A text before and after; the one that is not there is left out."""

    Old: NotRequired[str]
    New: NotRequired[str]


class WordsDifference(TypedDict):
    """The words of a command before and after; those of a command that is not there are left out."""

    Old: NotRequired[list[str]]
    New: NotRequired[list[str]]


class NamesDifference(TypedDict):
    """Names in one version only; an empty list is left out."""

    Added: NotRequired[list[str]]
    Removed: NotRequired[list[str]]


class BaseDifference(TypedDict):
    Old: NotRequired[BaseDocument]
    New: NotRequired[BaseDocument]


class ChangedLayerDocument(TypedDict):
    Command: str
    DownloadSize: int


class LayersDifference(TypedDict):
    """How many layers were added, removed and kept, and the first of those that were added and removed."""

    AddedCount: int
    RemovedCount: int
    KeptCount: int
    Added: list[ChangedLayerDocument]
    Removed: list[ChangedLayerDocument]


class DifferenceDocument(TypedDict):
    """What differs between two versions; what is equal in both, or not known of both, is left out.

    The value of a variable in ``Env`` is empty where it is not published.
    """

    DownloadSize: NotRequired[SizeDifference]
    Layers: NotRequired[LayersDifference]
    Platforms: NotRequired[NamesDifference]
    Base: NotRequired[BaseDifference]
    User: NotRequired[TextDifference]
    WorkingDir: NotRequired[TextDifference]
    StopSignal: NotRequired[TextDifference]
    Entrypoint: NotRequired[WordsDifference]
    Cmd: NotRequired[WordsDifference]
    ExposedPorts: NotRequired[NamesDifference]
    Volumes: NotRequired[NamesDifference]
    Env: NotRequired[dict[str, TextDifference]]
    Labels: NotRequired[dict[str, TextDifference]]
    LeftOut: NotRequired[int]
