"""Rows about how a container is run: commands as in a shell, and ports, times and signals in words."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microbadger.image import ROOT, ConfigDocument, HealthcheckDocument, user_of
from microbadger.site.rows import Part, Row, aside, bounded, row

VARIABLES_SHOWN = 200
_VOLUMES_SHOWN = 50

_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
_SIGNALS = {
    "SIGTERM": ("15", "asks it to stop"),
    "SIGINT": ("2", "interrupts it, like Ctrl+C"),
    "SIGQUIT": ("3", "asks it to quit"),
    "SIGKILL": ("9", "stops it immediately"),
    "SIGHUP": ("1", "reports that its terminal has closed"),
    "SIGRTMIN+3": ("37", "halts systemd"),
}
_UNITS_MILLISECONDS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000))


@dataclass(frozen=True, slots=True)
class ConfigTable:
    """The rows of parameters, and the variables with their values, which are None if they are not published."""

    rows: list[Row]
    variables: list[tuple[str, str | None]]

    @property
    def has_values(self) -> bool:
        """Whether any variable has a value."""
        return any(value is not None for _, value in self.variables)


def config_table(config: ConfigDocument, system: str | None = None) -> ConfigTable:
    """Return the table of a config for an operating system. Fields that the config does not have are left out."""
    pairs = (entry.partition("=") for entry in config.get("Env", []))
    variables = [(name, value if equals else None) for name, equals, value in pairs]
    return ConfigTable(list(_rows(config, system)), variables)


def duration_text(nanoseconds: int) -> str:
    """Return a duration in words.

    >>> duration_text(90_500_000_000)
    '1 minute 30.5 seconds'
    """
    milliseconds, words = nanoseconds // 10**6, []
    if not milliseconds:
        return "less than 0.001 seconds"
    for unit, length in _UNITS_MILLISECONDS:
        count, milliseconds = divmod(milliseconds, length)
        words += [_counted(count, unit)] if count else []
    words += [_counted(milliseconds / 1000, "second")] if milliseconds else []
    return " ".join(words)


def port_text(port: str) -> str:
    """Return a port, or a range of them, with its protocol.

    >>> port_text("8080/tcp"), port_text("5000-5010/udp"), port_text("80")
    ('8080 (TCP)', '5000 to 5010 (UDP)', '80 (TCP)')
    """
    match = _PORT.fullmatch(port)
    if match is None:
        return port
    first, last, protocol = match.groups()
    return f"{first} to {last} ({(protocol or 'tcp').upper()})" if last else f"{first} ({(protocol or 'tcp').upper()})"


def healthcheck_row(check: HealthcheckDocument) -> Row:
    """Return the row with the command of a health check, and how often it runs."""
    kind, *words = check["Test"]
    if kind == "NONE":
        return row("Health check", Part("disabled"))
    command = {"CMD": shlex.join(words), "CMD-SHELL": " ".join(words)}.get(kind, shlex.join(check["Test"]))
    times = ", ".join(_times(check))
    return row("Health check", Part(command, "code"), *([aside(times)] if times else []))


def _rows(config: ConfigDocument, system: str | None) -> Iterator[Row]:
    yield _user(config, system)
    for name, command in (("Entrypoint", config.get("Entrypoint")), ("Command", config.get("Cmd"))):
        if command:
            yield row(name, _command(command))
    if folder := config.get("WorkingDir"):
        yield row("Working directory", Part(folder, "code"))
    if ports := config.get("ExposedPorts"):
        yield row("Ports", Part(", ".join(map(port_text, ports))))
    if volumes := config.get("Volumes"):
        yield Row("Volumes", bounded([[Part(volume, "code")] for volume in volumes], _VOLUMES_SHOWN))
    if check := config.get("Healthcheck"):
        yield healthcheck_row(check)
    if signal := config.get("StopSignal"):
        yield _stop_signal(signal)


def _user(config: ConfigDocument, system: str | None) -> Row:
    given, user = config.get("User", ""), user_of(config, system)
    if not user:
        return row("User", Part("not given"))
    if user != ROOT:
        return row("User", Part(user, "code"))
    return row("User", Part(ROOT, "code"), *([] if given == ROOT else [_how_given(given)]))


def _how_given(user: str) -> Part:
    return aside(f"given as {user}" if user else "the image sets no user")


def _command(words: Sequence[str]) -> Part:
    return Part(shlex.join(words), "code")


def _times(check: HealthcheckDocument) -> Iterator[str]:
    if "Interval" in check:
        yield f"every {duration_text(check['Interval'])}"
    if "Timeout" in check:
        yield f"timeout {duration_text(check['Timeout'])}"
    if "Retries" in check:
        yield "1 retry" if check["Retries"] == 1 else f"{check['Retries']} retries"
    if "StartPeriod" in check:
        yield f"after a start period of {duration_text(check['StartPeriod'])}"
    if "StartInterval" in check:
        yield f"every {duration_text(check['StartInterval'])} while it starts"


def _stop_signal(given: str) -> Row:
    for name, (number, meaning) in _SIGNALS.items():
        if given in (number, name, name.removeprefix("SIG")):
            words = meaning if given == name else f"{name}, {meaning}"
            return row("Stop signal", Part(given, "code"), aside(words))
    return row("Stop signal", Part(given, "code"))


def _counted(count: float, unit: str) -> str:
    return f"{count:g} {unit}{'' if count == 1 else 's'}"
