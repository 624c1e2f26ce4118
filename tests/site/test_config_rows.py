"""How a container is run, in the words of its page."""

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.documents import ConfigDocument
from microbadger.site.config_rows import config_table, duration_text, port_text

SECOND = 10**9


def said(config: ConfigDocument, system: str = "linux") -> dict[str, str]:
    """Return the text beside each name, with a line for each item."""
    rows = config_table(config, system).rows
    return {row.name: "\n".join(" ".join(part.text for part in item) for item in row.items) for row in rows}


@pytest.mark.parametrize(
    ("nanoseconds", "words"),
    [
        (1, "less than 0.001 seconds"),
        (999_999, "less than 0.001 seconds"),
        (10**6, "0.001 seconds"),
        (500 * 10**6, "0.5 seconds"),
        (SECOND, "1 second"),
        (1_500 * 10**6, "1.5 seconds"),
        (30 * SECOND, "30 seconds"),
        (60 * SECOND - 1, "59.999 seconds"),
        (60 * SECOND, "1 minute"),
        (90 * SECOND, "1 minute 30 seconds"),
        (3600 * SECOND, "1 hour"),
        (86_399 * SECOND, "23 hours 59 minutes 59 seconds"),
        (90_061 * SECOND, "1 day 1 hour 1 minute 1 second"),
        (2**63 - 1, "106751 days 23 hours 47 minutes 16.854 seconds"),
    ],
)
def test_a_duration_is_in_words(nanoseconds: int, words: str) -> None:
    assert duration_text(nanoseconds) == words


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("8080/tcp", "8080 (TCP)"),
        ("53/udp", "53 (UDP)"),
        ("132/sctp", "132 (SCTP)"),
        ("80", "80 (TCP)"),
        ("5000-5010/udp", "5000 to 5010 (UDP)"),
        ("5000-5010", "5000 to 5010 (TCP)"),
        ("80/quic", "80/quic"),
        ("http", "http"),
        ("mañana", "mañana"),
        ("80/tcp\n", "80/tcp\n"),
        ("٨٠/tcp", "٨٠/tcp"),
        ("", ""),
    ],
)
def test_a_port_is_in_words(port: str, words: str) -> None:
    assert port_text(port) == words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "root the image sets no user"),
        ({"User": ""}, "root the image sets no user"),
        ({"User": "root"}, "root"),
        ({"User": "0"}, "root given as 0"),
        ({"User": "0:0"}, "root given as 0:0"),
        ({"User": "root:app"}, "root given as root:app"),
        ({"User": "app"}, "app"),
        ({"User": "1000:0"}, "1000:0"),
    ],
)
def test_a_user_that_is_root_is_said_to_be(config: ConfigDocument, words: str) -> None:
    assert said(config)["User"] == words


def test_on_windows_no_user_is_just_not_given() -> None:
    assert said({}, "windows") == {"User": "not given"}


def test_what_the_config_does_not_give_has_no_row() -> None:
    assert list(said({})) == ["User"]


def test_commands_are_as_a_shell_has_them() -> None:
    rows = said({"Entrypoint": ["/run.sh", "it's"], "Cmd": ["nginx", "-g", "daemon off;"], "WorkingDir": "/app"})
    assert rows["Entrypoint"] == """/run.sh 'it'"'"'s'"""
    assert rows["Command"] == "nginx -g 'daemon off;'"
    assert rows["Working directory"] == "/app"


def test_ports_are_on_one_line_and_volumes_on_several() -> None:
    rows = said({"ExposedPorts": ["53/udp", "80/tcp"], "Volumes": ["/a", "/b"]})
    assert rows["Ports"] == "53 (UDP), 80 (TCP)"
    assert rows["Volumes"] == "/a\n/b"


def test_of_many_volumes_the_first_are_shown() -> None:
    rows = said({"Volumes": [f"/{number}" for number in range(60)]})
    assert rows["Volumes"].endswith("/49\nand 10 more")


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"Test": ["CMD", "curl", "a b"]}, "curl 'a b'"),
        ({"Test": ["CMD-SHELL", "curl x || exit 1"]}, "curl x || exit 1"),
        ({"Test": ["NONE"]}, "disabled"),
        ({"Test": ["mañana", "x"]}, "'mañana' x"),
        (
            {
                "Test": ["CMD", "true"],
                "Interval": 30 * SECOND,
                "Timeout": 5 * SECOND,
                "Retries": 3,
                "StartPeriod": 60 * SECOND,
            },
            "true every 30 seconds, timeout 5 seconds, 3 retries, after a start period of 1 minute",
        ),
        ({"Test": ["CMD", "a"], "Retries": 1, "StartInterval": SECOND}, "a 1 retry, every 1 second while it starts"),
    ],
    ids=range(6),
)
def test_a_health_check_is_a_command_and_times_in_words(check: Any, words: str) -> None:
    assert said({"Healthcheck": check})["Health check"] == words


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        ("SIGTERM", "SIGTERM asks it to stop"),
        ("TERM", "TERM SIGTERM, asks it to stop"),
        ("15", "15 SIGTERM, asks it to stop"),
        ("SIGINT", "SIGINT interrupts it, like Ctrl+C"),
        ("3", "3 SIGQUIT, asks it to quit"),
        ("9", "9 SIGKILL, stops it immediately"),
        ("SIGRTMIN+3", "SIGRTMIN+3 halts systemd"),
        ("SIGUSR2", "SIGUSR2"),
        ("mañana", "mañana"),
    ],
)
def test_a_common_stop_signal_is_explained(signal: str, words: str) -> None:
    assert said({"StopSignal": signal})["Stop signal"] == words


def test_variables_are_names_and_values() -> None:
    table = config_table({"Env": ["A=1=2", "EMPTY=", "BARE"]})
    assert table.variables == [("A", "1=2"), ("EMPTY", ""), ("BARE", None)]
    assert table.has_values


def test_variables_of_a_private_image_are_names() -> None:
    assert not config_table({"Env": ["TOKEN", "MODE"]}).has_values


texts = st.text(max_size=5)
configs = st.fixed_dictionaries(
    {},
    optional={
        "User": texts,
        "Env": st.lists(texts, max_size=3),
        "Cmd": st.lists(texts, min_size=1, max_size=3),
        "ExposedPorts": st.lists(texts, min_size=1, max_size=3),
        "StopSignal": texts,
        "Healthcheck": st.fixed_dictionaries(
            {"Test": st.lists(texts, min_size=1, max_size=3)}, optional={"Interval": st.integers(1, 2**63 - 1)}
        ),
    },
)


@given(configs)
def test_whatever_a_config_says_its_command_can_be_pasted(config: ConfigDocument) -> None:
    rows = said(config)
    assert ("Command" in rows) is ("Cmd" in config)
    if "Cmd" in config:
        assert shlex.split(rows["Command"]) == config["Cmd"]
