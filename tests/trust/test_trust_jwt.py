"""Rows 22 and 23: nobody gets in with a token of his own, and no token makes the server ask anybody."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import socket
import ssl
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from trust_tokens import attacks, odd_keys, signed

from asgi_asking import Behind, ask
from fake_issuer import AUDIENCE, Issuer, issuing
from zaxy.config import Settings, load_settings
from zaxy.errors import InvalidInputError
from zaxy.interfaces.http.authentication import Authentication, check_exposure
from zaxy.interfaces.http.oidc import TokenVerifier
from zaxy.interfaces.http.oidc_fetch import FetchError, fetch_document
from zaxy.interfaces.http.oidc_keys import IssuerKeys
from zaxy.interfaces.http.production import load_for_serving
from zaxy.serving_settings import ServingSettings

if TYPE_CHECKING:
    from trust_scale import Figure

KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519")


@dataclass
class Network:
    """What this process asked of the network: every connection it began, and every name it looked up."""

    is_watching: bool = False
    connects: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Be told of it by the interpreter."""
        if self.is_watching and event == "socket.connect":
            self.connects.append(arguments[1])
        elif self.is_watching and event == "socket.getaddrinfo":
            self.names.append(str(arguments[0]))

    @contextlib.contextmanager
    def watched(self) -> Iterator[Network]:
        """Watch it for the length of a ``with`` block."""
        self.connects, self.names, self.is_watching = [], [], True
        try:
            yield self
        finally:
            self.is_watching = False

    def strangers(self, *pinned: Issuer) -> list[Any]:
        """Return the connections to any other place than these."""
        known = {("127.0.0.1", urlsplit(issuer.url).port) for issuer in pinned}
        return [place for place in self.connects if tuple(place[:2]) not in known]


NETWORK = Network()
sys.addaudithook(NETWORK.hear)  # it stays as long as the process does, and hears nothing unless it is told to watch


def bearer(token: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")]


def server(serving: ServingSettings) -> tuple[Authentication, Behind]:
    """Return a server that counts no failures: each attack is judged for itself."""
    inner, moment = Behind(), [0.0]

    def now() -> float:
        moment[0] += 1_000.0
        return moment[0]

    return Authentication(inner, Settings(serving=serving), now=now), inner


@pytest.mark.row(23)
async def test_no_attack_on_a_token_gets_in_and_none_makes_the_server_ask_a_stranger(figure: Figure) -> None:
    with issuing(*KINDS) as issuer, issuing("RSA") as stranger:
        issuer.publish(*[key.published() for key in issuer.keys.values()], *odd_keys(issuer))
        app, inner = server(issuer.serving())
        good = [issuer.token(key_id) for key_id in ("rsa", "p-256", "p-384", "p-521", "ed25519", "rs256-only")]
        good += [signed(issuer, {}), signed(issuer, {}, key_id="p-256"), signed(issuer, {"typ": "at+jwt"})]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)  # a short key is one of the attacks
            made = [(name, make(issuer)) for name, make in attacks(stranger.url)]
        with NETWORK.watched() as network:
            assert [(await ask(app, headers=bearer(token))).status for token in good] == [200] * 9
            statuses = {name: (await ask(app, headers=bearer(token))).status for name, token in made}
            assert [(await ask(app, headers=bearer(issuer.token(jti="after")))).status] == [200]
    assert len(statuses) == len(made), "two attacks have one name"
    assert {name: status for name, status in statuses.items() if status != 401} == {}
    assert len(inner.callers) == 10
    assert network.connects
    assert (network.strangers(issuer), stranger.asked) == ([], [])
    assert set(network.names) == {"127.0.0.1"}
    figure(
        f"{len(made)} attacks on tokens, {len(made)} answered 401; {len(network.connects)} connections, all of them to "
        f"the issuer, 0 to anybody else: {', '.join(statuses)}"
    )


