"""Options that all public files share."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """The base URL of the public files, and whether the site is static, that is, served without the service.

    A static site has nothing that needs the service: no webhooks, no other styles of badges, no API. On
    ``open_registries``, any public image is tracked when a reader requests it.
    """

    base_url: str
    is_static: bool = False
    open_registries: tuple[str, ...] = ()
