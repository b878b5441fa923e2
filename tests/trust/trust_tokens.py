"""Attacks on signed tokens, each with a name: what somebody without the issuer's keys can make of a good token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fake_issuer import Issuer, Key

Attack = tuple[str, Callable[[Issuer], str]]

_ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def part(value: Any) -> str:
    """Return bytes, or a value as JSON, in base64url without padding."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def put_together(header: Any, claims: Any, signature: bytes = b"") -> str:
    """Return a token of any parts."""
    return f"{part(header)}.{part(claims)}.{part(signature)}"


def signed_by_hand(header: dict[str, Any], claims: Any, secret: bytes, name: str = "sha256") -> str:
    """Return a token signed with a secret that was no secret."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(hmac.new(secret, text.encode(), getattr(hashlib, name)).digest())}"


def signed(issuer: Issuer, header: dict[str, Any], claims: Any = None, key_id: str = "rsa") -> str:
    """Return a token with this header, signed by the issuer's key: only the header is wrong."""
    key = issuer.keys[key_id]
    algorithm = jwt.get_algorithm_by_name(key.algorithm)
    text = f"{part({'alg': key.algorithm, 'kid': key_id, **header})}.{part(claims or issuer.claims())}"
    return f"{text}.{part(algorithm.sign(text.encode(), key.private))}"


def attacks(stranger_url: str) -> Iterator[Attack]:
    """Yield every attack.

    Args:
        stranger_url: Where the attacker serves keys of his own.
    """
    yield from _without_a_signature()
    yield from _with_the_public_key_as_a_secret()
    yield from _with_other_keys(stranger_url)
    yield from _with_other_claims()
    yield from _with_other_headers()
    yield from _that_are_no_tokens()


def _without_a_signature() -> Iterator[Attack]:
    for name in ("none", "None", "NONE", "nOnE", ""):
        yield f"alg {name!r}", lambda issuer, name=name: put_together({"alg": name, "kid": "rsa"}, issuer.claims())
        yield (
            f"alg {name!r} over a real signature",
            lambda issuer, name=name: put_together({"alg": name, "kid": "rsa"}, issuer.claims(), _signature(issuer)),
        )
    yield "no alg", lambda issuer: put_together({"kid": "rsa"}, issuer.claims(), _signature(issuer))
    yield "signature left out", lambda issuer: issuer.token().rpartition(".")[0] + "."
    yield "signature of another token", lambda issuer: f"{issuer.token(sub='eve').rpartition('.')[0]}.{_end(issuer)}"
    yield "zero signature of ES256", lambda issuer: put_together(_es256(), issuer.claims(), bytes(64))
    yield (
        "signature of ES256 with r and s of the order",
        lambda issuer: put_together(_es256(), issuer.claims(), 2 * _ORDER_OF_P256.to_bytes(32, "big")),
    )
    yield (
        "signature of ES256 in DER",
        lambda issuer: put_together(_es256(), issuer.claims(), b"0\x06\x02\x01\x01\x02\x01\x01"),
    )
    yield "one bit of the signature turned", lambda issuer: _turned(issuer.token())


def _es256() -> dict[str, str]:
    return {"alg": "ES256", "kid": "p-256"}


def _signature(issuer: Issuer) -> bytes:
    end = _end(issuer)
    return base64.urlsafe_b64decode(end + "=" * (-len(end) % 4))


def _end(issuer: Issuer) -> str:
    return issuer.token().rpartition(".")[2]


def _turned(token: str) -> str:
    text, _, end = token.rpartition(".")
    data = bytearray(base64.urlsafe_b64decode(end + "=" * (-len(end) % 4)))
    data[0] ^= 1
    return f"{text}.{part(bytes(data))}"


def _with_the_public_key_as_a_secret() -> Iterator[Attack]:
    def secrets(issuer: Issuer, key_id: str) -> dict[str, bytes]:
        public = issuer.keys[key_id].private.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return {
            "PEM": public.public_bytes(serialization.Encoding.PEM, form),
            "PEM without its last newline": public.public_bytes(serialization.Encoding.PEM, form).rstrip(),
            "DER": public.public_bytes(serialization.Encoding.DER, form),
            "JWK": json.dumps(issuer.keys[key_id].published()).encode(),
            "nothing": b"",
        }

    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        for key_id in ("rsa", "p-256", "ed25519"):
            for form in ("PEM", "PEM without its last newline", "DER", "JWK", "nothing"):

                def made(
                    issuer: Issuer,
                    algorithm: str = algorithm,
                    digest: str = digest,
                    key_id: str = key_id,
                    form: str = form,
                ) -> str:
                    header = {"alg": algorithm, "kid": key_id}
                    return signed_by_hand(header, issuer.claims(), secrets(issuer, key_id)[form], digest)

                yield f"{algorithm} with {form} of {key_id}", made


