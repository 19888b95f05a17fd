"""Stand-ins for the images that the Dockerfile begins with, made of what this machine has.

A registry of images is not at hand where the tests run. Debian's comes from the Debian archive that
this machine uses; Rust's is the same with this machine's own toolchain in it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from buildah import HOME, Buildah
from harness.processes import ROOT

# What Debian's slim image leaves out too.
LEFT_OUT = ("man", "info", "doc", "locale", "lintian", "linda", "groff")

CARGO_HOME = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))


def names_in(dockerfile: Path) -> tuple[str, str]:
    """The images of the builder stage and of the final stage."""
    builder, final = re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.M)
    return builder, final


def output_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def make_once(buildah: Buildah, image: str, key: str, make: Callable[[], None]) -> None:
    stamp = HOME / re.sub(r"[^\w.-]", "_", image)
    content = f"{key} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"
    if stamp.exists() and stamp.read_text() == content and buildah.has(image):
        return
    stamp.unlink(missing_ok=True)
    make()
    stamp.write_text(content)


# --- Debian -------------------------------------------------------------------------------------


def debian_archives() -> list[str]:
    """The entries of this system's own apt sources that are Debian's."""
    listed = output_of(
        *("apt-get", "indextargets", "--format", "$(ORIGIN)|$(COMPONENT)|$(REPO_URI)|$(RELEASE)"),
        "Created-By: Packages",
    )
    targets = [line.split("|") for line in listed.splitlines()]
    return sorted(
        f"deb {uri} {release} main"
        for origin, component, uri, release in targets
        if origin == "Debian" and component == "main"
    )


def make_debian(buildah: Buildah, image: str) -> None:
    archives = debian_archives()
    assert archives, "no Debian archive among apt's sources ('apt-get update' may help)"
    suite = re.search(r"debian:(\w+)-slim", image)
    assert suite, f"{image} is not one of Debian's slim images"

    def make() -> None:
        tree = HOME / "debian.tar"
        excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", "--variant=minbase", "--include=usr-is-merged"),
                "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
                *excludes,
                "--dpkgopt=path-include=/usr/share/doc/*/copyright",
                *(suite[1], str(tree), *archives),
            ],
            check=True,
            timeout=600,
        )
        container = buildah.run("from", "scratch")
        buildah.run("add", container, tree, "/")
        buildah.run("config", "--cmd", "bash", container)
        buildah.run("commit", "--rm", container, image)
        tree.unlink()

    make_once(buildah, image, " ".join(archives), make)


# --- Rust ---------------------------------------------------------------------------------------


def make_rust(buildah: Buildah, image: str, base: str) -> None:
    """`image` with the toolchain of this machine, whatever the version in its name."""
    sysroot = Path(output_of("rustc", "--print", "sysroot"))
    version = output_of("rustc", "-vV")
    triple = re.search(r"^host: (\S+)", version, re.M)
    assert triple

    def make() -> None:
        target = "/usr/local/rust"
        container = buildah.run("from", "--pull-never", base)
        for program in ("cargo", "rustc"):
            buildah.run("copy", container, sysroot / "bin" / program, f"{target}/bin/")
        libraries = sorted((sysroot / "lib").glob("*.so*"))
        buildah.run("copy", container, *libraries, f"{target}/lib/")
        standard = f"lib/rustlib/{triple[1]}"
        buildah.run("copy", container, sysroot / standard, f"{target}/{standard}", timeout=300)
        certificates = Path("/etc/ssl/certs/ca-certificates.crt")
        if certificates.exists():
            buildah.run("copy", container, certificates, f"{certificates.parent}/")
        # The finished crates of this machine count as up to date only where their sources have
        # the paths that they have here.
        registry = CARGO_HOME / "registry"
        links = f"mkdir -p {CARGO_HOME} /usr/local/cargo/registry"
        if registry != Path("/usr/local/cargo/registry"):
            links += f" && ln -s /usr/local/cargo/registry {registry}"
        buildah.run("run", container, "--", "sh", "-c", links)
        path = f"{target}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        buildah.run("config", "--env", f"PATH={path}", container)
        buildah.run("config", "--env", f"CARGO_HOME={CARGO_HOME}", container)
        buildah.run("commit", "--rm", container, image, timeout=300)

    make_once(
        buildah, image, f"{version} {CARGO_HOME} {buildah.inspect(base)['FromImageID']}", make
    )


# --- what is built already ------------------------------------------------------------------------


def lend_crates(buildah: Buildah) -> None:
    """The crates that this tree's own build has compiled become the first content of the caches."""
    lock = hashlib.sha256((ROOT / "bridge" / "Cargo.lock").read_bytes()).hexdigest()
    stamp = HOME / "crates"
    if stamp.exists() and stamp.read_text() == lock:
        return
    ours = shutil.ignore_patterns("*bronze_bridge*", "bronze-bridge*", ".rustc_info.json")
    for source, identity in (
        (CARGO_HOME / "registry", "bronze-crates"),
        (ROOT / "build" / "bridge" / "release", "bronze-bridge/release"),
    ):
        if source.is_dir():
            target = buildah.cache(identity)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, symlinks=True, ignore=ours)
    stamp.write_text(lock)


def lend_compiled(buildah: Buildah) -> None:
    """The same for what ccache keeps."""
    ours = Path(output_of("ccache", "--get-config", "cache_dir"))
    if ours.is_dir():
        shutil.copytree(ours, buildah.cache("bronze-ccache"), dirs_exist_ok=True)
