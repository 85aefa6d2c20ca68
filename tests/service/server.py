"""A server of the tests: `cella serve` on a folder of its own, on free ports, ended in any case."""
import http.client
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse


def free_ports():
    """The first of sixteen free ports, below those that the kernel gives to clients. Scripts: port=$(python3 server.py)."""
    first = 10000 + os.getpid() * 16 % 22000
    for base in [*range(first, 32000, 16), *range(10000, first, 16)]:
        sockets = []
        try:
            for i in range(16):
                s = socket.socket()
                sockets.append(s)
                s.bind(("127.0.0.1", base + i))
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise SystemExit("no free ports")


class Server:
    def __init__(self, cella, data, *options, port=None, env=None, wait=True, prefix=()):
        self.data = pathlib.Path(data)
        self.port = port
        command = [*map(str, prefix), str(cella), "serve", "--data", str(data), *map(str, options)]
        if port:
            command += ["--port", str(port)]
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "CELLA_LOG": "info", **(env or {})})
        self.out = []
        self.ready_ms = None
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout=20):
        while True:
            line = self.process.stdout.readline()
            if not line:
                self.process.wait(timeout=timeout)
                raise AssertionError("not ready: %s%s" % ("".join(self.out), self.process.stderr.read()))
            self.out.append(line)
            if line.startswith("ready after "):
                self.ready_ms = int(line.split()[2])
                return

    def stop(self, how=signal.SIGTERM, timeout=20):
        """Exit status and what was said on standard error."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            _, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, err

    def environment(self):
        text = subprocess.run(["sh", "-c", ". '%s/dev/env.sh' && env -0" % self.data], capture_output=True, text=True, check=True,
                              env={"PATH": os.environ["PATH"]}).stdout
        return dict(e.split("=", 1) for e in text.split("\0") if "=" in e)


class Client:
    """HTTPS with the folder's authority alone."""

    def __init__(self, data):
        self.context = ssl.create_default_context(cafile=str(pathlib.Path(data) / "ca.pem"))
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT

    def ask(self, url, method="GET", body=None, headers=None, timeout=10):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.context, timeout=timeout)
        try:
            target = parts.path + ("?" + parts.query if parts.query else "")
            connection.request(method, target or "/", body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict((k.lower(), v) for k, v in answer.getheaders())
        finally:
            connection.close()

    def json(self, *arguments, **more):
        status, body, _ = self.ask(*arguments, **more)
        return status, json.loads(body)

    def token(self, environment, scope="https://attest.azure.net/.default"):
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": environment["AZURE_CLIENT_ID"],
                                       "client_secret": environment["AZURE_CLIENT_SECRET"], "scope": scope})
        status, answer = self.json(environment["AZURE_AUTHORITY_HOST"] + "/" + environment["AZURE_TENANT_ID"] +
                                   "/oauth2/v2.0/token", "POST", form, {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 200, answer
        return answer["access_token"]


if __name__ == "__main__":
    print(free_ports())
