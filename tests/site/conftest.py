"""One browser for the tests of all modules."""

from tests.browser import chromium  # noqa: F401 - a fixture
