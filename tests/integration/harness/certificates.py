"""Certificates of the tests' own, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

NEW = ("req", "-newkey", "rsa:2048", "-nodes")


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_certificates(folder: Path) -> dict[str, Path]:
    """An authority (`ca`), a certificate (`server`) and `key` for 127.0.0.1 that it signed, and an
    authority of the same name that did not (`other`).
    """
    names = ("ca", "ca_key", "server", "key", "request", "other", "other_key")
    files = {name: folder / f"{name}.pem" for name in names}
    extensions = folder / "extensions"
    extensions.write_text("basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n")
    for name in ("ca", "other"):
        keys = ("-keyout", files[f"{name}_key"], "-out", files[name])
        openssl(*NEW, "-x509", "-subj", "/CN=ca", *keys)
    openssl(*NEW, "-subj", "/CN=s", "-keyout", files["key"], "-out", files["request"])
    signed = ("-CA", files["ca"], "-CAkey", files["ca_key"], "-CAcreateserial")
    request = ("x509", "-req", "-in", files["request"], *signed, "-extfile", extensions)
    openssl(*request, "-out", files["server"])
    return files
