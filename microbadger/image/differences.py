"""Compares two versions of an image, and describes their differences in a document.

A field is present only if it is known for both versions and differs. The document is bounded: long texts are cut, and
``LeftOut`` counts the entries that do not fit.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, TypeVar, cast

from microbadger.image.bounds import size_bytes
from microbadger.image.documents import (
    BaseDocument,
    ConfigDocument,
    LayerDocument,
    VersionDocument,
    is_read,
    named_base,
)
from microbadger.image.parameters import command_without_values
from microbadger.image.sameness import changed_platforms, has_same_main_platform
from microbadger.image.words import platform_text, shortened

T = TypeVar("T")


class SizeDifference(TypedDict):
    """A size before and after, in bytes."""

    Old: int
    New: int


class TextDifference(TypedDict):
    """A text before and after. A text that does not exist is left out."""

    Old: NotRequired[str]
    New: NotRequired[str]


class WordsDifference(TypedDict):
    """The words of a command before and after. A command that does not exist is left out."""

    Old: NotRequired[list[str]]
    New: NotRequired[list[str]]


class NamesDifference(TypedDict):
    """Names that only one version has. Empty lists are left out."""

    Added: NotRequired[list[str]]
    Removed: NotRequired[list[str]]


class PlatformsDifference(NamesDifference):
    """Platforms that only one version has, and platforms that ``Changed`` although the main platform did not."""

    Changed: NotRequired[list[str]]


class BaseDifference(TypedDict):
    """The name and digest of the base image before and after. A base that does not exist is left out."""

    Old: NotRequired[BaseDocument]
    New: NotRequired[BaseDocument]


class ChangedLayerDocument(TypedDict):
    """A layer that only one of the two versions has, with the command that made it."""

    Command: str
    DownloadSize: int


class LayersDifference(TypedDict):
    """The numbers of layers that were added, removed and kept, and the first layers added and removed."""

    AddedCount: int
    RemovedCount: int
    KeptCount: int
    Added: list[ChangedLayerDocument]
    Removed: list[ChangedLayerDocument]


class DifferenceDocument(TypedDict):
    """The differences between two versions. Fields that are equal, or not known for both versions, are left out.

    In ``Env``, the value of a variable is empty if values are not published.
    """

    DownloadSize: NotRequired[SizeDifference]
    Layers: NotRequired[LayersDifference]
    Platforms: NotRequired[PlatformsDifference]
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


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a difference: entries in each list, and characters in each text."""

    entries: int
    characters: int


IN_A_CHANGE = Bounds(entries=20, characters=120)
IN_A_COMPARISON = Bounds(entries=200, characters=1000)


def difference(old: VersionDocument, new: VersionDocument, bounds: Bounds = IN_A_COMPARISON) -> DifferenceDocument:
    """Return the differences between two versions, given their own documents.

    Incomplete data is not compared: versions that were not read completely, labels and platforms that were cut, and
    configs that an older version of MicroBadger left out.
    """
    room = _Room(bounds)
    found = DifferenceDocument()
    sizes = old["DownloadSize"], new["DownloadSize"]
    if all(sizes) and sizes[0] != sizes[1]:
        found["DownloadSize"] = SizeDifference(Old=sizes[0], New=sizes[1])
    if is_read(old) and is_read(new):
        if "Layers" in old and "Layers" in new:
            _add_layers(found, old["Layers"], new["Layers"], room)
        if "Cut" not in old and "Cut" not in new:
            _add_platforms(found, old, new, room)
            _add(found, "Base", _changed(_recorded(old), _recorded(new), room.base))
            _add(found, "Labels", room.texts(old.get("Labels", {}), new.get("Labels", {})))
        if all({"Config", "ConfigDigest"} <= version.keys() for version in (old, new)):
            _add_config(found, old["Config"], new["Config"], room)
    if room.left_out:
        found["LeftOut"] = room.left_out
    return found


def fitted(found: DifferenceDocument, max_bytes: int) -> DifferenceDocument:
    """Return a difference of at most `max_bytes`, without the largest fields if necessary. `LeftOut` counts these."""
    short = found.copy()
    while size_bytes(short) > max_bytes:
        fields = short.keys() - {"LeftOut"}
        del short[max(sorted(fields), key=lambda field: size_bytes(short[field]))]  # type: ignore[literal-required, misc]
        short["LeftOut"] = short.get("LeftOut", 0) + 1
    return short


def difference_without_values(found: DifferenceDocument) -> DifferenceDocument:
    """Return a difference without the values of environment variables, as it is published for a private image.

    Only variables that were added or removed are listed.
    """
    hidden, env = found.copy(), found.get("Env", {})
    hidden.pop("Env", None)
    if names := {name: text for name, text in env.items() if len(text) == 1}:
        hidden["Env"] = {name: cast(TextDifference, dict.fromkeys(text, "")) for name, text in names.items()}
    if layers := found.get("Layers"):
        added, removed = (
            [{**layer, "Command": command_without_values(layer["Command"], list(env))} for layer in part]
            for part in (layers["Added"], layers["Removed"])
        )
        hidden["Layers"] = cast(LayersDifference, {**layers, "Added": added, "Removed": removed})
    return hidden


