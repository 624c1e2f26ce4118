"""Summarizes the page of an image, for search engines, chats and social networks that show a link to it."""

from microbadger.badges import layers_text, platforms_text
from microbadger.image import ImageDocument, VersionDocument, is_read, shortened, size_text

_MOST_CHARACTERS = 200


def preview_text(image: ImageDocument, version: VersionDocument | None, name: str) -> str:
    """Return the main facts of the version under a name, and the description of the image."""
    facts = _facts(version, name) if version else "No version of this image is known yet."
    return shortened(" ".join(filter(None, (facts, " ".join(image.get("Description", "").split())))), _MOST_CHARACTERS)


def _facts(version: VersionDocument, name: str) -> str:
    if "Chart" in version:
        return f"Helm chart {name}."
    if not is_read(version):
        return f"Version {name}."
    size, layers = size_text(version["DownloadSize"]), layers_text(version["LayerCount"])
    return f"Version {name}: {size} in {layers} for {platforms_text(version['Platforms'])}."
