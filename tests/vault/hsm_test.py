#!/usr/bin/env python3
"""Servers whose keys live in SoftHSM, killed at any time, and two on one store and token: afterwards store and token agree.
hsm_test.py CELLA"""
import base64
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "service"))
from server import Server, free_ports  # noqa: E402

KILLS, VERSION = 8, "?api-version=7.6"
DIGEST = base64.urlsafe_b64encode(bytes(32)).decode().rstrip("=")
work = pathlib.Path(tempfile.mkdtemp(prefix="cella-hsmtest-"))
pin, data = "975318642", work / "data"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def softhsm():
    paths = ["/usr/lib/softhsm/libsofthsm2.so", *map(str, pathlib.Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"))]
    module = next((p for p in paths if os.path.exists(p)), None)
    if not module or not shutil.which("softhsm2-util") or not shutil.which("pkcs11-tool"):
        skip("no softhsm2 or no opensc")
    (work / "tokens").mkdir()
    (work / "softhsm2.conf").write_text(f"directories.tokendir = {work}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(work / "softhsm2.conf")
    run("softhsm2-util", "--init-token", "--free", "--label", "keys", "--so-pin", "12345678", "--pin", pin)
    return module


class Client:
    """The vault devvault of a folder that was set up by a first start."""

    def __init__(self, folder, base=None):
        env = dict(line[7:].split("=", 1) for line in (folder / "dev/env.sh").read_text().splitlines() if line.startswith("export "))
        env = {k: v.strip("'\"") for k, v in env.items()}
        self.context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self.base = base or env["KEYVAULT_URI"]
        self.host = urllib.parse.urlparse(env["KEYVAULT_URI"]).netloc  # of the vault, wherever it is served
        body = {"grant_type": "client_credentials", "client_id": env["AZURE_CLIENT_ID"],
                "client_secret": env["AZURE_CLIENT_SECRET"], "scope": "https://vault.azure.net/.default"}
        url = env["AZURE_AUTHORITY_HOST"].rstrip("/") + "/" + env["AZURE_TENANT_ID"] + "/oauth2/v2.0/token"
        with urllib.request.urlopen(url, urllib.parse.urlencode(body).encode(), 10, context=self.context) as reply:
            self.token = json.load(reply)["access_token"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path + VERSION, json.dumps(body).encode() if body is not None else None,
                                         {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", "Host": self.host},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.context) as reply:
                text = reply.read()
                return reply.status, json.loads(text) if text else None
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read() or b"{}")

    def good(self, method, path, body=None, status=200):
        found, reply = self.call(method, path, body)
        assert found == status, (method, path, found, reply)
        return reply

    def signs(self, kid):
        return self.call("POST", urllib.parse.urlparse(kid).path + "/sign", {"alg": "ES256", "value": DIGEST})[0]


def objects(module):
    """Ids of the private keys in the token, as its own tool sees them."""
    said = run("pkcs11-tool", "--module", module, "--token-label", "keys", "--login", "--pin", pin, "--list-objects", "--type", "privkey")
    return sorted(line.split()[-1] for line in said.splitlines() if line.strip().startswith("ID:"))


def rows():
    with sqlite3.connect(data / "cella.db", timeout=10) as db:
        return sorted(db.execute("SELECT version, state FROM vault_resident").fetchall())


def age():
    """As if what is under way had been for long."""
    with sqlite3.connect(data / "cella.db", timeout=10) as db:
        db.execute("UPDATE vault_resident SET since = 0 WHERE state = 0")


def churn(client, made, stop):
    """Creates, rotates and purges until the server is gone; what was answered is remembered."""
    n = 0
    while not stop.is_set():
        name = "k%d-%d" % (threading.get_ident() % 100000, n)
        n += 1
        try:
            status, key = client.call("POST", f"/keys/{name}/create", {"kty": "EC-HSM"})
            if status == 200:
                made[key["key"]["kid"]] = True
            if n % 3 == 0:
                made[key["key"]["kid"]] = None  # it may go from here on
                client.call("DELETE", f"/keys/{name}")
                if client.call("DELETE", f"/deletedkeys/{name}")[0] == 204:
                    made[key["key"]["kid"]] = False
        except (OSError, ValueError, KeyError, TypeError):
            return


def killed(cella, module):
    made = {}
    for i in range(KILLS):
        server = Server(cella, data)
        client, stop = Client(data), threading.Event()
        threads = [threading.Thread(target=churn, args=(client, made, stop)) for _ in range(3)]
        for t in threads:
            t.start()
        time.sleep(random.uniform(0.05, 0.6))
        server.stop(signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join(15)
    age()
    server = Server(cella, data)
    client = Client(data)
    until = time.monotonic() + 25  # housekeeping comes every ten seconds
    while time.monotonic() < until and any(state != 1 for _, state in rows()):
        time.sleep(0.5)
    assert all(state == 1 for _, state in rows()), rows()
    assert [version for version, _ in rows()] == objects(module), "store and token do not agree"
    print("ok: %d keys answered, %d in the token after %d kills" % (len(made), len(rows()), KILLS))
    for kid, there in made.items():
        status = client.signs(kid)
        assert there is None or (status == 200) == there, (kid, there, status)
    print("ok: what was answered is there, what was purged is not")
    return server, client


def two(cella, module, first):
    """Another server with a folder of its own on the same store, root and token."""
    other, port = work / "other", free_ports()
    shutil.copytree(data, other, ignore=shutil.ignore_patterns("cella.db*", "audit.*"))
    text = (data / "cella.conf").read_text()
    ports = {}
    for word in text.replace("\n", " \n").split():
        at = word.rsplit(":", 1)
        if len(at) == 2 and at[1].isdigit() and word.startswith(("https://localhost", "127.0.0.1")):
            ports.setdefault(at[1], str(port + len(ports)))
    lines = []
    for line in text.splitlines():
        if line.startswith(("listen", "metrics")):  # the same urls, at other addresses
            for old, new in ports.items():
                line = line.replace(":" + old, ":" + new)
        lines.append(line)
    conf = "\n".join(lines) + "\n"
    if "location = " in conf:
        conf = conf.replace("location = cella.db", f"location = {data}/cella.db")
    else:
        conf = conf.replace("[store]", f"[store]\nlocation = {data}/cella.db")
    (other / "cella.conf").write_text(conf)
    server = Server(cella, other)
    try:
        old = urllib.parse.urlparse(first.base).port
        second = Client(data, f"https://localhost:{ports[str(old)]}")
        a = first.good("POST", "/keys/first/create", {"kty": "EC-HSM"})["key"]["kid"]
        status, reply = second.call("POST", "/keys/first/sign", {"alg": "ES256", "value": DIGEST})
        assert status == 200, (status, reply)
        second.good("POST", "/keys/first/rotate", {})
        assert first.signs(a) == 200 and second.signs(a) == 200
        first.good("DELETE", "/keys/first")
        second.good("DELETE", "/deletedkeys/first", status=204)
        assert first.signs(a) == 404
        assert [version for version, _ in rows()] == objects(module)
        print("ok: two servers on one store and token")
    finally:
        server.stop()


def main():
    cella = sys.argv[1]
    module = softhsm()
    Server(cella, data, port=free_ports()).stop()
    (data / "hsm.pin").write_text(pin + "\n")
    os.chmod(data / "hsm.pin", 0o600)
    text = (data / "cella.conf").read_text()
    uri = f"pkcs11:token=keys?module-path={module}&pin-source=file:hsm.pin"
    (data / "cella.conf").write_text(text.replace("[vault devvault]", f"[vault devvault]\nhsm_keys = {uri}"))
    server, client = killed(cella, module)
    try:
        two(cella, module, client)
    finally:
        server.stop()
    (data / "hsm.pin").write_text("111111111\n")
    wrong = subprocess.run([cella, "serve", "--data", str(data)], capture_output=True, text=True, timeout=30)
    assert wrong.returncode not in (0, -11) and "refuses the PIN" in wrong.stderr and "111111111" not in wrong.stderr, wrong
    (data / "cella.conf").write_text((data / "cella.conf").read_text().replace("pin-source=file:hsm.pin", "pin-value=1234"))
    wrong = subprocess.run([cella, "serve", "--check", "--data", str(data)], capture_output=True, text=True, timeout=30)
    assert wrong.returncode != 0 and "pin-value" in wrong.stderr, wrong  # K25
    print("ok: a wrong PIN, a PIN in the configuration")


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
