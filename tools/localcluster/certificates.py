"""Issue the certificates of a local cluster: one authority, a pair for each identity.

Files are made once and kept, so that a cluster that comes up again keeps its
kubeconfigs valid.  Elliptic keys, because generating a dozen takes milliseconds.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = timedelta(days=3650)
_BACKDATED = timedelta(hours=1)  # a machine that was suspended may set its clock back


@dataclass(frozen=True)
class Pair:
    """Paths of a certificate and its key, both PEM."""

    certificate: Path
    key: Path


def make_authority(folder: Path) -> Pair:
    """Return the cluster's certificate authority, made on the first call."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    if not pair.certificate.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("efficientnet-operator local cluster", ())
        builder = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
        )
        _write_pair(pair, builder.sign(key, hashes.SHA256()), key)
    return pair


def issue(
    authority: Pair,
    name: str,
    common_name: str,
    groups: Sequence[str] = (),
    hosts: Sequence[str | IPv4Address] = (),
) -> Pair:
    """Return a certificate for one identity, made on the first call.

    Args:
        authority: the signer; the pair is put beside it.
        name: the file's name without suffix.
        common_name: the user, as Kubernetes reads it.
        groups: the user's groups (the certificate's organizations).
        hosts: addresses and names that it serves; a certificate without any
            is a client's alone.
    """
    folder = authority.certificate.parent
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    if pair.certificate.exists():
        return pair
    signer = x509.load_pem_x509_certificate(authority.certificate.read_bytes())
    signer_key = serialization.load_pem_private_key(authority.key.read_bytes(), password=None)
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(_name(common_name, groups), signer.subject, key.public_key())
    if hosts:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        alternatives = x509.SubjectAlternativeName([_general_name(str(host)) for host in hosts])
        builder = builder.add_extension(alternatives, critical=False)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    _write_pair(pair, builder.sign(signer_key, hashes.SHA256()), key)
    return pair


def make_signing_key(folder: Path) -> Pair:
    """Return the key pair of ServiceAccount tokens; `certificate` is the bare public key."""
    pair = Pair(folder / "service-accounts.pub", folder / "service-accounts.key")
    if not pair.certificate.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(pair.key, _private_pem(key), 0o600)
        _write(pair.certificate, public, 0o644)
    return pair


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _name(common_name: str, groups: Sequence[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(
    pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    # The certificate last: its presence says that the pair is whole.
    _write(pair.key, _private_pem(key), 0o600)
    _write(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    partial.rename(path)
