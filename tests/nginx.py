"""A real nginx before the API, from the machine's package."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import Process, free_port, is_served, wait_for

PROGRAM = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx on PATH (apt install nginx)")
CONFIGURATION = """
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{upstream}/;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            {more}
        }}
    }}
}}
"""


@contextmanager
def running_nginx(directory: Path, *, upstream: int, prefix: str, more: str = "") -> Iterator[str]:
    """One that takes `prefix` off the path, for the API at port `upstream`; gives the URL with the prefix."""
    home = directory / "nginx"
    home.mkdir()
    port = free_port()
    path = home / "nginx.conf"
    path.write_text(CONFIGURATION.format(home=home, port=port, prefix=prefix, upstream=upstream, more=more))
    process = Process([str(PROGRAM), "-e", "stderr", "-p", str(home), "-c", str(path)], log=directory / "nginx.log")
    try:
        wait_for(lambda: is_served(port), what="nginx")
        yield f"http://127.0.0.1:{port}{prefix}"
    finally:
        process.stop()
