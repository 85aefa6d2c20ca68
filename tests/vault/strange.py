#!/usr/bin/env python3
"""Services that answer strangely, over TLS: strange.py CERTIFICATE KEY [VAULT] prints its port. What it does, the key's name says:
/keys/redirect/release redirects. "proxied" passes the request on to the key `other` of VAULT, whose answer is genuine, of another
key. An attestation service too: /attest gives a token that nobody signed."""
import http.client
import json
import ssl
import socket
import sys
import threading
import urllib.parse

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
vault = urllib.parse.urlsplit(sys.argv[3]) if len(sys.argv) > 3 else None


def http_answer(body, status="200 OK", kind="application/json", more=""):
    body = body if isinstance(body, bytes) else body.encode()
    return ("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (status, kind, len(body), more)).encode() + body


def proxied(headers, body):
    ours = ssl.create_default_context()
    ours.check_hostname, ours.verify_mode = False, ssl.CERT_NONE  # a stranger does not care
    connection = http.client.HTTPSConnection(vault.hostname, vault.port, context=ours, timeout=10)
    connection.request("POST", "/keys/other/release?api-version=7.4", body,
                       {"Authorization": headers["authorization"], "Content-Type": "application/json"})
    answer = connection.getresponse()
    return http_answer(answer.read(), "%d %s" % (answer.status, answer.reason))


answers = {
    "redirect": lambda: http_answer("", "302 Found", more="Location: https://localhost:1/keys/k/release\r\n"),
    "html": lambda: http_answer("<html>welcome</html>", kind="text/html"),
    "badjson": lambda: http_answer("{\"value\":"),
    "novalue": lambda: http_answer(json.dumps({"values": "x"})),
    "number": lambda: http_answer(json.dumps({"value": 1})),
    "notoken": lambda: http_answer(json.dumps({"value": "no token"})),
    "huge": lambda: http_answer(json.dumps({"value": "x" * (2 << 20)})),
    "endless": lambda: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + b"x" * (2 << 20),
    "longhead": lambda: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300000,
    "closed": lambda: b"",
    "nohttp": lambda: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "short": lambda: b"HTTP/1.1\r\n\r\n",
    "words": lambda: http_answer(json.dumps({"error": {"message": "\x1b[2Jgone\r\nfor good"}}), "403 \x1b[31mForbidden"),
    "busy": lambda: http_answer("", "503 Service Unavailable"),
    "cut": lambda: http_answer(json.dumps({"value": "x"}))[:-3],
    "attest": lambda: http_answer(json.dumps({"token": "bm8.dG9r.ZW4"})),
}


def serve(raw):
    try:
        raw.settimeout(60)
        with context.wrap_socket(raw, server_side=True) as link, link.makefile("rb") as lines:
            target = lines.readline().decode().split(" ")[1]
            headers = {}
            while (line := lines.readline().decode().strip()):
                name, value = line.split(":", 1)
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", 0)))
            name = "attest" if target.startswith("/attest") else target.split("/")[2]
            if name == "silent":
                link.recv(1)  # until the other side has had enough
                return
            link.sendall(proxied(headers, body) if name == "proxied" else answers[name]())
    except (OSError, ValueError, LookupError):
        pass
    finally:
        raw.close()


listener = socket.create_server(("127.0.0.1", 0), backlog=16)
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
