"""Asks name servers, and waits no longer for their answers than there is time.

`getaddrinfo` has no timeout and cannot be ended: if a name server does not answer, it waits for as long as the system
tries. So each question has a thread of its own, which is left behind when the time is up. A thread that asks the same
meanwhile waits for the same answer, and the number of open questions is limited.
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
    """The questions that are open in this process."""

    def __init__(self, most_open: int = _MOST_OPEN) -> None:
        self._most_open = most_open
        self.start_afresh()

    def start_afresh(self) -> None:
        """Forget every question: the threads that would hear the answers do not exist in this process."""
        self._lock = threading.Lock()
        self._open: dict[_Question, Future[Sequence[str]]] = {}

    def ask(self, resolve: Resolve, host: str, port: int, seconds: float) -> Sequence[str]:
        """Return what `resolve` does; raise `CutOff` if that takes longer, or too many questions are open.

        Raises `NoThread` if nobody can ask.
        """
        if literal_address(host) is not None:
            return resolve(host, port)  # no name server is asked
        answer = self._begun((resolve, host, port))
        try:
            return answer.result(seconds)
        except TimeoutError as error:
            if answer.done():  # just now, or the resolver itself says so
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
        except BaseException as error:  # noqa: BLE001 - those who asked get it
            answer.set_exception(error)
        with self._lock:
            self._open.pop(question, None)


NAME_QUESTIONS = NameQuestions()
os.register_at_fork(after_in_child=NAME_QUESTIONS.start_afresh)
