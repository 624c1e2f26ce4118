"""What all public files have in common."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """Where readers reach the public files, and whether a plain file server is all that answers them.

    A static site offers nothing that needs the service: no webhook, no other style of a badge, no API. On
    ``open_registries`` any public image is tracked when a reader asks for it.
    """

    base_url: str
    is_static: bool = False
    open_registries: tuple[str, ...] = ()
