"""Where the store's credentials come from, how they are renewed, and what is said of wrong ones.

The credentials are real ones of MinIO, and end when they say so: see harness/sts.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import s3_proxy
from harness.certificates import Authority, showing
from harness.minio import PASSWORD, REGION, Bucket, MinioServer
from harness.payloads import Stream, json_values
from harness.processes import wait_until
from harness.service import BINARY, Bronze, Finished, run_command
from harness.sts import Credentials, Issuer, assume_role
from harness.tables import Table, assert_exactly_once
from s3_proxy import S3Proxy

# Long enough that on a busy machine the last third is enough to renew them.
LIFETIME = 12.0
# The whole chain behind the keys; without it, the defaults hold.
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


@dataclass(frozen=True)
class Reached:
    """A bucket at some endpoint, with nothing but these variables."""

    bucket: Bucket
    endpoint: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def base_path(self) -> str:
        return self.bucket.base_path

    def environment(self) -> dict[str, str]:
        return {
            "DELTA_BASE_PATH": self.base_path,
            "S3_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            **self.variables,
        }


@pytest.fixture
def issuer(minio: MinioServer) -> Iterator[Issuer]:
    with Issuer(minio, LIFETIME).running() as issuer:
        yield issuer


@pytest.fixture
def proxy(issuer: Issuer) -> Iterator[S3Proxy]:
    with issuer.proxy() as proxy:
        yield proxy


@pytest.fixture
def credentials_file(tmp_path: Path) -> Path:
    return tmp_path / "credentials"


def of_instance(issuer: Issuer) -> dict[str, str]:
    return {**NO_KEYS, "AWS_EC2_METADATA_SERVICE_ENDPOINT": issuer.url}


def of_container(issuer: Issuer, directory: Path) -> dict[str, str]:
    token = directory / "container-token"
    token.write_text(issuer.token)
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{issuer.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }


def of_web_identity(issuer: Issuer, directory: Path) -> dict[str, str]:
    identity = directory / "identity"
    identity.write_text(issuer.identity)
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(identity),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/bronze",
        "AWS_ENDPOINT_URL_STS": issuer.url,
    }


def of_process(issuer: Issuer, directory: Path) -> dict[str, str]:
    """A process that asks the container's service."""
    config = directory / "config"
    ask = (
        "import json, sys, urllib.request as u; "
        "a = json.load(u.urlopen(u.Request(sys.argv[1], headers={'Authorization': sys.argv[2]}))); "
        "print(json.dumps({**a, 'Version': 1, 'SessionToken': a['Token']}))"
    )
    command = shlex.join(["python3", "-c", ask, issuer.url, issuer.token])
    config.write_text(f"[profile by-process]\ncredential_process = {command}\n")
    return {"AWS_PROFILE": "by-process", "AWS_CONFIG_FILE": str(config)}


def failed_writes(instance: Bronze) -> list[str]:
    signs = ("did not succeed", "ExpiredToken", "cannot be renewed", "starting over")
    return [line for line in instance.log().splitlines() if any(sign in line for sign in signs)]


def assert_no_secrets(text: str, *all_credentials: Credentials) -> None:
    assert PASSWORD not in text
    for credentials in all_credentials:
        for secret in (credentials.key_id, credentials.secret, credentials.token):
            assert secret not in text


# --- renewed before they end ----------------------------------------------------------------------


@pytest.fixture
def issuers(minio: MinioServer) -> Iterator[dict[str, Issuer]]:
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(Issuer(minio, LIFETIME).running())
            for name in ("instance", "container", "identity", "process")
        }


