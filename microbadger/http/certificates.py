"""Loads the certificates that verify servers, from a file or from folders prepared by `openssl rehash`."""

import os
import re
import ssl
from functools import cache
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.ssl_ import create_urllib3_context

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+", re.ASCII)


@cache
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """Return the TLS settings of connections. They are cached, because reading the certificates takes 15 ms.

    An empty `ca_bundle` means the public certificate authorities.
    """
    context = create_urllib3_context()
    _load(context, ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    return context


def parse_ca_bundle(text: str) -> str:
    """Return a path of certificates unchanged. Raise `ValueError` if it has no certificates.

    The path can be a file, a folder, or several folders separated by colons.
    """
    try:
        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), text)
    except ssl.SSLError:
        raise ValueError(f"{text} contains no certificate, or a damaged one") from None
    except OSError as error:
        raise ValueError(f"{text} cannot be read: {error.strerror}") from None
    folders = _folders(text)
    if folders and not any(_HASHED.fullmatch(file.name) for folder in folders for file in folder.iterdir()):
        raise ValueError(f"{text} contains no certificate named by its hash; run openssl rehash")
    return text


def _load(context: ssl.SSLContext, ca_bundle: str) -> None:
    if _folders(ca_bundle):
        context.load_verify_locations(capath=ca_bundle)
    else:
        context.load_verify_locations(cafile=ca_bundle)


def _folders(ca_bundle: str) -> list[Path]:
    """Return the folders in a list of paths; a single file gives an empty list."""
    return [folder for folder in map(Path, ca_bundle.split(os.pathsep)) if folder.is_dir()]
