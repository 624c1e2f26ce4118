"""How readers see a step of a Dockerfile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microbadger.site.step_texts import instruction_of, step_text

STEPS = [
    ("", "unknown"),
    ("RUN make", "RUN make"),
    ("RUN apk add curl && make", "RUN apk add curl\n  && make"),
    ("RUN set -eux; \tapk add \t\tcurl ; make", "RUN set -eux;\n  apk add curl;\n  make"),
    ("RUN a;b&&c", "RUN a;\n  b\n  &&c"),
    ("RUN a || b | c & d", "RUN a || b | c & d"),
    ("apt-get update && apt-get install curl", "apt-get update\n  && apt-get install curl"),
    ("cmd /S /C dir; exit", "cmd /S /C dir;\n  exit"),
    ("RUN echo 'a && b;  c' \"d; e \\\" && f\" `g; h`", "RUN echo 'a && b;  c' \"d; e \\\" && f\" `g; h`"),
    ("RUN echo don't; stop", "RUN echo don't;\n  stop"),
    (r"RUN find . -exec rm {} \; && make", "RUN find . -exec rm {} \\;\n  && make"),
    ("RUN if a; then b; fi; for c in d; \tdo e; done", "RUN if a; then b;\n  fi;\n  for c in d; do e;\n  done"),
    ("RUN case a in b) c ;; esac", "RUN case a in b) c;;\n  esac"),
    ("RUN <<EOF\n\tmake && make install; exit\nEOF", "RUN <<EOF\n  make && make install; exit\nEOF"),
    ("ENV A=b;c B=d&&e", "ENV A=b;c B=d&&e"),
    ("COPY  a\tb", "COPY a b"),
    ('CMD ["sh" "-c" "a;  b"]', 'CMD ["sh" "-c" "a;  b"]'),
    ("EXPOSE map[443/tcp:{} 53/udp:{}]", "EXPOSE 443 (TCP), 53 (UDP)"),
    ("EXPOSE [80/tcp 8000-8010/tcp]", "EXPOSE 80 (TCP), 8000 to 8010 (TCP)"),
    ("EXPOSE 80", "EXPOSE 80 (TCP)"),
    ("EXPOSE ${PORT} map", "EXPOSE ${PORT}, map"),
    ("EXPOSE", "EXPOSE"),
    (r"""HEALTHCHECK &{["CMD-SHELL" "curl \"http://localhost\" || exit 1"] "30s" "5s" "0s" '\x03'}""",
     'HEALTHCHECK curl "http://localhost" || exit 1 (every 30 seconds, timeout 5 seconds, 3 retries)'),
    (r"""HEALTHCHECK &{["CMD" "/check" "a b"] "1m30.5s" "500ms" "1h0m0s" "2s" '\n'}""",
     "HEALTHCHECK /check 'a b' (every 1 minute 30.5 seconds, timeout 0.5 seconds, 10 retries, "
     "after a start period of 1 hour, every 2 seconds while it starts)"),
    (r"""HEALTHCHECK &{["CMD-SHELL" "a"] "0s" "0s" "0s" '!'}""", "HEALTHCHECK a (33 retries)"),
    (r"""HEALTHCHECK &{["NONE"] "0s" "0s" "0s" "0s" '\x00'}""", "HEALTHCHECK disabled"),
    (r"""HEALTHCHECK &{[] "0s" "0s" "0s" '\x00'}""", r"""HEALTHCHECK &{[] "0s" "0s" "0s" '\x00'}"""),
    ("HEALTHCHECK CMD curl; exit", "HEALTHCHECK CMD curl; exit"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "text"), STEPS)
def test_a_step_is_in_lines_and_in_words(command: str, text: str) -> None:
    assert step_text(command) == text


@given(st.text("ab '\"`\\;&\t()$").map("RUN {}".format))
def test_nothing_of_a_command_is_lost_but_the_gaps_between_its_words(command: str) -> None:
    assert "".join(step_text(command).split()) == "".join(command.split())


@pytest.mark.parametrize("character", "'\"`\\;&")
def test_a_long_command_takes_no_time(character: str) -> None:
    assert len(step_text(f"RUN {character * 100_000}")) >= 100_000


@pytest.mark.parametrize(
    ("command", "name"), [("ENV A=b", "ENV"), ("CMD", "CMD"), ("make all", ""), ("run", ""), ("", ""), ("\tRUN", "")]
)
def test_a_step_may_have_an_instruction(command: str, name: str) -> None:
    assert instruction_of(command) == name
