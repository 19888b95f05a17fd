"""A broker that asks its clients who they are, each listener in a way of its own."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from .certificates import Authority
from .kafka import Broker
from .processes import free_port
from .tokens import TokenServer

SCRAM = {
    "SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256,
    "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512,
}

LOOPBACK = "DNS:localhost,IP:127.0.0.1"

# By name: the protocol that each speaks.
LISTENERS = {
    "SASL": "SASL_PLAINTEXT",
    "SASLTLS": "SASL_SSL",
    "MTLS": "SSL",
    "EXPIRED": "SSL",
    "ELSEWHERE": "SSL",
    "TOKENS": "SASL_SSL",
}

# The tests' own client comes by PLAINTEXT and may do everything.
PROPERTIES = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
ssl.keystore.type=PEM
ssl.truststore.type=PEM
listener.name.mtls.ssl.client.auth=required
# Busy machines are late with heartbeats.
broker.session.timeout.ms=9000
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasltls.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.tokens.sasl.enabled.mechanisms=OAUTHBEARER
# Whose token has ended is cut off.
listener.name.tokens.oauthbearer.connections.max.reauth.ms=3600000
"""

LOGIN = "org.apache.kafka.common.security"
OAUTH = "listener.name.tokens.oauthbearer"


class SecureBroker(Broker):
    """Passwords for PLAIN are fixed; those for SCRAM are set while it runs."""

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        tokens: TokenServer,
        plain_passwords: dict[str, str],
    ) -> None:
        super().__init__(directory)
        self._ports = {name: free_port() for name in LISTENERS}
        lines = [
            *self._listeners(),
            *self._certificates(authority, directory),
            *self._logins(plain_passwords),
            *self._token_checks(tokens),
        ]
        with self._properties.open("a") as properties:
            properties.write(PROPERTIES + "\n".join(lines) + "\n")

    def address(self, listener: str) -> str:
        return f"localhost:{self._ports[listener]}"

    def set_password(self, user: str, mechanism: str, password: str) -> None:
        info = ScramCredentialInfo(SCRAM[mechanism], 4096)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self.admin.alter_user_scram_credentials([change])[user].result(15)

    def restrict(self, user: str, kind: ResourceType, name: str, *rights: AclOperation) -> None:
        """What has a rule is forbidden to all but for the rights that a rule grants."""
        for right in rights or (AclOperation.ALTER,):
            rule = (kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", right)
            binding = AclBinding(*rule, AclPermissionType.ALLOW)
            (answer,) = self.admin.create_acls([binding]).values()
            answer.result(15)

    def allow_all(self, kind: ResourceType, name: str) -> None:
        """Takes every rule about it away."""
        rule = (kind, name, ResourcePatternType.LITERAL, None, None, AclOperation.ANY)
        (answer,) = self.admin.delete_acls(
            [AclBindingFilter(*rule, AclPermissionType.ANY)]
        ).values()
        answer.result(15)

    def _listeners(self) -> list[str]:
        own = [f"PLAINTEXT://127.0.0.1:{self.port}"]
        own += [f"{name}://localhost:{port}" for name, port in self._ports.items()]
        protocols = [f"{name}:{protocol}" for name, protocol in LISTENERS.items()]
        controller = f"CONTROLLER://127.0.0.1:{self.controller_port}"
        return [
            f"listeners={','.join([*own, controller])}",
            f"advertised.listeners={','.join(own)}",
            "listener.security.protocol.map="
            + ",".join(["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *protocols]),
        ]

    @staticmethod
    def _certificates(authority: Authority, directory: Path) -> list[str]:
        shown = {
            "": ("broker", LOOPBACK, 2),
            "listener.name.expired.": ("expired-broker", LOOPBACK, -1),
            "listener.name.elsewhere.": ("other-broker", "DNS:broker.example", 2),
        }
        lines = [f"ssl.truststore.location={authority.pem}"]
        for prefix, (name, hosts, days) in shown.items():
            certificate = authority.issue(name, hosts, days, common_name=name)
            keystore = directory / f"{name}.pem"
            keystore.write_bytes(certificate.key.read_bytes() + certificate.pem.read_bytes())
            lines += [
                f"{prefix}ssl.keystore.type=PEM",
                f"{prefix}ssl.keystore.location={keystore}",
            ]
        return lines

    @staticmethod
    def _logins(plain_passwords: dict[str, str]) -> list[str]:
        users = " ".join(f'user_{name}="{word}"' for name, word in plain_passwords.items())
        lines = []
        for listener in ("sasl", "sasltls"):
            prefix = f"listener.name.{listener}"
            lines.append(
                f"{prefix}.plain.sasl.jaas.config={LOGIN}.plain.PlainLoginModule required {users};"
            )
            lines += [
                f"{prefix}.{mechanism.lower()}.sasl.jaas.config="
                f"{LOGIN}.scram.ScramLoginModule required;"
                for mechanism in SCRAM
            ]
        return lines

    @staticmethod
    def _token_checks(tokens: TokenServer) -> list[str]:
        package = f"{LOGIN}.oauthbearer"
        return [
            f"{OAUTH}.sasl.jaas.config={package}.OAuthBearerLoginModule required;",
            f"{OAUTH}.sasl.server.callback.handler.class="
            f"{package}.OAuthBearerValidatorCallbackHandler",
            f"{OAUTH}.sasl.oauthbearer.jwks.endpoint.url={tokens.keys_url}",
            f"{OAUTH}.sasl.oauthbearer.expected.audience={tokens.AUDIENCE}",
        ]