def test_temporary_credentials_are_renewed_before_they_end(
    issuers, broker, bucket, new_topic, group, environment, start, tmp_path
):
    """Four sources at once, through three lifetimes of each."""
    sources = {
        "instance": of_instance(issuers["instance"]),
        "container": of_container(issuers["container"], tmp_path),
        "identity": of_web_identity(issuers["identity"], tmp_path),
        "process": of_process(issuers["process"], tmp_path),
    }
    with contextlib.ExitStack() as stack:
        instances, topics = {}, {}
        for name, variables in sources.items():
            proxy = stack.enter_context(issuers[name].proxy())
            topics[name] = new_topic(1)
            instances[name] = start(
                environment(
                    topics[name],
                    store=Reached(bucket, proxy.endpoint, variables),
                    KAFKA_CONSUMER_GROUP=f"{group}-{name}",
                )
            )
        streams = [stack.enter_context(Stream(broker, topic, 20)) for topic in topics.values()]
        for instance in instances.values():
            instance.wait_written(1)
        written = {name: len(issuers[name].issued) for name in sources}
        begun = time.monotonic()
        wait_until(
            lambda: all(len(issuers[name].issued) >= written[name] + 3 for name in sources),
            100,
            "each source was asked thrice",
        )
        for stream in streams:
            stream.stop()
        for name, instance in instances.items():
            broker.wait_caught_up(f"{group}-{name}", topics[name])
            instance.stop()
    thirds = (time.monotonic() - begun) / (LIFETIME / 3)

    for name, instance in instances.items():
        assert_exactly_once(Table(bucket, topics[name]), broker, f"{group}-{name}")
        assert issuers[name].refused == []
        assert failed_writes(instance) == []
        # In their last third, and once each time.
        fetched = len(issuers[name].issued) - written[name]
        assert fetched <= thirds / 2 + 1, f"{name}: {fetched} in {thirds} thirds"
        assert_no_secrets(instance.log(), *issuers[name].issued)
        assert "the store gets credentials of the " in instance.log()


def test_a_source_that_is_down_stops_nothing_while_the_old_ones_hold(
    issuer, proxy, broker, bucket, topic, group, environment, start
):
    issuer.lifetime = 24
    instance = start(environment(topic, store=Reached(bucket, proxy.endpoint, of_instance(issuer))))
    with Stream(broker, topic, 50):
        instance.wait_written(1)
        issuer.is_down = True
        # From the last third on it is asked; the old ones hold for 8 s more.
        instance.wait_log("the store's credentials cannot be renewed, trying again", 60)
        before = instance.wait_answering().body["messages_written"]
        instance.wait_written(before + 1, 8)
        issuer.is_down = False
        wait_until(lambda: len(issuer.issued) == 2, 20, "new ones are issued")
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert "503 Service Unavailable" in instance.log()
    assert issuer.refused == [] and "did not succeed" not in instance.log()
    assert_exactly_once(Table(bucket, topic), broker, group)


def test_credentials_that_end_before_their_time_are_fetched_anew(
    issuer, proxy, broker, bucket, topic, group, environment, start, tmp_path
):
    issuer.lifetime = 3600
    store = Reached(bucket, proxy.endpoint, of_container(issuer, tmp_path))
    instance = start(environment(topic, store=store))
    with Stream(broker, topic, 50):
        instance.wait_written(1)
        issuer.is_down = True
        issuer.end(issuer.issued[0])
        # Nothing can be written, and nothing is given up.
        instance.wait_log("a write did not succeed and is tried again: ")
        instance.wait_log("ExpiredToken: the credentials of the container by http")
        before = instance.wait_answering().body["messages_written"]
        issuer.is_down = False
        instance.wait_written(before + 50)
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert len(issuer.issued) == 2 and issuer.refused
    assert_exactly_once(Table(bucket, topic), broker, group)


# --- profiles -------------------------------------------------------------------------------------


def test_a_profile_that_is_rotated_is_read_again(
    issuer, proxy, broker, bucket, topic, group, environment, start, credentials_file
):
    first, second = issuer.issue(3600), issuer.issue(3600)
    credentials_file.write_text(first.profile("default") + issuer.issue(3600).profile("other"))
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials_file)}
    instance = start(environment(topic, store=Reached(bucket, proxy.endpoint, variables)))
    with Stream(broker, topic, 50):
        before = instance.wait_written(1).body["messages_written"]
        credentials_file.write_text(second.profile("default"))
        instance.wait_log("the store gets credentials of the profile default", times=2)
        issuer.end(first)
        instance.wait_written(before + 50)
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert failed_writes(instance) == []
    assert_exactly_once(Table(bucket, topic), broker, group)


