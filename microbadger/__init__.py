"""MicroBadger publishes what is inside a container image: metadata, badges and a page, as static files."""

__version__ = "0.1.0"
