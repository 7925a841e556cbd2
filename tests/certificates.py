"""Throwaway certificates for signing: a root, and a signer as C2PA wants it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEYS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True)
class Signer:
    """Files of a chain and a key."""

    chain: Path
    key: Path


def make_signer(folder: Path, kind: str = "es256", *, days: int = 30, usage: bool = True) -> Signer:
    """Write a chain of two certificates and the signer's key into a folder.

    Args:
        folder: there.
        kind: one of KEYS.
        days: until they expire; below 0, they have.
        usage: whether the signer's certificate has an extended key usage, as C2PA asks for.
    """
    root_key, key = ec.generate_private_key(ec.SECP256R1()), KEYS[kind]()
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _certificate("Root", root_key, days)
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(identifier, False)
        .add_extension(_key_usage(signs_certificates=True), True)
    )
    leaf = (
        _certificate("Archive", key, days)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(_key_usage(signs_certificates=False), True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False
        )
    )
    if usage:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        leaf = leaf.add_extension(purposes, False)
    signed = [each.sign(root_key, hashes.SHA256()) for each in (leaf, root)]
    chain, key_file = folder / f"{kind}.pem", folder / f"{kind}.key"
    chain.write_bytes(b"".join(c.public_bytes(serialization.Encoding.PEM) for c in signed))
    key_file.write_bytes(pem(key))
    return Signer(chain, key_file)


def pem(key: Any, password: bytes | None = None) -> bytes:
    """A private key in PKCS #8."""
    how = (
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def _certificate(name: str, key: Any, days: int) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name("Root"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