@dataclass(slots=True)
class _Room:
    bounds: Bounds
    left_out: int = 0

    def text(self, text: str) -> str:
        return shortened(text, self.bounds.characters)

    def first(self, entries: Sequence[T]) -> Sequence[T]:
        """Return as many entries as the bounds allow, and count the others as left out."""
        self.left_out += max(len(entries) - self.bounds.entries, 0)
        return entries[: self.bounds.entries]

    def words(self, words: list[str]) -> list[str]:
        """Return the first words of a command, with an ellipsis at the end if there are more."""
        more = ["…"] if len(words) > self.bounds.entries else []
        return [*map(self.text, words[: self.bounds.entries]), *more]

    def base(self, base: BaseDocument) -> BaseDocument:
        return {field: self.text(str(text)) for field, text in base.items()}  # type: ignore[return-value]

    def texts(self, old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, TextDifference]:
        """Return the differences of the keys whose texts differ."""
        keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return {self.text(key): _changed(old.get(key), new.get(key), self.text) for key in self.first(keys)}

    def names(self, old: Iterable[str], new: Iterable[str]) -> NamesDifference:
        """Return the names that only one of two lists has, such as ports."""
        before, after = dict.fromkeys(old), dict.fromkeys(new)
        added, removed = (
            list(map(self.text, self.first([name for name in names if name not in others])))
            for names, others in ((after, before), (before, after))
        )
        names = {"Added": added, "Removed": removed}
        return {name: found for name, found in names.items() if found}  # type: ignore[return-value]


def _add(found: DifferenceDocument | PlatformsDifference, field: str, value: object) -> None:
    if value:
        found[field] = value  # type: ignore[literal-required]


def _recorded(version: VersionDocument) -> BaseDocument | None:
    """Return the recorded base image of a version, without the current state of its tag; None if it has none."""
    base = version.get("Base", {})
    return named_base(base.get("Name", ""), base.get("Digest", "")) or None


def _changed(old: T | None, new: T | None, shown: Callable[[T], T]) -> Any:
    """Return both values, formatted by `shown`, if they differ. A value that is None is left out."""
    pair = {"Old": old, "New": new}
    return {} if old == new else {name: shown(value) for name, value in pair.items() if value is not None}


def _add_layers(found: DifferenceDocument, old: list[LayerDocument], new: list[LayerDocument], room: _Room) -> None:
    """Add the layers that only one version has. A layer that occurs twice counts twice."""
    before, after = ([layer for layer in layers if layer["BlobSum"]] for layers in (old, new))
    added, removed = _beyond(after, before), _beyond(before, after)
    if added or removed:
        found["Layers"] = LayersDifference(
            AddedCount=len(added),
            RemovedCount=len(removed),
            KeptCount=len(after) - len(added),
            Added=_brief(added, room),
            Removed=_brief(removed, room),
        )


def _beyond(layers: Iterable[LayerDocument], others: Iterable[LayerDocument]) -> list[LayerDocument]:
    left = Counter(layer["BlobSum"] for layer in others)
    beyond = []
    for layer in layers:
        if left[layer["BlobSum"]] > 0:
            left[layer["BlobSum"]] -= 1
        else:
            beyond.append(layer)
    return beyond


def _brief(layers: list[LayerDocument], room: _Room) -> list[ChangedLayerDocument]:
    return [
        ChangedLayerDocument(Command=room.text(layer["Command"]), DownloadSize=layer["DownloadSize"])
        for layer in layers[: room.bounds.entries]
    ]


def _add_platforms(found: DifferenceDocument, old: VersionDocument, new: VersionDocument, room: _Room) -> None:
    """Add the platforms that only one version has, and those that changed if the main platform did not."""
    names = (map(platform_text, version["Platforms"]) for version in (old, new))
    platforms = cast(PlatformsDifference, room.names(*names))
    if has_same_main_platform(old, new):
        changed = list(map(platform_text, changed_platforms(old, new)))
        _add(platforms, "Changed", list(map(room.text, room.first(changed))))
    _add(found, "Platforms", platforms)


def _add_config(found: DifferenceDocument, old: ConfigDocument, new: ConfigDocument, room: _Room) -> None:
    before: Mapping[str, Any] = old
    after: Mapping[str, Any] = new
    for field in ("User", "WorkingDir", "StopSignal"):
        _add(found, field, _changed(before.get(field), after.get(field), room.text))
    for field in ("Entrypoint", "Cmd"):
        _add(found, field, _changed(before.get(field), after.get(field), room.words))
    for field in ("ExposedPorts", "Volumes"):
        _add(found, field, room.names(before.get(field, []), after.get(field, [])))
    _add(found, "Env", _variables(before.get("Env", []), after.get("Env", []), room))


def _variables(old: list[str], new: list[str], room: _Room) -> dict[str, TextDifference]:
    """Return the variables that differ. If one version hides the values, only names are compared."""
    is_hidden = any("=" not in entry for entry in (*old, *new))
    before, after = (
        {name: "" if is_hidden else value for name, _, value in (entry.partition("=") for entry in env)}
        for env in (old, new)
    )
    return room.texts(before, after)
