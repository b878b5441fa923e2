"""An issuer of signed tokens on this machine: real keys, a real server, and whatever else a test wants it to answer."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from zaxy.serving_settings import ServingSettings

AUDIENCE = "https://memory.example/mcp"
Reply = tuple[int, dict[str, str], bytes]

_KINDS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(65_537, 2_048),
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
_ALGORITHMS = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}


@dataclass
class Key:
    """A private key with its name."""

    key_id: str
    kind: str
    private: Any

    @classmethod
    def make(cls, key_id: str, kind: str = "RSA") -> Key:
        """Make a key."""
        return cls(key_id, kind, _KINDS[kind]())

    @property
    def algorithm(self) -> str:
        """What it signs with when nothing else is said."""
        return _ALGORITHMS[self.kind]

    def published(self, **changes: Any) -> dict[str, Any]:
        """Return its public part as a JSON Web Key; a change to None leaves a member out."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        told = {**algorithm.to_jwk(self.private.public_key(), as_dict=True), "kid": self.key_id, "use": "sig"}
        told.pop("key_ops", None)
        return {name: value for name, value in {**told, **changes}.items() if value is not None}


@dataclass
class Issuer:
    """Makes tokens and publishes its keys.

    Attributes:
        url: Where it is.
        keys: Its keys by name.
        replies: What is answered at a path instead.
        asked: Which paths were asked for.
        hold: As long as it is not set, nothing is answered.
    """

    url: str = ""
    keys: dict[str, Key] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    def reply(self, path: str) -> Reply:
        """Return what is answered at a path."""
        self.asked.append(path)
        if path in self.replies:
            return self.replies[path]
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [key.published() for key in self.keys.values()]},
        }
        return (200, {}, json.dumps(documents[path]).encode()) if path in documents else (404, {}, b"{}")

    def publish(self, *keys: dict[str, Any]) -> None:
        """Answer with these keys."""
        self.replies["/keys"] = (200, {}, json.dumps({"keys": keys}).encode())

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token; a change to None leaves one out."""
        now = int(time.time())
        told: dict[str, Any] = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "alice",
            "iat": now,
            "exp": now + 600,
            "scope": "openid zaxy:mcp",
            "zaxy_session": "alice-work",
        }
        return {name: value for name, value in {**told, **changes}.items() if value is not None}

    def token(self, key_id: str = "rsa", **changes: Any) -> str:
        """Return a good token, but for some claims."""
        key = self.keys[key_id]
        return jwt.encode(self.claims(**changes), key.private, key.algorithm, headers={"kid": key_id})

    def serving(self, **changes: Any) -> ServingSettings:
        """Return the settings of a server that takes its tokens."""
        told: dict[str, Any] = {"oidc_issuer": self.url, "oidc_audience": AUDIENCE, "oidc_jwks_allow_loopback": True}
        return ServingSettings(**{**told, **changes})


@contextlib.contextmanager
def issuing(*kinds: str, context: ssl.SSLContext | None = None, name: str = "127.0.0.1") -> Iterator[Issuer]:
    """Give an issuer on a port of its own, with a key of each kind, ``rsa`` for RSA and so on."""
    issuer = Issuer(keys={kind.lower(): Key.make(kind.lower(), kind) for kind in kinds or ("RSA",)})
    issuer.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, data = issuer.reply(self.path)
            issuer.hold.wait(30)
            with contextlib.suppress(OSError):  # the client did not wait
                self.send_response(status)
                for header, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        listening.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that refuses a certificate
        if context is not None:
            listening.socket = context.wrap_socket(listening.socket, server_side=True)
        issuer.url = f"{'http' if context is None else 'https'}://{name}:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            issuer.hold.set()
            listening.shutdown()
            thread.join()
