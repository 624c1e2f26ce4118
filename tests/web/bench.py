"""A service in a folder of its own that reads from a fake registry and has no schedule."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from microbadger.cli_tools import Tools
from microbadger.freshness.service import Freshness
from microbadger.settings import Settings
from tests.fakes.registry import FakeRegistry

SECRET = "a secret for tests"
BASE_URL = "http://localhost:8000"


class Bench:
    """The service, and what a test does to it besides asking it."""

    def __init__(self, folder: Path, images: str, fake: FakeRegistry | None = None, /, **options: Any) -> None:
        self.public, self.data = folder / "public", folder / "data"
        self.settings = Settings(
            images=images,
            data_dir=self.data,
            public_dir=self.public,
            secret=SECRET,
            mirrors={"docker.io": fake.url} if fake else {},
            hub_url="",
        )
        self.settings = replace(self.settings, **options)
        self.app: Flask = create_app(self.settings)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def tools(self) -> Tools:
        tools: Tools = self.app.extensions["microbadger"]
        return tools

    @property
    def freshness(self) -> Freshness:
        return self.tools.freshness

    @property
    def requested(self) -> list[str]:
        """The images of which a check is requested."""
        return [repository.familiar for repository in self.freshness.requests.repositories()]

    def command(self, *arguments: str) -> Result:
        return self.app.test_cli_runner().invoke(args=arguments)

    def refresh(self, *images: str) -> None:
        """Check these images, or those that are due; none may fail."""
        result = self.command("refresh", *images)
        assert result.exit_code == 0, result.output

    def round(self) -> None:
        """Do what the process that leads does every few seconds besides checks."""
        for task in self.freshness.upkeep.tasks.values():
            task()

    def webhook(self, *image: str) -> str:
        """Return the path of the webhook of an image, or of the one for all images."""
        return self.command("webhook", *image).output.strip().removeprefix(BASE_URL)

    def files(self) -> dict[str, bytes]:
        """Return the public files by their paths."""
        files = (file for file in self.public.rglob("*") if file.is_file())
        return {str(file.relative_to(self.public)): file.read_bytes() for file in files}
