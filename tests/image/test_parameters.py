"""How a container is run, as a config says it: what is kept of it, and what of a private image."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.image.configs import parse_config
from microbadger.image.documents import ConfigDocument
from microbadger.image.parameters import (
    TOO_LARGE,
    command_without_values,
    listed_parameters,
    read_parameters,
    user_of,
    without_values,
)
from microbadger.image.platforms import with_names_only
from microbadger.image.shapes import has_shape

GIVEN = {
    "User": "1000:1000",
    "Env": ["PATH=/bin", "GREETING=mañana"],
    "Entrypoint": ["/entrypoint.sh"],
    "Cmd": ["serve", "--port", "80"],
    "ExposedPorts": {"80/tcp": {}, "443/tcp": {}},
    "Volumes": {"/data": {}},
    "WorkingDir": "/app",
    "StopSignal": "SIGQUIT",
    "Healthcheck": {"Test": ["CMD-SHELL", "curl localhost"], "Interval": 30_000_000_000, "Retries": 3},
}


def test_all_parameters_of_a_config_are_read() -> None:
    assert read_parameters(GIVEN) == {**GIVEN, "ExposedPorts": ["443/tcp", "80/tcp"], "Volumes": ["/data"]}


@pytest.mark.parametrize("empty", [None, "", [], {}, 0])
@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_parameter_is_left_out(name: str, empty: object) -> None:
    assert read_parameters({name: empty}) == {}


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        ({"Cmd": "serve mañana"}, {"Cmd": ["serve mañana"]}),
        ({"Env": ["A=1", None, 7, ["B=2"]]}, {"Env": ["A=1"]}),
        ({"Healthcheck": {"Test": ["NONE"], "Interval": -1, "Timeout": True, "Retries": "3"}},
         {"Healthcheck": {"Test": ["NONE"]}}),
        ({"Healthcheck": {"Interval": 5}}, {}),
        ({"ExposedPorts": ["80/tcp"], "Volumes": "x", "User": 0}, {}),
    ],
)  # fmt: skip
def test_a_broken_parameter_hides_no_other(fields: Mapping[str, object], read: Mapping[str, object]) -> None:
    assert read_parameters({**fields, "WorkingDir": "/app"}) == {**read, "WorkingDir": "/app"}


@pytest.mark.parametrize("env", [["A=1"] * 2001, ["A=" + "x" * 60_000] * 3])
def test_a_config_that_is_too_large_is_left_out_whole_and_says_so(env: list[str]) -> None:
    config = parse_config(json.dumps({"config": {"Env": env, "Labels": {"a": "b"}}}).encode())

    assert (config.parameters, config.cut, config.labels) == (None, (TOO_LARGE,), {"a": "b"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(GIVEN)), json_values))
def test_whatever_strangers_write_has_the_shape_of_a_document(fields: dict[str, Any]) -> None:
    assert has_shape(read_parameters(fields), ConfigDocument)


def test_without_values_only_the_names_of_variables_are_left() -> None:
    assert without_values({"Env": ["TOKEN=a=b", "EMPTY=", "BARE"], "User": "app"}) == {
        "Env": ["TOKEN", "EMPTY", "BARE"],
        "User": "app",
    }


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("ENV TOKEN=señal", "ENV TOKEN"),
        ("ENV A=1 TOKEN=a b c OTHER=secret", "ENV A TOKEN"),
        ("ENV TOKEN secret", "ENV"),
        ("RUN echo ENV TOKEN=x", "RUN echo ENV TOKEN=x"),
        ("ARG TOKEN=x", "ARG TOKEN"),
        ("ARG A=1 TOKEN=x y", "ARG A"),
        ("ARG TOKEN", "ARG TOKEN"),
        ("RUN |1 TOKEN=x /bin/bash -o pipefail -c make", "RUN"),
        ("|2 A=1 TOKEN=x y /bin/bash -c make", "RUN"),
    ],
)
def test_a_step_that_sets_variables_shows_their_names(command: str, shown: str) -> None:
    assert command_without_values(command, ["A=1", "TOKEN=x"]) == shown


@pytest.mark.parametrize("step", ["ENV TOKEN=secret # buildkit", "/bin/sh -c #(nop)  ENV TOKEN=secret"])
def test_no_history_of_a_private_image_has_values(step: str) -> None:
    config = with_names_only(
        parse_config(json.dumps({"config": {"Env": ["TOKEN=secret"]}, "history": [{"created_by": step}]}).encode())
    )

    assert config.history[0].created_by == "ENV TOKEN"
    assert config.parameters == {"Env": ["TOKEN"]}


@pytest.mark.parametrize(
    ("given", "user"),
    [
        (None, "root"),
        ("", "root"),
        ("root", "root"),
        ("root:root", "root"),
        ("root:1000", "root"),
        ("0", "root"),
        ("0:0", "root"),
        ("0:1000", "root"),
        ("000", "root"),
        (":1000", "root"),
        ("app", "app"),
        ("app:root", "app:root"),
        ("1000:0", "1000:0"),
        ("10", "10"),
        ("rooty", "rooty"),
        ("Root", "Root"),
        ("señor", "señor"),
    ],
)
def test_root_is_root_by_whatever_name(given: str | None, user: str) -> None:
    assert user_of({} if given is None else {"User": given}, "linux") == user


def test_a_user_has_no_hidden_characters() -> None:
    assert user_of({"User": "\u202etoor\x1b\n"}, "linux") == "toor"


@pytest.mark.parametrize(("given", "user"), [({}, ""), ({"User": "ContainerUser"}, "ContainerUser")])
def test_no_user_is_root_on_windows(given: ConfigDocument, user: str) -> None:
    assert user_of(given, "windows") == user


LARGE = ["A=" + "x" * 4096]


@pytest.mark.parametrize(
    ("whole", "listed"),
    [
        ({}, {}),
        ({"Env": ["A=1"], "User": "app"}, {"Env": ["A=1"], "User": "app"}),
        ({"Env": LARGE, "User": "app", "Cmd": ["run"]}, {"User": "app", "Cmd": ["run"]}),
        ({"Env": LARGE, "Cmd": LARGE, "User": "app"}, {"User": "app"}),
        ({"Cmd": LARGE}, {}),
        ({"User": "x" * 4096}, None),
    ],
    ids=range(6),
)
def test_a_large_config_is_listed_in_brief(whole: ConfigDocument, listed: ConfigDocument | None) -> None:
    assert listed_parameters(whole) == listed


@pytest.mark.parametrize(("more", "is_whole"), [(0, True), (1, False)])
def test_a_config_of_4_kib_is_listed_whole(more: int, is_whole: bool) -> None:
    whole = ConfigDocument(Env=["x" * (4096 - len('{"Env":[""]}') + more)])
    assert ("Env" in (listed_parameters(whole) or {})) is is_whole
