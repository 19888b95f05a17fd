"""Kafka that asks who comes: each way in, what is said when there is none, and rights."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType
from harness.certificates import Authority
from harness.kafka import Broker
from harness.payloads import json_values
from harness.processes import running, wait_until
from harness.secure_kafka import LISTENERS, LOOPBACK, SecureBroker
from harness.service import KAFKA_TIMING, Bronze, Finished, run_command
from harness.tables import Table, assert_exactly_once
from harness.tokens import TokenServer

pytestmark = pytest.mark.xdist_group("kafka-security")

USER = "alice"
PLAIN, SCRAM_256, SCRAM_512 = "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"
PASSWORDS = {
    PLAIN: "Plain-Pass-Word",
    SCRAM_256: "Scram-256-Pass-Word",
    SCRAM_512: "Scram-512-Pass-Word",
}
WRONG = "Wrong-Pass-Word"
RENEWED = "Renewed-Pass-Word"
KEY_PASSWORD = "Key-Pass-Word"
CLIENT_SECRET = "Client-Secret-Word"

Environment = dict[str, str]


@dataclass
class Site:
    """The broker, and who lets in or is let in."""

    broker: SecureBroker
    authority: Authority
    strangers: Authority
    tokens: TokenServer
    keys: list[Path] = field(default_factory=list)

    def at(self, listener: str) -> Environment:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.address(listener),
            "KAFKA_SECURITY_PROTOCOL": LISTENERS[listener],
            **({"KAFKA_SSL_CA": self.ca} if "SSL" in LISTENERS[listener] else {}),
        }

    @property
    def ca(self) -> str:
        return str(self.authority.pem)

    def with_password(self, listener: str, mechanism: str, password: str = "") -> Environment:
        return {
            **self.at(listener),
            "KAFKA_SASL_MECHANISM": mechanism,
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": password or PASSWORDS[mechanism],
        }

    def with_certificate(
        self, authority: Authority | None = None, days: int = 2, password: str = ""
    ) -> Environment:
        ours = (authority or self.authority).issue(
            f"{USER}-{len(self.keys)}", f"DNS:{USER}", days, USER, password
        )
        self.keys.append(ours.key)
        return {
            **self.at("MTLS"),
            **({"KAFKA_SSL_KEY_PASSWORD": password} if password else {}),
            "KAFKA_SSL_CERTIFICATE": str(ours.pem),
            "KAFKA_SSL_KEY": str(ours.key),
        }

    def with_pem_text(self) -> Environment:
        names = ("KAFKA_SSL_CA", "KAFKA_SSL_CERTIFICATE", "KAFKA_SSL_KEY")
        paths = self.with_certificate()
        texts = {name: Path(paths[name]).read_text() for name in names}
        # As files of variables hold it.
        texts["KAFKA_SSL_KEY"] = texts["KAFKA_SSL_KEY"].replace("\n", "\\n")
        return {**paths, **texts}

    def with_key_text(self, days: int = 2) -> Environment:
        way = self.with_certificate(days=days)
        return {**way, "KAFKA_SSL_KEY": Path(way["KAFKA_SSL_KEY"]).read_text()}

    def with_token(self, secret: str = CLIENT_SECRET) -> Environment:
        return {
            **self.at("TOKENS"),
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_SASL_OAUTH_TOKEN_URL": self.tokens.url,
            "KAFKA_SASL_OAUTH_CLIENT_ID": self.tokens.CLIENT_ID,
            "KAFKA_SASL_OAUTH_CLIENT_SECRET": secret,
            "KAFKA_SASL_OAUTH_SCOPE": "kafka:read kafka:commit",
            "KAFKA_SASL_OAUTH_CA": self.ca,
        }

    def with_a_strange_ca_of_tokens(self) -> Environment:
        """In a file that may be written."""
        ca = self.strangers.pem.with_name("copy.pem")
        ca.write_bytes(self.strangers.pem.read_bytes())
        return {**self.with_token(), "KAFKA_SASL_OAUTH_CA": str(ca)}

    def with_token_at(self, path: str) -> Environment:
        url = self.tokens.url.removesuffix("/token") + path
        return {**self.with_token(), "KAFKA_SASL_OAUTH_TOKEN_URL": url}

    def with_token_properties(self, secret: str = CLIENT_SECRET, prefix: str = "") -> Environment:
        properties = {
            "method": "oidc",
            "token.endpoint.url": self.tokens.url,
            f"{prefix}client.id": self.tokens.CLIENT_ID,
            f"{prefix}client.secret": secret,
        }
        lines = [f"sasl.oauthbearer.{name}={value}" for name, value in properties.items()]
        return {
            **self.at("TOKENS"),
            "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
            "KAFKA_PROPERTIES": "\n".join([*lines, f"https.ca.location={self.ca}"]),
        }

    def secrets(self) -> Iterator[str]:
        """As they are, and as they go over the wire."""
        words = [*PASSWORDS.values(), WRONG, RENEWED, KEY_PASSWORD, CLIENT_SECRET]
        yield from words
        for word in words:
            for text in (f"\0{USER}\0{word}", f"{self.tokens.CLIENT_ID}:{word}"):
                yield base64.b64encode(text.encode()).decode()
        for key in self.keys:
            yield key.read_text().splitlines()[1]
        for token in self.tokens.issued:
            yield token.rpartition(".")[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    authority = Authority(directory / "ca")
    strangers = Authority(directory / "strangers", "strangers")
    tokens = TokenServer(directory, authority.issue("tokens", LOOPBACK), CLIENT_SECRET)
    broker = SecureBroker(directory / "kafka", authority, tokens, {USER: PASSWORDS[PLAIN]})
    with tokens.running():
        for started in running(broker):
            for mechanism in (SCRAM_256, SCRAM_512):
                started.set_password(USER, mechanism, PASSWORDS[mechanism])
            yield Site(started, authority, strangers, tokens)


@pytest.fixture
def broker(site: Site) -> Broker:
    """In place of the session's; the tests' own client comes by a listener without security."""
    return site.broker


@pytest.fixture
def variables(folder, group) -> Callable[..., Environment]:
    """variables(way in, topic, ..., NAME=value): all that an instance needs."""

    def tell(way: Environment, *topics: str, **more: str) -> Environment:
        return {
            **way,
            "KAFKA_CONSUMER_GROUP": group,
            "KAFKA_TOPICS": ",".join(topics),
            "HEALTH_MAX_WRITE_AGE_SECONDS": "1",
            **folder.environment(),
            **more,
        }

    return tell


@pytest.fixture(autouse=True)
def told(site: Site, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """told(text) keeps what was told elsewhere than in a log. In the end no secret is in any."""

    def keep(text: str) -> None:
        (tmp_path / f"told-{len(list(tmp_path.glob('told-*')))}.log").write_text(text)

    yield keep
    for path in tmp_path.rglob("*.log"):
        assert not secrets_in(path.read_text(errors="replace"), site), path


def secrets_in(text: str, site: Site) -> list[str]:
    return [secret for secret in site.secrets() if secret in text]


@pytest.fixture
def check(told) -> Callable[..., Finished]:
    def run(environment: Environment, *arguments: str) -> Finished:
        done = run_command("check", *arguments, environment={**KAFKA_TIMING, **environment})
        told(done.text)
        return done

    return run


def reasons(instance: Bronze) -> str:
    health = instance.health()
    return "\n".join(health.body["reasons"]) if health else ""


def wait_reason(instance: Bronze, text: str, timeout: float = 30) -> None:
    wait_until(lambda: text in reasons(instance), timeout, f"/health says {text!r}")


# --- ways in ----------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Site], Environment]] = {
    "sasl-plain": lambda site: site.with_password("SASL", PLAIN),
    "sasl-scram-256": lambda site: site.with_password("SASL", SCRAM_256),
    "sasl-scram-512": lambda site: site.with_password("SASL", SCRAM_512),
    "tls-plain": lambda site: site.with_password("SASLTLS", PLAIN),
    "tls-scram-256": lambda site: site.with_password("SASLTLS", SCRAM_256),
    "tls-scram-512": lambda site: site.with_password("SASLTLS", SCRAM_512),
    "certificate": lambda site: site.with_certificate(),
    "certificate-encrypted": lambda site: site.with_certificate(password=KEY_PASSWORD),
    "certificate-as-text": lambda site: site.with_pem_text(),
    "token": lambda site: site.with_token(),
}


@pytest.mark.parametrize("way", WAYS)
def test_records_land_once(site, topic, folder, group, variables, start, check, told, way):
    site.broker.produce(topic, json_values(100))
    environment = variables(WAYS[way](site), topic)
    instance = start(environment)

    instance.wait_written(100)
    told(instance.pages())
    done = check(environment)

    assert done.exit_code == 0, done.text
    instance.stop()
    assert_exactly_once(Table(folder, topic), site.broker, group)


def test_a_token_is_renewed_before_it_ends(
    site, topic, folder, group, variables, start, monkeypatch
):
    """Through two lifetimes; the broker cuts off whoever has none that holds.

    librdkafka logs in again when nine tenths of a token's time are over, and a broker refuses two
    such log-ins within a second, as there would be with tokens of less than 11 s.
    """
    before = len(site.tokens.issued)
    monkeypatch.setattr(site.tokens, "lifetime_s", 15)
    instance = start(variables(site.with_token(), topic))
    for count in (10, 20):
        site.broker.produce(topic, json_values(10))
        instance.wait_written(count)
        had = len(site.tokens.issued)
        wait_until(lambda had=had: len(site.tokens.issued) > had, 30, "a new token is fetched")
    time.sleep(5)  # The second token has ended.
    site.broker.produce(topic, json_values(10))
    instance.wait_written(30)
    assert not reasons(instance)
    instance.stop()
    assert len(site.tokens.issued) >= before + 3
    assert " warn " not in instance.log().lower()
    assert_exactly_once(Table(folder, topic), site.broker, group)


def test_the_scope_is_asked_for(site, topic, variables, check):
    assert check(variables(site.with_token(), topic)).exit_code == 0
    assert set(site.tokens.scopes) == {"kafka:read kafka:commit"}


# --- no way in --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    way: Callable[[Site], Environment]
    says: str
    advises: str
    exit_code: int = 1


REFUSALS = {
    "wrong password": Refusal(
        lambda site: site.with_password("SASL", PLAIN, WRONG),
        "Invalid username or password",
        "Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    ),
    "wrong password for scram": Refusal(
        lambda site: site.with_password("SASLTLS", SCRAM_512, WRONG),
        "invalid credentials",
        "Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD",
    ),
    "other mechanism": Refusal(
        lambda site: {**site.with_password("SASL", PLAIN), **site.at("TOKENS")},
        "supported mechanisms: OAUTHBEARER",
        "Set KAFKA_SASL_MECHANISM",
    ),
    "wrong CA": Refusal(
        lambda site: {
            **site.with_password("SASLTLS", PLAIN),
            "KAFKA_SSL_CA": str(site.strangers.pem),
        },
        "(CN=broker) is signed by CN=tests, a CA that is not trusted here",
        "Set KAFKA_SSL_CA",
    ),
    "expired certificate": Refusal(
        lambda site: site.at("EXPIRED"),
        "(CN=expired-broker) expired at 20",
        "Renew it on the broker",
    ),
    "certificate of another host": Refusal(
        lambda site: site.at("ELSEWHERE"),
        "(CN=other-broker) is not for this host, but for broker.example",
        "Name the broker as its certificate does, in KAFKA_BOOTSTRAP_SERVERS",
    ),
    "our certificate expired": Refusal(
        lambda site: site.with_certificate(days=-1),
        "our certificate (CN=alice) expired at 20",
        "Renew KAFKA_SSL_CERTIFICATE",
    ),
    "our certificate is a stranger's": Refusal(
        lambda site: site.with_certificate(site.strangers),
        "does not accept our certificate (CN=alice), which is signed by CN=strangers",
        "Set KAFKA_SSL_CERTIFICATE",
    ),
    "no certificate": Refusal(
        lambda site: site.at("MTLS"),
        "bad certificate",
        "The broker asks for a certificate: set KAFKA_SSL_CERTIFICATE and KAFKA_SSL_KEY",
    ),
    "unknown host": Refusal(
        lambda site: {**site.at("EXPIRED"), "KAFKA_BOOTSTRAP_SERVERS": "nowhere.invalid:9092"},
        "Failed to resolve 'nowhere.invalid:9092'",
        "Check the host in KAFKA_BOOTSTRAP_SERVERS",
        3,
    ),
    "no TLS": Refusal(
        lambda site: {**site.at("SASLTLS"), "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        "Disconnected",
        "Check that the brokers speak KAFKA_SECURITY_PROTOCOL=PLAINTEXT",
        3,
    ),
    "no login": Refusal(
        lambda site: {**site.at("SASL"), "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"},
        "Disconnected",
        "Check that the brokers speak KAFKA_SECURITY_PROTOCOL=PLAINTEXT",
        3,
    ),
    "wrong client secret": Refusal(
        lambda site: site.with_token(WRONG),
        "unknown client",
        "Check KAFKA_SASL_OAUTH_CLIENT_ID, KAFKA_SASL_OAUTH_CLIENT_SECRET",
    ),
    "mute server of the tokens": Refusal(
        lambda site: site.with_token_at("/mute"),
        "/mute: Empty reply from server",
        "Check KAFKA_SASL_OAUTH_TOKEN_URL, and that the server of the tokens runs",
        3,
    ),
    "wrong CA of the tokens": Refusal(
        lambda site: {
            **site.with_token(),
            "KAFKA_SASL_OAUTH_CA": str(site.strangers.pem),
        },
        "unable to get local issuer certificate",
        "Set KAFKA_SASL_OAUTH_CA",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_which(site, variables, start, check, told, refusal):
    environment = variables(refusal.way(site), "trips")
    instance = start(environment)

    # What cannot be reached takes all of it; a refusal is told at once.
    done = check(environment, "--timeout", "3" if refusal.exit_code == 3 else "20")

    assert done.exit_code == refusal.exit_code, done.text
    assert refusal.says in done.output and refusal.advises in done.output, done.text
    wait_reason(instance, refusal.says)
    wait_reason(instance, refusal.advises)
    told(instance.pages())
    warning = next(line for line in instance.log().splitlines() if refusal.says in line)
    assert refusal.advises in warning
    assert instance.running


def test_without_an_answer_the_server_of_the_tokens_is_named_too(site, variables, check):
    way = site.with_token_at("/busy")
    # librdkafka asks such a server for a minute before it says so.
    done = check(variables(way, "trips"), "--timeout", "3")

    assert done.exit_code == 3, done.text
    assert way["KAFKA_BOOTSTRAP_SERVERS"] in done.output
    assert f"server of the tokens runs at {way['KAFKA_SASL_OAUTH_TOKEN_URL']}" in done.output


def test_it_goes_on_waiting_and_says_so(site, variables, start):
    way = site.with_password("SASL", PLAIN, WRONG)
    instance = start(variables(way, "trips"))

    instance.wait_log(f"waiting for Kafka at {way['KAFKA_BOOTSTRAP_SERVERS']}: ")

    waiting = [line for line in instance.log().splitlines() if "waiting for Kafka at" in line]
    last = waiting[-1]
    assert "Invalid username or password" in last and "KAFKA_SASL_PASSWORD" in last


# --- renewed secrets --------------------------------------------------------------------------


def in_files(way: Environment, directory: Path, *names: str) -> tuple[Environment, dict[str, Path]]:
    """The same with these variables in files, and the files."""
    files = {name: directory / name for name in names}
    for name, path in files.items():
        path.write_text(way[name] + "\n")
    # An instance begins with some of them.
    empty = dict.fromkeys(files, "")
    return {**way, **empty, **{f"{name}_FILE": str(path) for name, path in files.items()}}, files


def test_a_password_that_was_changed_is_used_for_new_connections(
    site, topic, group, variables, start, tmp_path
):
    way, files = in_files(
        site.with_password("SASL", SCRAM_256),
        tmp_path,
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
    )
    site.broker.produce(topic, json_values(10))
    instance = start(variables(way, topic))
    instance.wait_written(10)

    site.broker.set_password(USER, SCRAM_256, RENEWED)
    files["KAFKA_SASL_PASSWORD"].write_text(RENEWED)
    site.broker.stop()
    site.broker.start()
    site.broker.produce(topic, json_values(10))

    instance.wait_written(20, timeout=60)
    site.broker.set_password(USER, SCRAM_256, PASSWORDS[SCRAM_256])


@dataclass(frozen=True)
class Mending:
    """A way in that is refused until what a file holds is mended."""

    way: Callable[[Site], Environment]
    names: tuple[str, ...]
    refused: str
    mended: Callable[[Site], Environment]


MENDINGS = {
    "password": Mending(
        lambda site: site.with_password("SASLTLS", PLAIN, WRONG),
        ("KAFKA_SASL_PASSWORD",),
        "Invalid username or password",
        lambda site: site.with_password("SASLTLS", PLAIN),
    ),
    "client secret": Mending(
        lambda site: site.with_token(WRONG),
        ("KAFKA_SASL_OAUTH_CLIENT_SECRET",),
        "unknown client",
        lambda site: site.with_token(),
    ),
    "client id": Mending(
        lambda site: {**site.with_token(), "KAFKA_SASL_OAUTH_CLIENT_ID": "stranger"},
        ("KAFKA_SASL_OAUTH_CLIENT_ID",),
        "unknown client",
        lambda site: site.with_token(),
    ),
    "CA of the tokens": Mending(
        lambda site: site.with_a_strange_ca_of_tokens(),
        (),
        "unable to get local issuer certificate",
        lambda site: site.with_token(),
    ),
    "client secret among the properties": Mending(
        lambda site: site.with_token_properties(WRONG),
        ("KAFKA_PROPERTIES",),
        "unknown client",
        lambda site: site.with_token_properties(),
    ),
    "client secret by its other name": Mending(
        lambda site: site.with_token_properties(WRONG, "client.credentials."),
        ("KAFKA_PROPERTIES",),
        "unknown client",
        lambda site: site.with_token_properties(prefix="client.credentials."),
    ),
    "certificate": Mending(
        lambda site: site.with_certificate(days=-1, password=WRONG),
        ("KAFKA_SSL_KEY_PASSWORD",),
        "our certificate (CN=alice) expired",
        lambda site: site.with_certificate(password=KEY_PASSWORD),
    ),
    "key in a file": Mending(
        lambda site: site.with_key_text(days=-1),
        ("KAFKA_SSL_KEY",),
        "our certificate (CN=alice) expired",
        lambda site: site.with_key_text(),
    ),
}


@pytest.mark.parametrize("mending", MENDINGS.values(), ids=MENDINGS)
def test_what_is_mended_in_a_file_needs_no_restart(
    site, topic, variables, start, tmp_path, mending
):
    site.broker.produce(topic, json_values(10))
    way, files = in_files(mending.way(site), tmp_path, *mending.names)
    instance = start(variables(way, topic))
    instance.wait_log(mending.refused)

    mended = mending.mended(site)
    for name, path in files.items():
        path.write_text(mended[name])
    for name in ("KAFKA_SSL_CERTIFICATE", "KAFKA_SSL_KEY", "KAFKA_SASL_OAUTH_CA"):
        if name not in files and way.get(name) != mended.get(name):
            Path(way[name]).write_bytes(Path(mended[name]).read_bytes())

    instance.wait_written(10, timeout=60)
    wait_until(lambda: not reasons(instance), 10, "/health has no reasons left")


# --- rights -----------------------------------------------------------------------------------


def test_a_denied_topic_stops_only_its_lane(site, new_topic, variables, start, check):
    free, unreadable, hidden = new_topic(), new_topic(), new_topic()
    site.broker.restrict(USER, ResourceType.TOPIC, unreadable, AclOperation.DESCRIBE)
    site.broker.restrict(USER, ResourceType.TOPIC, hidden)
    for topic in (free, unreadable, hidden):
        site.broker.produce(topic, json_values(20))
    environment = variables(site.with_password("SASL", PLAIN), free, unreadable, hidden)
    # How soon it is seen that a topic may be looked at.
    soon = f"{KAFKA_TIMING['KAFKA_PROPERTIES']};topic.metadata.refresh.interval.ms=1000"
    instance = start({**environment, "KAFKA_PROPERTIES": soon})

    instance.wait_written(20)
    for topic in (unreadable, hidden):
        instance.wait_log(f"{topic}: ")
        wait_reason(instance, f"topic {topic} is not copied: TOPIC_AUTHORIZATION_FAILED")
    assert f"topic {free}" not in reasons(instance)
    assert "Grant this user READ and DESCRIBE on the topic" in reasons(instance)
    assert check(environment).output.count("Grant this user READ and DESCRIBE on the topic") == 2

    for topic in (unreadable, hidden):
        site.broker.allow_all(ResourceType.TOPIC, topic)

    instance.wait_written(60, timeout=60)
    wait_until(lambda: not reasons(instance), 20, "/health has no reasons left")
    instance.stop()


@pytest.mark.parametrize("left", [[AclOperation.DESCRIBE], []], ids=["may look", "nothing"])
def test_an_idle_topic_that_was_denied_for_a_while_is_well_again(
    site, new_topic, folder, group, variables, start, left
):
    """Nothing new in it tells that it may be read."""
    free, idle = new_topic(), new_topic()
    for topic in (free, idle):
        site.broker.produce(topic, json_values(20))
    instance = start(variables(site.with_password("SASL", PLAIN), free, idle))
    instance.wait_written(40)
    site.broker.wait_caught_up(group, free, idle)
    site.broker.restrict(USER, ResourceType.TOPIC, idle, *left)
    wait_reason(instance, f"topic {idle} is not copied: TOPIC_AUTHORIZATION_FAILED", 60)

    site.broker.allow_all(ResourceType.TOPIC, idle)

    wait_until(lambda: not reasons(instance), 60, "/health has no reasons left")
    site.broker.produce(idle, json_values(20))
    site.broker.wait_caught_up(group, idle)
    instance.stop()
    assert "was not read" not in instance.log()
    assert_exactly_once(Table(folder, idle), site.broker, group)


def test_a_denied_topic_ends_a_single_run_with_a_failure(site, new_topic, variables, start):
    free, unreadable = new_topic(), new_topic()
    site.broker.restrict(USER, ResourceType.TOPIC, unreadable, AclOperation.DESCRIBE)
    for topic in (free, unreadable):
        site.broker.produce(topic, json_values(20))
    way = site.with_password("SASL", PLAIN)

    instance = start(variables(way, free, unreadable), "run", "--once")

    assert instance.wait_exit(60) == 1
    assert f"{free}: 20 rows" in instance.log()


def test_a_denied_group_is_named_and_joined_once_it_is_allowed(
    site, topic, group, variables, start
):
    site.broker.produce(topic, json_values(20))
    site.broker.restrict(USER, ResourceType.GROUP, group)
    instance = start(variables(site.with_password("SASL", PLAIN), topic))

    wait_reason(instance, f"Grant this user READ on the consumer group {group}")
    instance.wait_log("waiting: GROUP_AUTHORIZATION_FAILED: ")
    site.broker.allow_all(ResourceType.GROUP, group)

    instance.wait_written(20, timeout=60)
    wait_until(lambda: not reasons(instance), 20, "/health has no reasons left")


# --- secrets ----------------------------------------------------------------------------------


def test_a_secret_would_be_found(site):
    basic = base64.b64encode(f"{site.tokens.CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    for secret in (PASSWORDS[PLAIN], basic):
        assert secrets_in(f"before {secret} after", site)


@pytest.mark.parametrize("way", ["tls-scram-512", "certificate-as-text", "token"])
def test_no_secret_is_told_by_the_most_talkative_log(
    site, topic, variables, start, check, told, way
):
    environment = variables(WAYS[way](site), topic, LOG_LEVEL="trace")
    environment["KAFKA_PROPERTIES"] = f"{KAFKA_TIMING['KAFKA_PROPERTIES']};debug=all"
    site.broker.produce(topic, json_values(10))
    instance = start(environment)

    instance.wait_written(10)
    told(instance.pages())
    told(check(environment, "--json").text)
    instance.stop()

    assert "***" in instance.log()
    assert "librdkafka" in instance.log()


def test_settings_that_do_not_fit_are_named_all_at_once(site, variables, check):
    way = site.with_certificate(password=KEY_PASSWORD)
    done = check(
        variables(
            {
                **way,
                "KAFKA_SSL_KEY_PASSWORD": WRONG,
                "KAFKA_SSL_CA": "/nowhere.pem",
                "KAFKA_PROPERTIES": "ssl.key.password=" + WRONG,
                "KAFKA_SASL_PASSWORD_FILE": WRONG,
            },
            "trips",
        ),
        "--json",
    )

    assert done.exit_code == 2
    named = {error["name"] for error in json.loads(done.output)["configuration"]["errors"]}
    assert named == {
        *("KAFKA_SSL_KEY_PASSWORD", "KAFKA_SSL_CA"),
        *("KAFKA_PROPERTIES", "KAFKA_SASL_PASSWORD_FILE"),
    }
