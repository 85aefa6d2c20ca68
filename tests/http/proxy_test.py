#!/usr/bin/env python3
"""K16: the smuggling requests through nginx as a front: what it passed on and what we saw are the same requests.
proxy_test.py STAND; skipped (77) without nginx."""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

from serving import Stand, check, finish, work
from smuggling import TABLE

nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
if not nginx:
    print("skipped: nginx is not installed (Debian: nginx-light)")
    sys.exit(77)
stand = Stand(sys.argv[1], workers=2, request_ms=1500)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-keyout", str(work / "front.key"), "-out", str(work / "front.pem")], check=True, capture_output=True)
temporary = " ".join(f"{k}_temp_path {work};" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
# As lenient as it can be: everything that a front may pass on is passed on, body by body, over connections that are kept.
(work / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log;
events {{ worker_connections 512; }}
http {{
    {temporary}
    log_format passed '$upstream_status $request_method $request_uri'; access_log {work}/passed.log passed;
    ignore_invalid_headers off; underscores_in_headers on; client_header_timeout 2s; client_body_timeout 2s;
    large_client_header_buffers 4 64k; client_max_body_size 8m;
    upstream us {{ server 127.0.0.1:{stand.a}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port} ssl; ssl_certificate {work}/front.pem; ssl_certificate_key {work}/front.key;
        location / {{
            proxy_pass https://us; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
            proxy_request_buffering off; proxy_ssl_protocols TLSv1.3; proxy_next_upstream off;
        }}
    }}
}}
""")
front = subprocess.Popen([nginx, "-p", str(work), "-c", str(work / "nginx.conf")], stderr=subprocess.DEVNULL)
context = ssl._create_unverified_context()


def speak(request):
    with socket.create_connection(("127.0.0.1", port), 5) as raw, context.wrap_socket(raw) as s:
        s.settimeout(0.4)
        data = b""
        try:
            s.sendall(request)
            while part := s.recv(65536):
                data += part
        except (TimeoutError, OSError):
            pass
        return data


def lines(path):
    return path.read_text(errors="replace").splitlines() if path.exists() else []


try:
    for _ in range(100):
        try:
            speak(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            break
        except OSError:
            time.sleep(0.05)
    for name, request, _ in TABLE:
        before = len(lines(work / "passed.log")), len(lines(stand.log))
        speak(request)
        for _ in range(60):
            passed = [l for l in lines(work / "passed.log")[before[0]:] if not l.startswith("- ")]
            seen = lines(stand.log)[before[1]:]
            if len(passed) == len(seen):
                break
            time.sleep(0.05)
        check(len(passed) == len(seen), name, (passed, seen))
        check(("/hidden" in str(seen)) == ("/hidden" in str(passed)), name + ": nothing was smuggled", (passed, seen))
    time.sleep(0.3)
    check(len([l for l in lines(work / "passed.log") if l.startswith("200")]) > 20, "and most good ones came through")
finally:
    front.terminate()
    front.wait(10)
check(stand.stop()[0] == 0, "and the server is well")
finish()