REFUSED_URLS = (
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "ftp://127.0.0.1/keys",
    "data:application/json,{}",
    "gopher://127.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://login.example/keys",
    "http://10.0.0.1/keys",
    "//127.0.0.1/keys",
    "127.0.0.1/keys",
    "https://",
    "https:///keys",
    "https://user:word@login.example/keys",
    "https://login.example:99999/keys",
    "https://[::1/keys",
    "https://login.example/ke ys",
    "jar:https://login.example!/keys",
    "https://login.example%00.evil.example/",
    "https://\u2488.0.0.1/",
    "https://login.example/\r\nHost: evil.example",
)
PRIVATE_URLS = (
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://[fd00:ec2::254]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://[::]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
)
LOOPBACK_URLS = (
    "https://127.0.0.1/",
    "https://127.1/",
    "https://[::1]/",
    "https://localhost/",
    "https://[::ffff:127.0.0.1]/",
)


@pytest.mark.row(23)
async def test_keys_are_asked_for_at_public_addresses_over_tls_only(figure: Figure, tmp_path: Path) -> None:
    for url in REFUSED_URLS:
        for allowed in ("false", "true"):
            told = {"MCP_OIDC_ISSUER": "https://login.example", "MCP_OIDC_AUDIENCE": AUDIENCE, "MCP_OIDC_JWKS_URL": url}
            with pytest.raises(InvalidInputError, match="MCP_OIDC_JWKS_URL"):
                load_settings(environment={**told, "MCP_OIDC_JWKS_ALLOW_LOOPBACK": allowed}, folder=tmp_path)
    with issuing("RSA") as issuer, NETWORK.watched() as network:
        for url in (*REFUSED_URLS, *PRIVATE_URLS, *LOOPBACK_URLS):
            app, inner = server(issuer.serving(oidc_jwks_url=url, oidc_jwks_allow_loopback=False))
            assert (await ask(app, headers=bearer(issuer.token()))).status == 401, url
            assert inner.callers == []
        for url in (*REFUSED_URLS, *PRIVATE_URLS):
            with pytest.raises(FetchError):
                await fetch_document(url, allow_loopback=True)
    assert (network.connects, issuer.asked) == ([], [])
    figure(
        f"{len(REFUSED_URLS)} addresses of keys refused at the start, {len(PRIVATE_URLS) + len(LOOPBACK_URLS)} when "
        "they were to be asked, each token then 401; 0 connections"
    )


