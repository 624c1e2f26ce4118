"""Sends HTTP requests to untrusted servers, with checked addresses and limited time and size."""

from microbadger.http.addresses import UNIX, Address, Peer, is_possible, is_public, parse_peers
from microbadger.http.certificates import parse_ca_bundle
from microbadger.http.client import Answer, Client, Limits, Network
from microbadger.http.connection import cut_off_after
from microbadger.http.deadline import all_within, seconds_left
from microbadger.http.errors import CutOff, ForbiddenAddress, HttpError, NoThread
from microbadger.http.origin import Origin, Url, is_public_host, retry_after_seconds
from microbadger.http.proxies import parse_proxy, proxy_secrets, without_login
from microbadger.http.threads import start_thread
from microbadger.http.urls import parse_url

__all__ = [
    "UNIX",
    "Address",
    "Answer",
    "Client",
    "CutOff",
    "ForbiddenAddress",
    "HttpError",
    "Limits",
    "Network",
    "NoThread",
    "Origin",
    "Peer",
    "Url",
    "all_within",
    "cut_off_after",
    "is_possible",
    "is_public",
    "is_public_host",
    "parse_ca_bundle",
    "parse_peers",
    "parse_proxy",
    "parse_url",
    "proxy_secrets",
    "retry_after_seconds",
    "seconds_left",
    "start_thread",
    "without_login",
]