def _with_other_keys(stranger_url: str) -> Iterator[Attack]:
    own, own_curve = Key.make("own"), Key.make("own", "P-256")

    def by(key: Key, issuer: Issuer, **header: Any) -> str:
        return jwt.encode(issuer.claims(), key.private, key.algorithm, headers=header)

    yield "own key under the issuer's name", lambda issuer: by(own, issuer, kid="rsa")
    yield "own key under its own name", lambda issuer: by(own, issuer, kid="own")
    yield "own key without a name", lambda issuer: by(own, issuer)
    yield "own curve under the name of the RSA key", lambda issuer: by(own_curve, issuer, kid="rsa")
    yield "RSA key under the name of the curve", lambda issuer: by(own, issuer, kid="p-256")
    yield "jwk in the header", lambda issuer: by(own, issuer, kid="own", jwk=own.published())
    yield (
        "jwk in the header under the issuer's name",
        lambda issuer: by(own, issuer, kid="rsa", jwk=own.published(kid="rsa")),
    )
    for name in ("jku", "x5u"):
        yield (
            f"{name} of the attacker",
            lambda issuer, name=name: by(own, issuer, kid="own", **{name: f"{stranger_url}/keys"}),
        )
        yield f"{name} of a file", lambda issuer, name=name: by(own, issuer, kid="own", **{name: "file:///etc/passwd"})
        yield (
            f"{name} of the cloud's metadata",
            lambda issuer, name=name: by(own, issuer, kid="own", **{name: "http://169.254.169.254/latest/meta-data"}),
        )
        yield (
            f"{name} behind the issuer's name",
            lambda issuer, name=name: by(own, issuer, kid="own", **{name: f"{issuer.url}@{stranger_url[7:]}/keys"}),
        )
        yield (
            f"{name} beside a good signature",
            lambda issuer, name=name: signed(issuer, {name: f"{stranger_url}/keys"}),
        )
    yield "x5c in the header", lambda issuer: by(own, issuer, kid="rsa", x5c=["MIIB"])
    for key_id in (
        "../../../../etc/passwd",
        "/dev/null",
        "file:///dev/null",
        f"{stranger_url}/keys",
        "http://169.254.169.254/",
        "rsa' OR '1'='1",
        "rsa\x00",
        "RSA",
        " rsa",
        "rsa, own",
        "$(id)",
        "x" * 4_000,
        "\u202ersa",
        "",
    ):
        yield f"kid {key_id[:40]!r}", lambda issuer, key_id=key_id: by(own, issuer, kid=key_id)
    for key_id in (7, None, ["rsa"], {"rsa": 1}, True):
        yield (
            f"kid {key_id!r}",
            lambda issuer, key_id=key_id: signed(issuer, {"kid": key_id, "alg": "RS256"}, key_id="rsa"),
        )
    yield "a key for encryption", lambda issuer: issuer.token("for-encryption")
    yield "a key of 1,024 bits", lambda issuer: issuer.token("short")
    yield "a key that was published with its private part", lambda issuer: issuer.token("told")
    yield (
        "a secret that was published",
        lambda issuer: signed_by_hand({"alg": "HS256", "kid": "oct"}, issuer.claims(), b"s" * 64),
    )
    yield "PS256 with a key for RS256", lambda issuer: _as(issuer, "rs256-only", "PS256")
    yield "RS512 with a key for RS256", lambda issuer: _as(issuer, "rs256-only", "RS512")


def _as(issuer: Issuer, key_id: str, algorithm: str) -> str:
    return jwt.encode(issuer.claims(), issuer.keys[key_id].private, algorithm, headers={"kid": key_id})


