"""Connections to strangers, checked and bounded: one way to send a request."""

from microbadger.http.addresses import Address, is_possible, is_public
from microbadger.http.client import Answer, Client, Limits, Network
from microbadger.http.connection import cut_off_after
from microbadger.http.errors import CutOff, ForbiddenAddress, HttpError
from microbadger.http.origin import Origin, Url, is_public_host, retry_after_seconds

__all__ = [
    "Address",
    "Answer",
    "Client",
    "CutOff",
    "ForbiddenAddress",
    "HttpError",
    "Limits",
    "Network",
    "Origin",
    "Url",
    "cut_off_after",
    "is_possible",
    "is_public",
    "is_public_host",
    "retry_after_seconds",
]
