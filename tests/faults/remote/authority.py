"""Certificates and keys of the tests, made by openssl: an authority of its own, and what it signs."""

from __future__ import annotations

import shutil
import subprocess
from functools import cached_property
from pathlib import Path

OPENSSL = shutil.which("openssl")
GOOGLES_NAMES = ("bigquery.googleapis.com", "bigquerystorage.googleapis.com", "iamcredentials.googleapis.com")
_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
[name]
CN = bqsync test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:{names}
[ca]
default_ca = book
[book]
database = {folder}/book
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """
    Signs for Google's names and localhost; nobody trusts it who was not given its certificate.

    Args:
        folder: its own; everything that it makes lies there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._configuration = folder / "openssl.cnf"
        names = ", DNS:".join((*GOOGLES_NAMES, "localhost"))
        self._configuration.write_text(_CONFIGURATION.format(names=names, folder=folder), encoding="utf-8")
        (folder / "book").touch()
        self.certificate = folder / "authority.pem"
        self._key = folder / "authority.key"
        self._run("req", "-x509", *_NEW_KEY, "-extensions", "authority", "-subj", "/CN=bqsync test authority",
                  "-days", "2", "-keyout", self._key, "-out", self.certificate)

    @cached_property
    def valid(self) -> Path:
        """Key and certificate of a server, in one file."""
        return self._join("valid", "-CA", self.certificate, "-CAkey", self._key, "-days", "2")

    @cached_property
    def self_signed(self) -> Path:
        """The same, signed by nobody else."""
        return self._join("self_signed", "-days", "2")

    @cached_property
    def expired(self) -> Path:
        """The same, of the year 2020."""
        key, request, signed = (self._folder / f"expired.{ending}" for ending in ("key", "csr", "crt"))
        self._run("req", "-new", *_NEW_KEY, "-subj", "/CN=server", "-keyout", key, "-out", request)
        self._run("ca", "-batch", "-notext", "-extensions", "server", "-cert", self.certificate, "-keyfile", self._key,
                  "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-in", request, "-out", signed)
        return _joined(key, signed)

    def account_key(self) -> str:
        """An RSA key as it stands in a key file."""
        return self._run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", configured=False)

    def _join(self, name: str, *signing: str | Path) -> Path:
        key, signed = self._folder / f"{name}.key", self._folder / f"{name}.crt"
        self._run("req", "-x509", *_NEW_KEY, "-extensions", "server", "-subj", "/CN=server", *signing,
                  "-keyout", key, "-out", signed)
        return _joined(key, signed)

    def _run(self, command: str, *arguments: str | Path, configured: bool = True) -> str:
        assert OPENSSL is not None
        named = ["-config", str(self._configuration)] if configured else []
        done = subprocess.run([OPENSSL, command, *named, *map(str, arguments)], check=False, capture_output=True,
                              text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _joined(key: Path, certificate: Path) -> Path:
    both = key.with_suffix(".pem")
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
