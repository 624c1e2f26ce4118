"""Real S3 servers for tests, on loopback and in memory: moto, which is fast, and Ceph's gateway, which is real.

Each is started once a session, when a test first needs it, and ended by its process id.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from microbadger.site.bucket_address import BucketAddress
from tests.child_processes import ENDS_WITH_US
from tests.real_registry import free_port, wait_until

START_SECONDS = 60.0
COMMAND_SECONDS = 60.0
BUCKET = "badges"
_PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
_FSID = "7b0d0f5e-6b1f-4d5e-9a53-1f2f3c4d5e6f"
_CEPH = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail crit = 0
mon data avail warn = 0
mon max pg per osd = 1000
paxos propose interval = 0.05
paxos min wait = 0.01
osd objectstore = memstore
memstore device bytes = 268435456
osd data = {folder}/osd
mon data = {folder}/mon
run dir = {folder}
log file = {folder}/$name.log
admin socket = {folder}/$name.asok
pid file = {folder}/$name.pid
crash dir = {folder}
plugin dir = /usr/lib/ceph
[client]
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw data = {folder}
rgw thread pool size = 32
rgw enable usage log = false
rgw enable gc threads = false
rgw enable lc threads = false
rgw enable quota threads = false
"""


@dataclass(frozen=True)
class ObjectStore:
    """A server with the bucket ``badges``, and the credentials of its owner."""

    url: str
    key_id: str
    secret_key: str

    def address(self, prefix: str = "") -> BucketAddress:
        """Return a place in the bucket that no other test uses."""
        return BucketAddress(
            bucket=BUCKET,
            prefix=prefix or uuid4().hex,
            endpoint=self.url,
            key_id=self.key_id,
            secret_key=self.secret_key,
        )

    @cached_property
    def client(self) -> Any:
        """What looks into the bucket besides the service."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def keys(self, prefix: str) -> set[str]:
        """Return the keys below a prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return {item["Key"].removeprefix(f"{prefix}/") for page in pages for item in page.get("Contents", [])}

    def etag(self, prefix: str, path: str) -> str:
        """Return the ETag of an object, quoted as in HTTP."""
        found = self.client.head_object(Bucket=BUCKET, Key=f"{prefix}/{path}")
        return str(found["ETag"])


def environment_of(address: BucketAddress) -> dict[str, str]:
    """Return the variables with which a service uses a bucket."""
    return {
        "MICROBADGER_PUBLIC_DIR": str(address),
        "AWS_ENDPOINT_URL": address.endpoint,
        "AWS_ACCESS_KEY_ID": address.key_id,
        "AWS_SECRET_ACCESS_KEY": address.secret_key,
    }


@pytest.fixture(scope="session")
def moto_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A moto server."""
    with running_moto(tmp_path_factory.mktemp("moto")) as store:
        yield store


@pytest.fixture(scope="session")
def ceph_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """Ceph's gateway over one monitor and one storage daemon, all in memory."""
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} of Debian's ceph-mon, ceph-osd and radosgw: not installed")
    with running_ceph(tmp_path_factory.mktemp("ceph")) as store:
        yield store


@contextmanager
def running_moto(folder: Path) -> Iterator[ObjectStore]:
    """Run a moto server."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, folder / "log", {"PATH": os.environ["PATH"]}):
        yield _with_bucket(ObjectStore(f"http://127.0.0.1:{port}", "tests", "tests-secret"))


@contextmanager
def running_ceph(folder: Path) -> Iterator[ObjectStore]:
    """Run Ceph's gateway."""
    with ExitStack() as running:
        yield _with_bucket(_start_ceph(folder, running))


def _start_ceph(folder: Path, running: ExitStack) -> ObjectStore:
    mon_port, rgw_port, conf = free_port(), free_port(), folder / "ceph.conf"
    conf.write_text(_CEPH.format(fsid=_FSID, folder=folder, mon_port=mon_port, rgw_port=rgw_port))

    def run(program: str, *arguments: str) -> str:
        command = [program, "-c", str(conf), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMMAND_SECONDS).stdout

    def start(program: str, *arguments: str) -> None:
        command = [program, "-c", str(conf), "-f", *arguments]
        running.enter_context(_running(command, folder / f"{program}.out", os.environ))

    (folder / "osd").mkdir()
    monmap = str(folder / "monmap")
    run("monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{mon_port}]", "--fsid", _FSID, monmap)
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
    start("ceph-mon", "-i", "a")
    osd = str(uuid4())
    number = run("ceph", "osd", "new", osd).strip()
    run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", osd)
    start("ceph-osd", "-i", number)
    start("radosgw", "-n", "client.admin")
    keys = json.loads(run("radosgw-admin", "user", "create", "--uid=badges", "--display-name=badges"))["keys"][0]
    return ObjectStore(f"http://127.0.0.1:{rgw_port}", keys["access_key"], keys["secret_key"])


def _with_bucket(store: ObjectStore) -> ObjectStore:
    def made() -> bool:
        try:
            store.client.create_bucket(Bucket=BUCKET)
        except store.client.exceptions.BucketAlreadyOwnedByYou:
            return True
        except (BotoCoreError, ClientError):  # it does not listen yet, or not to this user
            return False
        return True

    wait_until(made, "a bucket", START_SECONDS)
    return store


@contextmanager
def _running(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*ENDS_WITH_US, *command], stdout=output, stderr=output, env=dict(environment), start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