def _with_other_claims() -> Iterator[Attack]:
    now = int(time.time())
    changes: list[dict[str, Any]] = [
        {"aud": None},
        {"aud": "https://other.example/mcp"},
        {"aud": "https://memory.example/mcp/"},
        {"aud": "https://memory.example"},
        {"aud": ["https://other.example", "zaxy"]},
        {"aud": []},
        {"aud": ""},
        {"aud": {"https://memory.example/mcp": True}},
        {"aud": [["https://memory.example/mcp"]]},
        {"aud": 7},
        {"iss": None},
        {"iss": "https://other.example"},
        {"iss": ""},
        {"iss": 7},
        {"exp": None},
        {"exp": now - 60},
        {"exp": 0},
        {"exp": -1},
        {"exp": str(now + 600)},
        {"exp": True},
        {"exp": [now + 600]},
        {"exp": {}},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": None},
        {"iat": now + 600},
        {"iat": str(now)},
        {"iat": True},
        {"iat": float("nan")},
        {"nbf": now + 600},
        {"nbf": "soon"},
        {"nbf": str(now)},
        {"nbf": False},
        {"nbf": float("inf")},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["alice"]},
        {"sub": "x" * 201},
        {"sub": "alice\n"},
        {"sub": "\u202eecila"},
    ]
    for change in changes:
        told = f"without {next(iter(change))}" if None in change.values() else json.dumps(change)[:60]
        yield f"claims {told}", lambda issuer, change=change: signed(issuer, {}, issuer.claims(**change))
    yield "issuer with a slash behind it", lambda issuer: signed(issuer, {}, issuer.claims(iss=issuer.url + "/"))
    yield "issuer in a list", lambda issuer: signed(issuer, {}, issuer.claims(iss=[issuer.url]))
    yield "issuer in other letters", lambda issuer: signed(issuer, {}, issuer.claims(iss=issuer.url.upper()))
    yield "claims that are a list", lambda issuer: signed(issuer, {}, [issuer.claims()])
    yield "claims that are a text", lambda issuer: signed(issuer, {}, "alice")
    for name in ("iss", "aud", "sub", "exp", "iat", "nbf"):
        yield f"claim {name} null", lambda issuer, name=name: signed(issuer, {}, {**issuer.claims(), name: None})
    yield "claims that nest 9,000 deep", _nested
    yield "claims changed after they were signed", lambda issuer: _with_claims(issuer, sub="root")
    yield "sessions changed after they were signed", lambda issuer: _with_claims(issuer, zaxy_session="bob-work")


def _nested(issuer: Issuer) -> str:
    header = part({"alg": "RS256", "kid": "rsa"})
    return f"{header}.{part(b'[' * 9_000)}.{part(_signature(issuer))}"


def _with_claims(issuer: Issuer, **changes: Any) -> str:
    header, _, signature = issuer.token().split(".")
    return f"{header}.{part(issuer.claims(**changes))}.{signature}"


def _with_other_headers() -> Iterator[Attack]:
    headers: list[dict[str, Any]] = [
        {"crit": ["exp"]},
        {"crit": []},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"typ": "JWE"},
        {"typ": "dpop+jwt"},
        {"typ": "logout+jwt"},
        {"typ": 7},
        {"typ": None},
        {"alg": ["RS256"]},
        {"alg": {"RS256": 1}},
        {"alg": 256},
        {"alg": None},
        {"alg": "rs256"},
        {"alg": "RS256 "},
        {"alg": "ES256"},
        {"alg": "EdDSA"},
        {"alg": "RS1"},
        {"alg": "RSA-OAEP"},
        {"alg": "dir"},
    ]
    for header in headers:
        yield f"header {json.dumps(header)}", lambda issuer, header=header: signed(issuer, header)


def _that_are_no_tokens() -> Iterator[Attack]:
    yield "one part", lambda issuer: issuer.token().split(".", maxsplit=1)[0]
    yield "two parts", lambda issuer: issuer.token().rpartition(".")[0]
    yield "four parts", lambda issuer: f"{issuer.token()}.{_end(issuer)}"
    yield (
        "five parts, as if encrypted",
        lambda issuer: ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", "a", "b", "c"]),
    )
    yield "dots alone", lambda issuer: ".."
    yield "no base64", lambda issuer: f"!!!.{issuer.token().partition('.')[2]}"
    yield "a header that is a list", lambda issuer: put_together(["RS256"], issuer.claims(), _signature(issuer))
    yield "a header that nests 9,000 deep", lambda issuer: f"{part(b'[' * 9_000)}.e30.AA"
    yield "two tokens", lambda issuer: f"{issuer.token()},{issuer.token()}"
    yield "longer than 16,384 characters", lambda issuer: issuer.token(more="x" * 16_384)
    yield "a null byte behind it", lambda issuer: f"{issuer.token()}\x00"
    yield (
        "the JSON form of a signature",
        lambda issuer: json.dumps({"payload": part(issuer.claims()), "signatures": []}),
    )


def odd_keys(issuer: Issuer) -> list[dict[str, Any]]:
    """Return keys that an issuer should not publish, and sign with them: none may count."""
    for key_id in ("for-encryption", "told", "rs256-only"):
        issuer.keys[key_id] = Key.make(key_id)
    issuer.keys["short"] = Key("short", "RSA", rsa.generate_private_key(65_537, 1_024))
    told = issuer.keys["told"]
    private = jwt.get_algorithm_by_name("RS256").to_jwk(told.private, as_dict=True)
    return [
        issuer.keys["for-encryption"].published(use="enc"),
        issuer.keys["short"].published(),
        {**private, "kid": "told", "key_ops": ["sign", "verify"]},
        issuer.keys["rs256-only"].published(alg="RS256"),
        {"kty": "oct", "kid": "oct", "k": part(b"s" * 64), "alg": "HS256"},
    ]
