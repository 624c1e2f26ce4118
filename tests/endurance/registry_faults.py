"""Registries and connections that fail."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from werkzeug.wrappers import Request, Response

from tests.endurance.fault import ALL_FOLDERS, NOTHING_TO_SEE, Begin, Fault, Trouble
from tests.endurance.world import Origin, World
from tests.fakes.proxy import Fault as Spoiling
from tests.fakes.proxy import cut_after, garbled, garbled_body, in_single_bytes, kept_back
from tests.fakes.registry import Handler


def registry_faults() -> list[Fault]:
    """Return what can go wrong with registries."""
    return [
        Fault("registry down", _down),
        *(Fault(f"registry: {kind}", _answering(handler)) for kind, handler in _ANSWERS.items()),
        *(Fault(f"connections {kind}", _spoiling(spoiling)) for kind, spoiling in _SPOILINGS.items()),
        Fault("connections in single bytes", _spoiling(in_single_bytes, NOTHING_TO_SEE), is_long=True),
        Fault("connections delayed", _delayed, is_long=True),
    ]


def _half_manifest(request: Request) -> Response | None:
    is_asked = request.method == "GET" and "/manifests/" in request.path
    return Response(b'{"schemaVersion": 2, "med') if is_asked else None


_ANSWERS: dict[str, Handler] = {
    "401 for all": lambda _: Response("{}", 401, {"WWW-Authenticate": 'Basic realm="other"'}),
    "429 with Retry-After": lambda _: Response(status=429, headers={"Retry-After": "2"}),
    "500": lambda _: Response(status=500),
    "half a manifest": _half_manifest,
    "half a document": lambda _: Response(b'{"name": "team/web", "tags": ["lat'),
    "a page of a provider": lambda _: Response("<html>Please log in</html>", content_type="text/html"),
}
_SPOILINGS: dict[str, Spoiling] = {
    "cut at once": cut_after(0),
    "cut in headers": cut_after(120),
    "cut in bodies": cut_after(300),
    "garbled": garbled,
    "with garbled bodies": garbled_body,
}


def _failing_in_part(world: World, origin: Origin) -> Trouble:
    """Return what is to be seen where HEAD is answered: a tag that did not move is published with the others."""
    return replace(_failing(world, origin), frozen=["badges"])


def _failing(world: World, origin: Origin) -> Trouble:
    return Trouble([moving for moving in world.images if moving.origin is origin], frozen=ALL_FOLDERS)


@contextmanager
def _down(world: World, dice: random.Random) -> Iterator[Trouble]:
    origin = dice.choice(world.origins)
    origin.line.is_down = True
    origin.line.spoil(cut_after(0))
    yield _failing(world, origin)
    origin.heal()


def _answering(handler: Handler) -> Begin:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        origin = dice.choice(world.origins)
        origin.registry.trouble = handler
        yield _failing_in_part(world, origin) if handler is _half_manifest else _failing(world, origin)
        origin.heal()

    return begin


def _spoiling(spoiling: Spoiling, trouble: Trouble | None = None) -> Begin:
    @contextmanager
    def begin(world: World, dice: random.Random) -> Iterator[Trouble]:
        origin = dice.choice(world.origins)
        origin.line.spoil(spoiling)
        in_part = spoiling is garbled_body
        yield trouble or (_failing_in_part if in_part else _failing)(world, origin)
        origin.heal()

    return begin


@contextmanager
def _delayed(world: World, dice: random.Random) -> Iterator[Trouble]:
    origin, is_over = dice.choice(world.origins), threading.Event()
    origin.line.spoil(kept_back(is_over))
    yield NOTHING_TO_SEE  # a check waits
    is_over.set()
    origin.heal()
