"""The files to deploy the gateway: each is read by its own program, and the container file keeps its rules."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import trustme

from ..programs import binary, need
from .gateway_pages import DEPLOY, ROOT

CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
# One instruction per element: without comments, continued lines joined.
INSTRUCTIONS = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE)).splitlines()
    if line.strip()
]
LAST_STAGE = INSTRUCTIONS[max(number for number, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def values(name: str, instructions: list[list[str]] = INSTRUCTIONS) -> list[str]:
    return [value for found, value in instructions if found == name]


def program(name: str, package: str) -> str:
    found = binary(name)
    need(name, found, f"apt-get install {package}")
    assert found is not None
    return found


def run(*command: str, cwd: Path | None = None) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate and its key, apart and together."""
    made = trustme.CA().issue_cert("api.example.com")
    made.cert_chain_pems[0].write_to_path(tmp_path / "fullchain.pem")
    made.private_key_pem.write_to_path(tmp_path / "privkey.pem")
    (tmp_path / "certs").mkdir()
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "certs" / "api.pem")
    return tmp_path


def test_nginx_accepts_its_file(certificate: Path) -> None:
    """With the certificate and the log of the test."""
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    text = text.replace("/etc/ssl/api.example.com", str(certificate)).replace("/var/log/nginx", str(certificate))
    file = certificate / "nginx.conf"
    places = "".join(f"{name}_temp_path {certificate}/{name}; " for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    head = f"pid {certificate}/nginx.pid; error_log {certificate}/errors.log; events {{}}"
    file.write_text(f"{head}\nhttp {{ client_body_temp_path {certificate}/body; {places}\n{text}}}\n", "utf-8")
    run(program("nginx", "nginx"), "-t", "-c", str(file), "-p", str(certificate))


def test_haproxy_accepts_its_file(certificate: Path) -> None:
    """With the certificate of the test."""
    text = (DEPLOY / "haproxy.cfg").read_text("utf-8").replace("/etc/haproxy/certs/", f"{certificate}/certs/")
    file = certificate / "haproxy.cfg"
    file.write_text(text, "utf-8")
    run(program("haproxy", "haproxy"), "-c", "-f", str(file))


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """With a program that is there in place of the gateway."""
    text = (DEPLOY / "unbroken-gateway.service").read_text("utf-8").replace("/opt/unbroken/bin/unbroken", "/bin/true")
    unit = tmp_path / "unbroken-gateway.service"
    unit.write_text(text, "utf-8")
    run(program("systemd-analyze", "systemd"), "verify", "--man=no", str(unit))


def test_the_unit_waits_longer_than_the_gateway_drains() -> None:
    """The default of the gateway, of its server behind it, and of the example."""
    (stop,) = re.findall(
        r"^TimeoutStopSec=(\d+)$", (DEPLOY / "unbroken-gateway.service").read_text("utf-8"), re.MULTILINE
    )
    assert int(stop) > 600 + 5


def test_the_image_comes_from_the_distribution() -> None:
    """Both stages have the same base, and nothing but apt and pip fetches anything."""
    assert values("ARG") == ["BASE=docker.io/library/debian:stable-slim"]
    assert [value.split()[0] for value in values("FROM")] == ["${BASE}", "${BASE}"]
    assert not values("ADD")
    ran = " ".join(values("RUN"))
    assert "://" not in ran
    assert not re.search(r"\b(?:curl|wget|git|npm|gpg|sh -c|eval)\b", ran)


def test_nothing_in_the_image_is_secret() -> None:
    """No secret is built in, and only the sources are copied."""
    assert not re.search(
        r"(?i)key|token|secret|password|pepper|mount=", " ".join([*values("ENV"), *values("ARG"), *values("RUN")])
    )
    assert all(
        word.startswith(("core", "plugins", "pyproject", "README", "LICENSE", "/src", "--from=build", "/opt"))
        for value in values("COPY")
        for word in value.split()
    )
    ignored = (ROOT / ".containerignore").read_text("utf-8").split()
    assert ignored[0] == "*"
    assert {line for line in ignored if line[0] == "!"} == {
        "!pyproject.toml",
        "!README.md",
        "!LICENSE",
        "!core",
        "!plugins",
    }


def test_the_container_runs_without_rights() -> None:
    """As a user by number, before its program is set; it can be stopped and asked how it is."""
    names = [name for name, _ in LAST_STAGE]
    (user,) = values("USER", LAST_STAGE)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert "RUN" not in names[names.index("USER") :]
    assert not re.search(r"\b(?:sudo|su|setcap|chmod)\b", " ".join(values("RUN")))
    assert values("STOPSIGNAL", LAST_STAGE) == ["SIGTERM"]
    (health,) = values("HEALTHCHECK", LAST_STAGE)
    assert "/health/live" in health
    assert values("ENTRYPOINT", LAST_STAGE)[0].startswith("[")  # a shell would keep the signals for itself


def test_packages_are_left_out_that_only_the_build_needs() -> None:
    """pip is neither in the image nor in the environment that is copied into it."""
    packages = shlex.split(values("RUN", LAST_STAGE)[0].partition("--no-install-recommends")[2].partition("&&")[0])
    assert packages == ["python3", "ca-certificates"]
    assert "pip uninstall --yes pip" in values("RUN")[1]


@pytest.mark.skipif(os.environ.get("UNBROKEN_LONG") != "1", reason="takes minutes and the network; UNBROKEN_LONG=1")
def test_the_image_can_be_built(tmp_path: Path) -> None:
    """By buildah. Without a registry of images, ``UNBROKEN_BASE_IMAGE`` is a tar archive of a Debian system."""
    buildah = [program("buildah", "buildah"), "--root", str(tmp_path / "images"), "--runroot", str(tmp_path / "run")]
    base = os.environ.get("UNBROKEN_BASE_IMAGE")
    if base:
        container = subprocess.run([*buildah, "from", "scratch"], capture_output=True, text=True, check=True).stdout
        run(*buildah, "add", container.strip(), base, "/")
        run(*buildah, "commit", "--rm", container.strip(), "base")
    options = ["--build-arg", "BASE=localhost/base"] if base else []
    file = str(DEPLOY / "Containerfile")
    run(
        *buildah,
        "build",
        "--format",
        "docker",
        "--isolation",
        "chroot",
        "--network",
        "host",
        *options,
        "-f",
        file,
        "-t",
        "gateway",
        ".",
        cwd=ROOT,
    )
    run(*buildah, "rmi", "--all", "--force")
