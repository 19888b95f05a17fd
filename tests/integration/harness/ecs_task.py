"""`bronze check` as in a task of ECS: in a network of its own, where MinIO is, and the service of
credentials at the address that ECS gives it. Started by `unshare --net`; takes a directory.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
from pathlib import Path

from .minio import MinioServer
from .service import run_command
from .sts import Issuer

ADDRESS = "169.254.170.2"
SET_FLAGS, SET_ADDRESS = 0x8914, 0x8916
UP = 1


def add_address(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sH14x", b"lo", UP))
        packed = struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton(address))
        fcntl.ioctl(control, SET_ADDRESS, packed)


def main(directory: Path) -> int:
    add_address(ADDRESS)
    minio = MinioServer(directory / "minio")
    minio.start()
    try:
        bucket = minio.create_bucket("bucket")
        with Issuer(minio, 3600, (ADDRESS, 80)).running() as issuer:
            variables = {
                "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
                "DELTA_BASE_PATH": bucket.base_path,
                "S3_ENDPOINT_URL": minio.endpoint,
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/of-the-task",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": issuer.token,
            }
            done = run_command("check", "--json", "--timeout", "5", environment=variables)
            assert len(issuer.issued) == 1
    finally:
        minio.stop()
    print(done.text)
    return done.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
