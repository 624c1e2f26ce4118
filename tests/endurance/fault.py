"""What a fault is, and what is to be seen of it."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.endurance.world import MovingImage, World

ALL_FOLDERS = ("badges", "images", "v1")


@dataclass(frozen=True)
class Trouble:
    """What is to be seen of a fault: the images that fail meanwhile, and the words of which /healthz says one."""

    failing: Sequence[MovingImage] = ()
    words: Sequence[str] = ()
    logged: Sequence[str] = ()
    """Words of which a line of the log has one."""
    frozen: Sequence[str] = ()
    """The folders in which nothing that is published of these images can change meanwhile."""


NOTHING_TO_SEE = Trouble()

Begin = Callable[[World, random.Random], AbstractContextManager[Trouble]]


@dataclass(frozen=True)
class Fault:
    """A kind of fault and how to bring it about."""

    kind: str
    begin: Begin
    is_long: bool = False
    """Whether it takes longer than a short run has."""
