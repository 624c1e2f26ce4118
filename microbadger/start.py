"""Prepares what must be on the disk before the service can start: its folders, and a secret of its own."""

import re
import secrets
from pathlib import Path

from microbadger.files import lock_file, make_folder, read_if_any, replace_file, set_aside
from microbadger.settings import SettingsError

_MADE_SECRET = re.compile(r"[\x21-\x7e]{8,}")


def prepare_folder(folder: Path) -> None:
    """Make a folder that the service needs, or raise SettingsError."""
    try:
        make_folder(folder)
    except OSError as error:
        raise SettingsError(f"The folder {folder} cannot be made: {error.strerror}.") from error
    if not folder.is_dir():
        raise SettingsError(f"The folder {folder} cannot be made: there is a file of that name.")


def kept_secret(file: Path) -> str:
    """Return the secret made on the first start, which one of the workers that start together makes.

    Raises SettingsError where none can be kept. A damaged one is set aside and made anew: what a disk left in its place
    could be guessed.
    """
    if kept := _read_secret(file):
        return kept
    try:
        with lock_file(file.with_suffix(".lock")):
            if not (kept := _read_secret(file)):
                set_aside(file)
                kept = secrets.token_urlsafe(32)
                replace_file(file, kept.encode(), is_durable=True)
    except OSError as error:
        raise SettingsError(f"No secret can be kept in {file}: {error.strerror}. Set MICROBADGER_SECRET.") from error
    return kept


def _read_secret(file: Path) -> str | None:
    text = (read_if_any(file) or b"").decode("utf-8", "replace").strip()
    return text if _MADE_SECRET.fullmatch(text) else None
