"""Does in a process that may start no thread what the service does in threads, and prints what came of it."""

import json
import resource
import sys
from pathlib import Path

from microbadger.http.connection import cut_off_after
from microbadger.http.errors import NoThread
from microbadger.http.names import NAME_QUESTIONS
from tests.cdn.bench import Cdn, purge_of, status_of, wait_until_done
from tests.notifications.bench import SHAS, Bench, Postman


def limit(count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (count, most))


def main(folder: Path) -> dict[str, object]:
    before, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    done: dict[str, object] = {}
    postman = Postman()
    bench = Bench(folder, postman.send)
    bench.subscribe()
    bench.push(SHAS[1])
    with Cdn() as cdn:
        purge = purge_of(cdn.base_url)
        limit(1)
        for name, work in (
            ("cut off", lambda: cut_off_after(1, print).__enter__()),
            ("name", lambda: NAME_QUESTIONS.ask(lambda _host, _port: ["127.0.0.1"], "registry.test", 1, 1.0)),
        ):
            try:
                work()
            except NoThread as error:
                done[name] = str(error)
        purge.add(["index.html"])
        done["purge waits"] = status_of(purge).waiting
        bench.deliver()
        done["sent"] = len(postman.sent)
        limit(before)
        purge.add(["v1/images.json"])
        wait_until_done(purge)
        done["purged"] = sorted(cdn.asked)
        bench.deliver()
        done["sent later"] = len(postman.sent)
    return done


print(json.dumps(main(Path(sys.argv[1]))))