@pytest.mark.row(23)
async def test_an_issuer_that_points_elsewhere_is_not_followed(figure: Figure) -> None:
    with issuing("RSA") as issuer, issuing("RSA") as stranger:
        stranger.keys["rsa"] = issuer.keys["rsa"]
        elsewhere = [f"{stranger.url}/keys", "http://169.254.169.254/", "file:///etc/passwd", "//127.0.0.1/", "/keys"]
        documents = [json.dumps({"issuer": issuer.url, "jwks_uri": url}).encode() for url in elsewhere[1:]]
        tried = 0
        with NETWORK.watched() as network:
            for status in (301, 302, 303, 307, 308):
                for url in elsewhere:
                    issuer.replies["/keys"] = (status, {"Location": url}, b"")
                    app, inner = server(issuer.serving())
                    assert (await ask(app, headers=bearer(issuer.token()))).status == 401
                    tried += 1
            for document in documents:
                issuer.replies["/.well-known/openid-configuration"] = (200, {}, document)
                app, inner = server(issuer.serving())
                assert (await ask(app, headers=bearer(issuer.token()))).status == 401
                tried += 1
    assert inner.callers == []
    assert (network.strangers(issuer), stranger.asked) == ([], [])
    figure(f"{tried} redirects and discovery documents that lead elsewhere, each token then 401; 0 of them followed")


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """Return what serves TLS under a name, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "trusted.pem", folder / "private.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


@pytest.mark.row(23)
async def test_a_name_that_comes_to_mean_another_address_leads_nowhere_else(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = certificate(tmp_path, "issuer.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.9:9")
    real, answers = socket.getaddrinfo, ["127.0.0.1", "169.254.169.254", "127.0.0.2"]
    looked_up: list[str] = []

    def changing(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host in ("issuer.test", "other.test"):
            looked_up.append(host)
            host = answers[(len(looked_up) - 1) % 3] if host == "issuer.test" else "127.0.0.1"
        return real(host, port, *arguments, **options)

    monkeypatch.setattr(
        socket, "getaddrinfo", changing
    )  # the one thing here that no test can run for real: a name server
    with issuing("RSA", context=context, name="issuer.test") as issuer, NETWORK.watched() as network:
        first = await fetch_document(f"{issuer.url}/keys", allow_loopback=True)
        with pytest.raises(FetchError, match=r"169\.254"):
            await fetch_document(f"{issuer.url}/keys", allow_loopback=True)
        with pytest.raises(FetchError, match="cannot be reached"):
            await fetch_document(f"{issuer.url}/keys", allow_loopback=True)
        with pytest.raises(FetchError, match="not public"):
            await fetch_document(f"{issuer.url}/keys", allow_loopback=False)
        with pytest.raises(FetchError, match="cannot be reached"):  # a certificate for another name
            await fetch_document(f"{issuer.url.replace('issuer', 'other')}/keys", allow_loopback=True)
    port = urlsplit(issuer.url).port
    assert [key["kid"] for key in first["keys"]] == ["rsa"]
    assert looked_up == ["issuer.test"] * 4 + ["other.test"]
    assert [tuple(place[:2]) for place in network.connects] == [
        ("127.0.0.1", port),
        ("127.0.0.2", port),
        ("127.0.0.1", port),
    ]
    assert issuer.asked == ["/keys"]
    figure("a name that means another address each time: looked up once a fetch, each connection to what was looked at")


@pytest.mark.row(23)
async def test_a_flood_of_made_up_keys_makes_one_request_to_the_issuer(figure: Figure) -> None:
    with issuing("RSA") as issuer:
        serving = issuer.serving(oidc_jwks_url=f"{issuer.url}/keys")
        verifier = TokenVerifier(serving, IssuerKeys(serving))
        app = Authentication(Behind(), Settings(serving=serving), verifier=verifier)
        private = issuer.keys["rsa"].private
        tokens = [jwt.encode(issuer.claims(), private, "RS256", headers={"kid": f"k{number}"}) for number in range(300)]
        told = await asyncio.gather(*(ask(app, headers=bearer(token)) for token in tokens))
    assert {answer.status for answer in told} == {401, 429}
    assert issuer.asked == ["/keys"]
    figure("300 tokens that name 300 unknown keys at once: 1 request to the issuer")


@pytest.mark.row(22)
def test_a_server_that_others_can_reach_does_not_start_without_credentials(figure: Figure, tmp_path: Path) -> None:
    hosts = [
        "0.0.0.0",
        "::",
        "",
        "192.168.1.7",
        "8.8.8.8",
        "fe80::1",
        "::ffff:10.0.0.1",
        "/run/zaxy.sock",
        "no.such.invalid",
    ]
    hosts.append(socket.gethostname())  # a name of this machine is not only this machine unless all it means is
    told = {"": {}, "production": {"ZAXY_ENV": "production", "MCP_ADMIN_TOKEN": "a81706f5e4d3c2b1a50648d2eb7c1a9f"}}
    refused = 0
    own = {str(entry[4][0]) for entry in socket.getaddrinfo(hosts[-1], None)}
    for host in hosts if not all(address.startswith("127.") or address == "::1" for address in own) else hosts[:-1]:
        for environment in told.values():
            with pytest.raises(InvalidInputError, match="credentials"):
                load_for_serving(host=host, environment=environment, folder=tmp_path)
            refused += 1
    for host in ("127.0.0.1", "::1", "localhost"):
        check_exposure(host, ServingSettings())
    figure(f"{refused} starts on addresses that others reach, without credentials: {refused} refused")
