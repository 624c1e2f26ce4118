"""Recognizes versions that were only rebuilt: their platforms have the same layers and configs as before.

Each build with attestations makes a new index, even if nothing that runs has changed, and annotations change manifests,
too. So a platform counts as the same if the digests of its config and its layers are the same.
"""

from collections import Counter

from microbadger.image.documents import PlatformDocument, VersionDocument

_Content = tuple[str, list[str]]
_Name = tuple[object, ...]


def is_rebuilt(old: VersionDocument, new: VersionDocument) -> bool:
    """Return whether two versions have the same platforms, with the same manifests or the same configs and layers.

    The result is False if that is unknown, because a platform was not read or a document was cut.
    """
    if "Cut" in old or "Cut" in new:
        return False
    manifests = _manifests(old)
    if manifests and manifests == _manifests(new):
        return True
    before, after = _by_platform(old), _by_platform(new)
    return bool(before) and before.keys() == after.keys() and not changed_platforms(old, new)


def changed_platforms(old: VersionDocument, new: VersionDocument) -> list[PlatformDocument]:
    """Return the platforms that both versions have, without those known to have the same config and layers."""
    before, after = _by_platform(old), _by_platform(new)
    shared = [name for name in after if name in before]
    return [after[name] for name in shared if not _is_same(old, before[name], new, after[name])]


def has_same_main_platform(old: VersionDocument, new: VersionDocument) -> bool:
    """Return whether two versions have the same config and layers on their main platforms."""
    content = _content(old)
    return content is not None and content == _content(new)


def _manifests(version: VersionDocument) -> Counter[tuple[_Name, str]]:
    """Return each platform with its manifest, counting duplicates; empty if any manifest is unknown."""
    manifests = Counter((_name(platform), platform["Digest"]) for platform in version["Platforms"])
    return manifests if all(digest for _, digest in manifests) else Counter()


def _name(platform: PlatformDocument) -> _Name:
    return tuple(map(platform.get, ("OS", "OSVersion", "Architecture", "Variant")))


def _by_platform(version: VersionDocument) -> dict[_Name, PlatformDocument]:
    """Return the platforms by name, or an empty dict if two have the same name."""
    platforms = {_name(platform): platform for platform in version["Platforms"]}
    return platforms if len(platforms) == len(version["Platforms"]) else {}


def _is_same(
    old_version: VersionDocument, old: PlatformDocument, new_version: VersionDocument, new: PlatformDocument
) -> bool:
    if old["Digest"] and old["Digest"] == new["Digest"]:
        return True
    content = _content_of(old_version, old)
    return content is not None and content == _content_of(new_version, new)


def _content_of(version: VersionDocument, platform: PlatformDocument) -> _Content | None:
    """Return the content of a platform. A single platform's content is in the document of its version."""
    return _content(version if len(version["Platforms"]) == 1 else platform)


def _content(document: VersionDocument | PlatformDocument) -> _Content | None:
    """Return the digests of the config and the layers, or None if they are not in the document."""
    if "ConfigDigest" not in document or "Layers" not in document:
        return None
    return document["ConfigDigest"], [layer["BlobSum"] for layer in document["Layers"] if layer["BlobSum"]]
