"""Who signs: a key of the user's, or one that this repository makes for itself."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calse.runtime.errors import CalseError
from calse.runtime.files import atomic_file
from calse.runtime.locks import locked
from calse.runtime.repository import scratch

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

YEARS = 20  # as nobody vouches for it anyway, it should not end before the videos do
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True)
class SigningKey:
    """A private key and its certificates, the key's own first, both PEM; C2PA's name of the algorithm;
    whether this repository made them for itself.
    """

    key: bytes
    certificates: bytes
    algorithm: str
    self_made: bool


def signing_key(file: Path | None) -> SigningKey:
    """Return who signs by a PEM file with a private key and its certificates; without one, this repository's own.

    Raises CalseError naming the file when it is missing, or has no key, or certificates of another key.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    named = file or own_file()
    key, certificates = _pair(_own() if file is None else _read(file), named)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey(private, b"".join(certificates), _algorithm(key, named), file is None)


def own_file() -> Path:
    """Return the file of this repository's own key; deleted, it is made again, and is then another."""
    return scratch() / "signing.pem"


def _read(file: Path) -> bytes:
    """Read a user's key. Raises CalseError naming the file."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise CalseError(
            f"signing key {file}: {error.strerror}; name a PEM file with a private key and its certificates, "
            "or none: then a self-made certificate signs"
        ) from None


def _own() -> bytes:
    """Return this repository's own key and certificates, made at the first call; only the user may read the file."""
    file = own_file()
    with locked(file.with_suffix(".lock")):
        if not file.is_file():
            with atomic_file(file) as aside:
                aside.touch(mode=0o600)
                aside.write_bytes(_self_made())
    return file.read_bytes()


def _self_made() -> bytes:
    """Return a new key and the certificate with which it vouches for itself; it names neither person nor machine."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "calse, self-made certificate")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)  # clocks of others may be late
    signs = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    certificate = (  # with what C2PA asks of one that signs
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(signs, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, None)
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


def _pair(pem: bytes, file: Path) -> "tuple[PrivateKeyTypes, list[bytes]]":
    """Return the private key and the certificates of a PEM file, the key's own first."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(pem, None)
        certificates = x509.load_pem_x509_certificates(pem)
    except (TypeError, ValueError) as error:
        why = " ".join(str(error).split()).partition(". ")[0][:120]
        raise CalseError(
            f"signing key {file}: {why}; it must hold a private key without a password and its certificates, as PEM"
        ) from None
    if certificates[0].public_key() != key.public_key():
        raise CalseError(f"signing key {file}: its first certificate is of another key; put the key's own first")
    return key, [certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates]


def _algorithm(key: "PrivateKeyTypes", file: Path) -> str:
    """Return C2PA's name of a key's algorithm. Raises CalseError for a key that C2PA does not take."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    raise CalseError(f"signing key {file}: C2PA takes Ed25519, ECDSA (P-256, P-384, P-521) and RSA from 2048 bits on")
