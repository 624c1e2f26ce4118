"""Resolves names with a timeout.

`getaddrinfo` has no timeout and cannot be interrupted: if a name server does not answer, it waits for as long as the
system tries. So each question runs in its own thread, which is abandoned when the time is up. Threads that ask the same
question wait for the same answer, and the number of open questions is limited.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from microbadger.http.addresses import literal_address
from microbadger.http.errors import CutOff
from microbadger.http.threads import start_thread

Resolve = Callable[[str, int], Sequence[str]]
_Question = tuple[Resolve, str, int]

_MOST_OPEN = 64


class NameQuestions:
    """The open questions of this process to name servers."""

    def __init__(self, most_open: int = _MOST_OPEN) -> None:
        self._most_open = most_open
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget every question. A forked process calls this, because it has none of the waiting threads."""
        self._lock = threading.Lock()
        self._open: dict[_Question, Future[Sequence[str]]] = {}

    def ask(self, resolve: Resolve, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return the result of `resolve`. Raise `CutOff` if it takes too long, or too many questions are open.

        Raises `NoThread` if no thread can be started.
        """
        if literal_address(host) is not None:
            return resolve(host, port)  # no name server is asked
        answer = self._begun((resolve, host, port))
        try:
            return answer.result(seconds)
        except TimeoutError as error:
            if answer.done():  # the answer has just arrived, or the resolver itself raised TimeoutError
                return answer.result()
            raise CutOff from error

    def _begun(self, question: _Question) -> "Future[Sequence[str]]":
        with self._lock:
            if answer := self._open.get(question):
                return answer
            if len(self._open) >= self._most_open:
                raise CutOff
            answer = Future()
            start_thread("name server", self._hear, question, answer)
            self._open[question] = answer
        return answer

    def _hear(self, question: _Question, answer: "Future[Sequence[str]]") -> None:
        resolve, host, port = question
        try:
            answer.set_result(resolve(host, port))
        except BaseException as error:  # noqa: BLE001 - the waiting threads raise it
            answer.set_exception(error)
        with self._lock:
            self._open.pop(question, None)


NAME_QUESTIONS = NameQuestions()
os.register_at_fork(after_in_child=NAME_QUESTIONS.start_afresh)
