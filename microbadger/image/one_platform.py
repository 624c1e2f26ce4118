"""Describes a version as it is on one of its platforms."""

from microbadger.image.documents import PlatformDocument, VersionDocument, ordered
from microbadger.image.platforms import usual_variant

_USUAL_SYSTEM = "linux"
_PLATFORM_FIELDS = ("Labels", "Annotations", "Config", "Layers", "ConfigDigest")


def platform_named(version: VersionDocument, name: str) -> PlatformDocument | None:
    """Return the platform with a name such as ``linux/arm64`` or ``linux/arm/v7``, or None if there is none.

    The operating system defaults to Linux. The variant defaults to the processor's usual one, or else to the first.
    """
    parts = name.lower().split("/")
    system, architecture, variant = (*([] if parts[1:] else [_USUAL_SYSTEM]), *parts, "")[:3]
    asked = system, architecture
    found = [platform for platform in version["Platforms"] if _runs_on(platform)[:2] == asked]
    exact = (platform for platform in found if _runs_on(platform)[2] == usual_variant(architecture, variant))
    return next(exact, found[0] if found and not variant else None)


def on_platform(version: VersionDocument, platform: PlatformDocument) -> VersionDocument:
    """Return a version with the size, the layers, the labels and the config of one of its platforms.

    ``version`` is the version's own document. Fields that it lacks for the platform are left out.
    """
    seen = version.copy()
    seen["Platforms"] = [platform]
    seen["DownloadSize"], seen["LayerCount"] = platform["DownloadSize"], platform["LayerCount"]
    replaced = ("Created", "Unread") if len(version["Platforms"]) == 1 else ("Created", "Unread", *_PLATFORM_FIELDS)
    for field in replaced:
        seen.pop(field, None)  # type: ignore[misc]
        if field in platform:
            seen[field] = platform[field]  # type: ignore[literal-required]
    return ordered(VersionDocument, seen)


def _runs_on(platform: PlatformDocument) -> tuple[str, str, str]:
    architecture, variant = platform.get("Architecture", "").lower(), platform.get("Variant", "").lower()
    return platform.get("OS", "").lower(), architecture, usual_variant(architecture, variant)