def test_keys_in_files_are_read_again(
    issuer, proxy, broker, bucket, topic, group, environment, start, tmp_path
):
    first, second = issuer.issue(3600), issuer.issue(3600)
    files = {name: tmp_path / name for name in first.environment()}

    def write(credentials: Credentials) -> None:
        for name, value in credentials.environment().items():
            files[name].write_text(value + "\n")

    write(first)
    variables = {f"{name}_FILE": str(path) for name, path in files.items()}
    instance = start(environment(topic, store=Reached(bucket, proxy.endpoint, variables)))
    with Stream(broker, topic, 50):
        before = instance.wait_written(1).body["messages_written"]
        write(second)
        instance.wait_log("the store gets credentials of AWS_ACCESS_KEY_ID_FILE", times=2)
        issuer.end(first)
        instance.wait_written(before + 50)
    broker.wait_caught_up(group, topic)
    assert_no_secrets(instance.pages(), first, second)
    instance.stop()
    assert failed_writes(instance) == []
    assert_no_secrets(instance.log(), first, second)
    assert_exactly_once(Table(bucket, topic), broker, group)


def test_a_profile_without_new_keys_stops_the_service(
    issuer, proxy, broker, bucket, topic, environment, start, credentials_file
):
    first = issuer.issue(3600)
    credentials_file.write_text(first.profile("p"))
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials_file), "AWS_PROFILE": "p"}
    instance = start(environment(topic, store=Reached(bucket, proxy.endpoint, variables)))
    with Stream(broker, topic, 50):
        instance.wait_written(1)
        issuer.end(first)
        assert instance.wait_exit() == 1
    assert "ExpiredToken: the credentials of the profile p (AWS_PROFILE) in " in instance.log()
    assert "check them there" in instance.log()
    assert_no_secrets(instance.log(), first)


def test_a_profile_that_cannot_be_used_is_refused_at_start(
    bucket, topic, environment, credentials_file
):
    credentials_file.write_text("[p]\nsso_session = x\n")
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(credentials_file)}
    store = Reached(bucket, bucket.server.endpoint, variables)
    for profile, words in [("p", "has sso_session, which is not supported"), ("q", "AWS_PROFILE")]:
        done = run_command("run", environment=environment(topic, store=store, AWS_PROFILE=profile))
        assert done.exit_code == 1
        assert words in done.text and str(credentials_file) in done.text


# --- a task of ECS --------------------------------------------------------------------------------


def test_a_task_of_ecs_gets_its_credentials_at_a_fixed_address(tmp_path):
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "harness.ecs_task", tmp_path],
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": f".:{Path(s3_proxy.__file__).parent}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    # Kafka is not there.
    assert done.returncode == 3, done.stdout + done.stderr
    (finding,) = json.loads(done.stdout)["store"]["findings"]
    assert finding["level"] == "ok"


# --- TLS and addressing ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def tls_minio(authority: Authority, tmp_path_factory: pytest.TempPathFactory):
    server = MinioServer(
        tmp_path_factory.mktemp("minio-tls"), authority.issue("good", "IP:127.0.0.1")
    )
    server.start()
    yield server
    server.stop()


def write_once(start: Callable[..., Bronze], environment: dict[str, str], **more) -> None:
    instance = start(environment, "run", "--once", **more)
    assert instance.wait_exit(60) == 0, instance.tail()


def check(environment: dict[str, str], timeout_s: int = 5) -> Finished:
    return run_command("check", "--timeout", str(timeout_s), environment=environment)


