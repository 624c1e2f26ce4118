"""What all commands share: their objects, the types of their arguments, and how errors end a command."""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import with_appcontext

from microbadger.cdn import CdnPurge
from microbadger.freshness import Freshness, parse_image, without_invisible
from microbadger.image import InvalidReference, Repository, image_name
from microbadger.notifications import Notifications
from microbadger.site import PublishError, SiteOptions
from microbadger.store import Counts, Database, StoreError, read_value, write_value
from microbadger.webhooks import WebhookUrls

EXTENSION = "microbadger"
_SETTINGS_IN_USE = "settings_in_use"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The objects that the commands work with."""

    database: Database
    freshness: Freshness
    notifications: Notifications
    cdn: CdnPurge
    counts: Counts
    webhooks: WebhookUrls
    options: SiteOptions
    folders: Sequence[Path]
    """The folders that must be writable."""
    settings_digest: str
    """A digest of the settings that affect published files."""

    def record_settings(self) -> None:
        """Record in the database the settings that the service runs with."""
        with self.database.write() as connection:
            write_value(connection, _SETTINGS_IN_USE, self.settings_digest)

    def is_served_otherwise(self) -> bool:
        """Return whether a running service uses this database with settings that publish different files."""
        with self.database.read() as connection:
            in_use = read_value(connection, _SETTINGS_IN_USE)
        return in_use not in (None, self.settings_digest) and self.freshness.schedule.is_running()


def current_tools() -> Tools:
    """Return the tools of the app that runs the command."""
    tools: Tools = current_app.extensions[EXTENSION]
    return tools


def tools_as_served() -> Tools:
    """Return the tools; end the command if they would publish different files than the running service."""
    tools = current_tools()
    if tools.is_served_otherwise():
        raise click.ClickException(
            "A service uses this database with other settings (PORT, MICROBADGER_IMAGES, _PUBLIC_DIR, _BASE_URL,"
            " _HOOK_URL, _SECRET, _ADMIN_TOKEN, _MAX_TAGS, _OPEN or _STATIC): use the same environment, or stop the"
            " service."
        )
    return tools


def require_tracked(tools: Tools, repositories: Iterable[Repository]) -> None:
    """End a command with one sentence if one of these images is not tracked."""
    for repository in repositories:
        if repository not in tools.freshness.tracked:
            name = image_name(repository)
            raise click.ClickException(f"{name} is not tracked: add it to data/images.txt, or run flask track {name}.")


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """End a command with one sentence if the block fails because of this machine, for example on a full disk."""
    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    except PublishError as error:
        raise click.ClickException(f"{error}.") from error
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of the output has closed it; click handles that
            raise
        where = f": {error.filename}" if error.filename else ""
        raise click.ClickException(f"This cannot be done now: {error.strerror or error}{where}.") from error


def operation(function: Callable[P, None]) -> Callable[P, None]:
    """Return the function of a command, run in the context of the app; errors of this machine end it with a sentence.

    The database is closed at the end, so that SQLite leaves none of its temporary files behind.
    """

    @with_appcontext
    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        with errors_as_sentences(), closing(current_tools().database):
            function(*arguments, **named)

    return run


class _Name(click.ParamType[T]):
    name = "image"

    def __init__(self, parse: Callable[[str], T]) -> None:
        self._parse = parse

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._parse(without_invisible(str(value)))
        except InvalidReference as error:
            self.fail(f"{str(error).removesuffix('.')}.", param, ctx)


NAME_WITH_TAG = _Name(parse_image)


def name_without_tag(advice: str) -> _Name[Repository]:
    """Return the type of a name without a tag. If there is a tag, the error says with ``advice`` what to write."""

    def parse(text: str) -> Repository:
        image = parse_image(text)
        for tag in image.kept_tags:
            raise InvalidReference(f"{text!r} has a tag: {advice.format(name=image_name(image.repository), tag=tag)}")
        return image.repository

    return _Name(parse)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 tag``, ``2 tags``, ``2 addresses``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
