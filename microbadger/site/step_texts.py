"""Formats a step of a Dockerfile for readers: a command in lines, a port or a health check in words."""

import re
from collections.abc import Iterator

from microbadger.image import HealthcheckDocument
from microbadger.site.config_rows import healthcheck_row, port_text

# https://docs.docker.com/reference/dockerfile/; only RUN has a shell command.
INSTRUCTIONS = {
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN",
    "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}  # fmt: skip

# A quoted text is one token, and so is an escaped character. Lines do not end before `then` or `do`.
_TOKEN = re.compile(
    r"""(?P<gap>[ \t\r\f\v]+)|(?P<beginning>&&)|(?P<end>;+(?![ \t]*(?:then|do)[ \t]))"""
    r"""|\\.|'[^']*'|"(?:\\.|[^"\\])*"|`[^`]*`|[^\\'"`&; \t\r\f\v]+|.""",
    re.DOTALL,
)
_PORTS = re.compile(r"EXPOSE (?:map)?\[?([^\[\]]*)\]?")
# The format in which Go prints HealthcheckConfig, see
# https://github.com/moby/docker-image-spec/blob/main/specs-go/v1/image.go
_HEALTHCHECK = re.compile(
    r"""HEALTHCHECK &\{\[((?:"(?:[^"\\]|\\.)*" ?)+)\]((?: "[0-9.hms]{2,30}"){3,4})"""
    r""" '(?:\\x([0-9a-f]{2})|\\([abtnvfr])|([^\\]))'\}"""
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s)")
_NANOSECONDS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6}
_ESCAPED = "abtnvfr"  # Go's escapes for the characters 7 to 13


def step_text(command: str) -> str:
    """Return a step as readers see it. A step that is not understood is returned unchanged.

    >>> print(step_text("RUN apk add curl && make"))
    RUN apk add curl
      && make
    >>> step_text("EXPOSE map[443/tcp:{} 80/tcp:{}]")
    'EXPOSE 443 (TCP), 80 (TCP)'
    """
    if not command:
        return "unknown"
    if ports := _PORTS.fullmatch(command):
        return f"EXPOSE {', '.join(port_text(port.removesuffix(':{}')) for port in ports[1].split())}"
    if check := _HEALTHCHECK.fullmatch(command):
        return _healthcheck_text(*check.groups())
    if "\n" in command:  # a here-document already has lines
        return command.replace("\t", "  ")
    has_shell = command.partition(" ")[0] not in INSTRUCTIONS - {"RUN"}
    return "\n  ".join(_lines(command, is_broken=has_shell))


def instruction_of(command: str) -> str:
    """Return the instruction of a step, or an empty string if there is none."""
    word = command.partition(" ")[0]
    return word if word in INSTRUCTIONS else ""


def _lines(command: str, *, is_broken: bool) -> Iterator[str]:
    """Yield the lines of a command, which end at a semicolon or before ``&&``, with single spaces between words."""
    line = ""
    for token in _TOKEN.finditer(command):
        kind = token.lastgroup if is_broken or token["gap"] else None
        if kind == "beginning" and line.strip(" "):
            yield line.strip(" ")
            line = ""
        if kind == "end":
            yield line.strip(" ") + token[0]
            line = ""
        else:
            line += " " if kind == "gap" else token[0]
    if line.strip(" "):
        yield line.strip(" ")


def _healthcheck_text(words: str, times: str, hexadecimal: str | None, escaped: str | None, character: str) -> str:
    check = HealthcheckDocument(Test=[re.sub(r"\\(.)", r"\1", word) for word in _QUOTED.findall(words)])
    for field, time in zip(("Interval", "Timeout", "StartPeriod", "StartInterval"), times.split(), strict=False):
        if nanoseconds := sum(round(float(count) * _NANOSECONDS[unit]) for count, unit in _TIME.findall(time)):
            check[field] = nanoseconds  # type: ignore[literal-required]
    retries = int(hexadecimal, 16) if hexadecimal else 7 + _ESCAPED.index(escaped) if escaped else ord(character)
    if retries:
        check["Retries"] = retries
    command, *remarks = healthcheck_row(check).items[0]
    return " ".join(["HEALTHCHECK", command.text, *(f"({remark.text})" for remark in remarks)])