def test_the_store_and_the_source_of_its_credentials_speak_tls(
    authority, tls_minio, broker, topic, unique, environment, start, tmp_path
):
    bucket = tls_minio.create_bucket(unique("b"))
    broker.produce(topic, json_values(20))
    certificate = authority.issue("sts", "IP:127.0.0.1")
    with Issuer(tls_minio, 3600, certificate=certificate).running() as issuer:
        variables = {**of_web_identity(issuer, tmp_path), "AWS_CA_BUNDLE": str(authority.pem)}
        store = Reached(bucket, tls_minio.endpoint, variables)
        write_once(start, environment(topic, store=store))
    assert len(issuer.issued) == 1
    assert sum(commit.row_count for commit in Table(bucket, topic).data_commits()) == 20


def test_a_certificate_that_is_not_accepted_is_named(
    authority, tls_minio, tmp_path, topic, environment
):
    bucket = Bucket(tls_minio, "bucket")
    other = Authority(tmp_path / "other-ca")

    def said(endpoint: str, **more: str) -> str:
        done = check(environment(topic, store=bucket, S3_ENDPOINT_URL=endpoint, **more))
        assert done.exit_code == 3, done.text
        return done.text

    trusted = {"AWS_CA_BUNDLE": str(authority.pem)}
    text = said(tls_minio.endpoint)
    assert f"the certificate of {tls_minio.endpoint} (S3_ENDPOINT_URL) is not trusted" in text
    assert "name a PEM file in AWS_CA_BUNDLE that holds the CA that issued it" in text
    text = said(tls_minio.endpoint, AWS_CA_BUNDLE=str(other.pem))
    assert "is not trusted" in text and f"AWS_CA_BUNDLE ({other.pem})" in text
    text = said(tls_minio.endpoint.replace("127.0.0.1", "localhost"), **trusted)
    assert "is for another host" in text and "S3_ENDPOINT_URL must name the host" in text
    with showing(authority.issue("old", "IP:127.0.0.1", days=-1)) as address:
        text = said(address, **trusted)
    assert "has expired" in text and "renew it" in text and "S3_ENDPOINT_URL" in text


def test_a_tls_store_that_hangs_up_does_not_kill_the_process(
    authority, tls_minio, topic, environment
):
    """Writing to its closed connection raised SIGPIPE."""
    trusted = {"AWS_CA_BUNDLE": str(authority.pem)}
    with showing(authority.issue("mute", "IP:127.0.0.1")) as address:
        store = Reached(Bucket(tls_minio, "bucket"), address, trusted)
        for _ in range(5):
            done = check(environment(topic, store=store), timeout_s=60)
            assert done.exit_code == 3, done.text
            assert "cannot be reached" in done.text and "certificate" not in done.text


def test_buckets_may_be_named_in_the_host(
    broker, topic, group, unique, environment, start, tmp_path
):
    server = MinioServer(tmp_path / "minio", domain="minio.test")
    server.start()
    try:
        bucket = server.create_bucket(unique("b"))
        hosts = tmp_path / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {bucket.name}.minio.test\n")
        # The name means something to this process only.
        program = tmp_path / "bronze-with-hosts"
        program.write_text(
            f"#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {hosts} /etc/hosts && "
            f'exec {BINARY} "$@"\' bronze "$@"\n'
        )
        program.chmod(0o755)
        broker.produce(topic, json_values(20))
        variables = environment(
            topic,
            store=bucket,
            S3_ENDPOINT_URL=f"http://minio.test:{server.port}",
            S3_ADDRESSING_STYLE="virtual",
        )
        write_once(start, variables, binary=program)
        assert_exactly_once(Table(bucket, topic), broker, group)
    finally:
        server.stop()


# --- what is said of wrong ones -------------------------------------------------------------------


