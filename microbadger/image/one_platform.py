"""Shows a version as it is on one of its platforms."""

from microbadger.image.documents import PlatformDocument, VersionDocument, ordered
from microbadger.image.platforms import usual_variant

_USUAL_SYSTEM = "linux"
_OF_A_PLATFORM = ("Labels", "Annotations", "Config", "Layers", "ConfigDigest")


def platform_named(version: VersionDocument, name: str) -> PlatformDocument | None:
    """Return the platform that a name means, such as ``linux/arm64`` or ``linux/arm/v7``; None if there is none.

    Without a variant it is the usual one, else the first of that processor, and without a system that of Linux.
    """
    parts = name.lower().split("/")
    system, architecture, variant = (*([] if parts[1:] else [_USUAL_SYSTEM]), *parts, "")[:3]
    asked = system, architecture
    found = [platform for platform in version["Platforms"] if _runs_on(platform)[:2] == asked]
    exact = (platform for platform in found if _runs_on(platform)[2] == usual_variant(architecture, variant))
    return next(exact, found[0] if found and not variant else None)


def on_platform(version: VersionDocument, platform: PlatformDocument) -> VersionDocument:
    """Return a version with the size, the layers, the labels and the config of one of its platforms.

    ``version`` is its own document. What that does not have of a platform is left out.
    """
    seen = version.copy()
    seen["Platforms"] = [platform]
    seen["DownloadSize"], seen["LayerCount"] = platform["DownloadSize"], platform["LayerCount"]
    replaced = ("Created", "Unread") if len(version["Platforms"]) == 1 else ("Created", "Unread", *_OF_A_PLATFORM)
    for field in replaced:
        seen.pop(field, None)  # type: ignore[misc]
        if field in platform:
            seen[field] = platform[field]  # type: ignore[literal-required]
    return ordered(VersionDocument, seen)


def _runs_on(platform: PlatformDocument) -> tuple[str, str, str]:
    architecture, variant = platform.get("Architecture", "").lower(), platform.get("Variant", "").lower()
    return platform.get("OS", "").lower(), architecture, usual_variant(architecture, variant)
