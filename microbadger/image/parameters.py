"""Reads the parameters in an image's config that say how a container is run, such as its user and its command.

The fields are those of https://github.com/opencontainers/image-spec/blob/main/config.md, and Docker's health check. The
parameters are kept completely or not at all, so a missing field means that the config does not set it. Values of
variables can be secrets, so for private images only the names of variables are published.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from microbadger.image.bounds import size_bytes
from microbadger.image.documents import ConfigDocument, HealthcheckDocument, ImageDocument, VersionDocument
from microbadger.image.fields import read_list, read_object, read_text
from microbadger.image.labels import one_line

MAX_PARAMETERS_BYTES = 128 * 1024
TOO_LARGE = "The config is left out: it is too large"
ROOT = "root"

_MAX_LISTED_BYTES = 4096  # in the document of an image, which has the parameters of all its versions
_MOST_ITEMS = 2000
_LONGEST_NANOSECONDS = 2**63 - 1
_VARIABLES, _ARGUMENT = "ENV ", "ARG "
_WITH_ARGUMENTS = re.compile(r"(?:RUN )?\|[0-9]+ ")  # "|1 TOKEN=secret /bin/bash -c make"


def read_parameters(fields: Mapping[str, object]) -> ConfigDocument | None:
    """Return the parameters in the ``config`` object of a config, without empty fields; None if they are too large."""
    read = {
        "User": read_text(fields.get("User")),
        "Env": _texts(fields.get("Env")),
        "Entrypoint": _words(fields.get("Entrypoint")),
        "Cmd": _words(fields.get("Cmd")),
        "ExposedPorts": _names(fields.get("ExposedPorts")),
        "Volumes": _names(fields.get("Volumes")),
        "WorkingDir": read_text(fields.get("WorkingDir")),
        "StopSignal": read_text(fields.get("StopSignal")),
        "Healthcheck": _healthcheck(read_object(fields.get("Healthcheck"))),
    }
    is_too_long = any(isinstance(value, list) and len(value) > _MOST_ITEMS for value in read.values())
    parameters = {name: value for name, value in read.items() if value}
    return None if is_too_long or size_bytes(parameters) > MAX_PARAMETERS_BYTES else parameters  # type: ignore[return-value]


def user_of(parameters: ConfigDocument, system: str | None = None) -> str:
    """Return the user of a container on an operating system. It is ``root`` if the config gives none, or user 0.

    On Windows, which chooses a default account itself, the result is empty if the config gives none.

    >>> user_of({"User": "0:0"}), user_of({"User": "app"}), user_of({}), user_of({}, "windows")
    ('root', 'app', 'root', '')
    """
    user = one_line(parameters.get("User", ""))
    if system == "windows":
        return user
    name = user.partition(":")[0]
    return ROOT if name == ROOT or not name.strip("0") else user


def listed_parameters(parameters: ConfigDocument) -> ConfigDocument | None:
    """Return the parameters for the document of an image, or None if not even the user fits.

    If they take more than 4 KiB, the variables are left out; if they are still too large, only the user stays.
    """
    without_variables, user = parameters.copy(), ConfigDocument()
    without_variables.pop("Env", None)
    if "User" in parameters:
        user["User"] = parameters["User"]
    choices = (parameters, without_variables, user)
    return next((choice for choice in choices if size_bytes(choice) <= _MAX_LISTED_BYTES), None)


def without_values(parameters: ConfigDocument) -> ConfigDocument:
    """Return the parameters with only the names of environment variables, without their values."""
    if "Env" not in parameters:
        return parameters
    return {**parameters, "Env": [entry.partition("=")[0] for entry in parameters["Env"]]}


def command_without_values(command: str, env: list[str]) -> str:
    """Return a Dockerfile step without the values of variables: an ``ENV`` step keeps only names in ``env``.

    Build arguments lose their values, too, because variables are often set to them.

    >>> command_without_values("ENV TOKEN=secret MODE=a TOKEN=b", ["MODE=a", "TOKEN=b"])
    'ENV MODE TOKEN'
    """
    if command.startswith(_ARGUMENT):
        return command.partition("=")[0]
    if _WITH_ARGUMENTS.match(command):
        return "RUN"
    if not command.startswith(_VARIABLES):
        return command
    names = (entry.partition("=")[0] for entry in env)
    return " ".join(["ENV", *(name for name in names if name and f" {name}=" in command)])


def version_without_values(version: VersionDocument) -> VersionDocument:
    """Return the document of a version without the values of variables, as it is published for a private image."""
    platforms = [_hidden(platform) for platform in version["Platforms"]]
    return cast(VersionDocument, {**_hidden(version), "Platforms": platforms})


def image_without_values(image: ImageDocument) -> ImageDocument:
    """Return the document of an image without the values of variables, as it is published for a private image."""
    versions = [version_without_values(version) for version in image["Versions"]]
    return cast(ImageDocument, {**_hidden(image), "Versions": versions})


def _hidden(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of an image, a version or a platform without the values of variables."""
    hidden = dict(document)
    parameters: ConfigDocument = hidden.get("Config", {})
    if "Config" in hidden:
        hidden["Config"] = without_values(parameters)
    if "Layers" in hidden:
        env = parameters.get("Env", [])
        hidden["Layers"] = [
            {**layer, "Command": command_without_values(layer["Command"], env)} for layer in hidden["Layers"]
        ]
    return hidden


def _texts(value: object) -> list[str]:
    return [read_text(item) for item in read_list(value, _MOST_ITEMS + 1) if isinstance(item, str)]


def _words(value: object) -> list[str]:
    """Return the words of a command. Old builders wrote a single text, which counts as one word."""
    return _texts([value] if isinstance(value, str) and value else value)


def _names(value: object) -> list[str]:
    return _texts(sorted(read_object(value)))


def _healthcheck(fields: Mapping[str, object]) -> HealthcheckDocument | None:
    """Return a health check, with its times in nanoseconds as in Docker's config, or None."""
    test = _texts(fields.get("Test"))
    if not test:
        return None
    check = HealthcheckDocument(Test=test)
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"):
        number = fields.get(name)
        if type(number) is int and 0 < number <= _LONGEST_NANOSECONDS:
            check[name] = number
    return check