def only_below(bucket: str, prefix: str) -> dict:
    """A policy."""
    objects = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/{prefix}/*"}
    listing = {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringLike": {"s3:prefix": f"{prefix}/*"}},
    }
    return {"Version": "2012-10-17", "Statement": [objects, listing]}


def problem_of_store(environment: dict[str, str]) -> str:
    done = run_command("check", "--json", environment=environment)
    assert done.exit_code == 1, done.text
    (finding,) = json.loads(done.output)["store"]["findings"]
    assert finding["level"] == "problem"
    return finding["message"]


def ended(issuer: Issuer) -> Credentials:
    credentials = issuer.issue()
    issuer.end(credentials)
    return credentials


def wrong(issuer: Issuer, bucket: Bucket) -> dict[str, tuple[dict[str, str], list[str]]]:
    """What is wrong -> variables, and what must be said."""
    held = issuer.issue(3600)
    limited = assume_role(bucket.server, policy=only_below(bucket.name, "a"))
    keys = bucket.environment()
    return {
        "secret": (
            {**held.environment(), "AWS_SECRET_ACCESS_KEY": "not-the-right-one"},
            ["SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"],
        ),
        "key": (
            {**keys, "AWS_ACCESS_KEY_ID": "nobody"},
            ["InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"],
        ),
        "token": (
            ended(issuer).environment(),
            ["ExpiredToken", "AWS_SESSION_TOKEN"],
        ),
        "bucket": (
            {**keys, "DELTA_BASE_PATH": "s3a://no-such-bucket-here"},
            ["NoSuchBucket", "no-such-bucket-here", "create it", "DELTA_BASE_PATH"],
        ),
        "prefix": (
            {**limited.environment(), "DELTA_BASE_PATH": f"s3a://{bucket.name}/b"},
            ["AccessDenied", f"grant s3:PutObject on {bucket.name}/b/", "AWS_ACCESS_KEY_ID"],
        ),
    }


@pytest.mark.parametrize("what", ["secret", "key", "token", "bucket", "prefix"])
def test_what_is_wrong_is_named_by_check_and_by_the_service(
    what, issuer, proxy, bucket, topic, environment
):
    changes, words = wrong(issuer, bucket)[what]
    variables = environment(topic, store=Reached(bucket, proxy.endpoint), **changes)
    variables["S3_ENDPOINT_URL"] = proxy.endpoint
    said = problem_of_store(variables)
    done = run_command("run", environment=variables)
    assert done.exit_code == 1, done.text
    for word in words:
        assert word in said, word
        assert word in done.text, word
    assert_no_secrets(said + done.text, *issuer.issued)
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert variables.get(name, PASSWORD) not in said + done.text


def test_a_source_whose_keys_the_store_never_knows_ends_the_service(
    issuer, proxy, bucket, topic, environment, tmp_path
):
    """As when the role is that of another store."""
    issuer.is_known = False
    store = Reached(bucket, proxy.endpoint, of_container(issuer, tmp_path))
    variables = environment(topic, store=store)
    said = problem_of_store(variables)
    begun = len(issuer.issued)
    done = run_command("run", environment=variables)
    assert done.exit_code == 1, done.text
    assert len(issuer.issued) - begun <= 6
    for text in (said, done.text):
        assert "does not know the key of the container" in text
        assert "check that S3_ENDPOINT_URL names the store" in text
    assert_no_secrets(said + done.text, *issuer.issued)


def test_a_policy_may_allow_one_prefix_only(broker, bucket, topic, environment, start):
    limited = assume_role(bucket.server, policy=only_below(bucket.name, "a"))
    broker.produce(topic, json_values(20))
    store = Reached(bucket, bucket.server.endpoint, limited.environment())
    write_once(start, environment(topic, store=store, DELTA_BASE_PATH=f"{bucket.base_path}/a"))


def test_a_source_that_gives_nothing_is_waited_for(
    issuer, proxy, broker, bucket, topic, group, environment, start
):
    issuer.is_down = True
    broker.produce(topic, json_values(20))
    instance = start(environment(topic, store=Reached(bucket, proxy.endpoint, of_instance(issuer))))
    instance.wait_log("waiting for the store at ")
    instance.wait_log("no credentials of the instance by http")
    issuer.is_down = False
    broker.wait_caught_up(group, topic)
    instance.stop()
    assert_exactly_once(Table(bucket, topic), broker, group)
