"""Ed25519 of RFC 8032, from the `cryptography` package, which is imported by the first call and not before."""

from __future__ import annotations

from typing import Final

KEY_BYTES: Final = 32
"""Length of a public key, and of the seed that a private key is made from."""

_SIGN_BIT: Final = 0x80
_SMALL_ORDER: Final = frozenset(
    map(
        bytes.fromhex,
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ),
    )
)
"""The points of order 1, 2, 4 and 8 without their sign, the last two written with a coordinate that is not reduced."""


def is_weak(public: bytes) -> bool:
    """Whether a public key is a point of small order, for which anybody can make signatures that hold."""
    return public[:-1] + bytes([public[-1] & ~_SIGN_BIT]) in _SMALL_ORDER


def public_key(seed: bytes) -> bytes:
    """Return the public key of a seed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64 bytes of a signature."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature of a message was made with the private half of a public key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True
