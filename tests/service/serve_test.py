#!/usr/bin/env python3
"""The life of a server: first start, use, restart, kill -9, refusals, signals: serve_test.py CELLA"""
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from server import Client, Server, free_ports

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory(prefix="cella-serve-")
work = pathlib.Path(folder.name)
bad = count = 0
POLICY = "version=1.0; authorizationrules{=> permit();}; issuancerules{=> issue(type=\"of-the-test\", value=true);};"
VERSION = "api-version=2020-10-01"


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


def refused(what, words, data, *options, status=None, env=None):
    done = subprocess.run([cella, "serve", "--data", str(data), *map(str, options)], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **(env or {})})
    good = done.returncode != 0 and words in done.stderr and (status is None or done.returncode == status)
    check(good, what, "%d %s" % (done.returncode, done.stderr))
    return done.stderr


def b64u(text):
    import base64
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def put_policy(client, e, text=POLICY, type="SgxEnclave"):
    import json
    jws = "eyJhbGciOiJub25lIn0." + b64u(json.dumps({"AttestationPolicy": b64u(text)})) + "."
    return client.ask(e["ATTESTATION_AAD_URL"] + "/policies/%s?%s" % (type, VERSION), "PUT", jws,
                      {"Authorization": "Bearer " + client.token(e), "Content-Type": "text/plain"})


def get_policy(client, e, type="SgxEnclave"):
    return client.ask(e["ATTESTATION_AAD_URL"] + "/policies/%s?%s" % (type, VERSION),
                      headers={"Authorization": "Bearer " + client.token(e)})


# --- first start ---
data = work / "data"
port = free_ports()
server = Server(cella, data, port=port)
said = "".join(server.out)
print("start to ready: %d ms the first time" % server.ready_ms)
environment = server.environment()
client = Client(data)
for name in ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET",
             "AZURE_AUTHORITY_HOST", "ATTESTATION_AAD_URL", "ATTESTATION_ISOLATED_URL", "ATTESTATION_SHARED_URL",
             "ATTESTATION_ISOLATED_SIGNING_CERTIFICATE", "ATTESTATION_ISOLATED_SIGNING_KEY"):
    check(environment.get(name), name + " is exported")
    check("export %s=" % name in said, name + " is printed")
for path in [data, *sorted(data.rglob("*"))]:
    mode = stat.S_IMODE(path.stat().st_mode)
    public = path.suffix == ".pem"
    check(mode & 0o077 == 0 or (public and mode == 0o644) or path.is_dir() and mode & 0o022 == 0, "mode of %s" % path, oct(mode))
check(stat.S_IMODE(data.stat().st_mode) == 0o700, "the folder's own mode")
secret = environment["AZURE_CLIENT_SECRET"]
where = [str(p.relative_to(data)) for p in data.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()]
check(where == ["dev/env.sh"], "the secret is in one file", where)
for name in ("AAD", "ISOLATED", "SHARED"):
    status, keys = client.json(environment["ATTESTATION_%s_URL" % name] + "/certs")
    check(status == 200 and keys["keys"], name + " serves its keys")
status, meta = client.json("%s/%s/v2.0/.well-known/openid-configuration" %
                           (environment["AZURE_AUTHORITY_HOST"], environment["AZURE_TENANT_ID"]))
check(status == 200 and meta["token_endpoint"], "identity serves its metadata")
try:
    status, body, _ = put_policy(client, environment)
    check(status == 200, "the application may set a policy", body)
    status, body, _ = get_policy(client, environment)
    check(status == 200, "and read it", body)
except AssertionError as error:
    check(False, "a token", error)
certs = client.json(environment["ATTESTATION_AAD_URL"] + "/certs")[1]

# --- metrics and health: HTTPS, loopback ---
metrics = "https://127.0.0.1:%d" % (port + 6)
status, body, headers = client.ask(metrics + "/healthz")
check(status == 200 and body.startswith(b"ready"), "health", body)
status, body, headers = client.ask(metrics + "/metrics")
check(status == 200 and b"cella_ready 1" in body and b"cella_collateral_age_seconds" in body, "metrics", body[:200])
check(secret.encode() not in body, "no secret in metrics")
check(client.ask(metrics + "/other")[0] == 404 and client.ask(metrics + "/metrics", "POST", "")[0] == 405, "nothing else there")

# --- one server a folder ---
refused("a second server", "another server has the data folder", data, status=1)

# --- end, and again: everything is kept ---
status, err = server.stop()
check(status == 0, "SIGTERM ends it well", (status, err))
check("ready after" in err and secret not in err, "the log has the time and no secret", err)
server = Server(cella, data)
check(secret not in "".join(server.out), "the secret is printed once")
print("start to ready: %d ms again" % server.ready_ms)
check(server.ready_ms < 1000, "and in time", server.ready_ms)
check(client.json(environment["ATTESTATION_AAD_URL"] + "/certs")[1] == certs, "the same keys after a restart")
check(server.environment() == environment, "the same environment")
kept = get_policy(client, environment)
check(kept[0] == 200 and b"." in kept[1], "the policy is kept", kept)

# --- kill -9 under load, again and again: nothing that was answered is lost ---
for turn in range(3):
    done, stop = [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                text = POLICY.replace("of-the-test", "of-turn-%d-%d" % (turn, done[0]))
                if put_policy(client, environment, text)[0] == 200:
                    done[0] += 1
            except (OSError, AssertionError):
                pass

    thread = threading.Thread(target=load)
    thread.start()
    time.sleep(0.7)
    server.process.kill()
    server.process.wait()
    stop.set()
    thread.join()
    server = Server(cella, data)
    import base64
    import json
    token = json.loads(get_policy(client, environment)[1])["token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    policy = claims["x-ms-policy"].split(".")[1]
    text = base64.urlsafe_b64decode(json.loads(base64.urlsafe_b64decode(policy + "=="))["AttestationPolicy"] + "==").decode()
    last = re.search(r"of-turn-(\d+)-(\d+)", text)
    check(last and int(last[1]) == turn and int(last[2]) >= done[0] - 1, "what was answered is there after kill -9", (done, text))
    check(done[0] > 0, "there was load", done)

# --- SIGINT; and a second signal does not wait for the drain ---
status, err = server.stop(signal.SIGINT)
check(status == 0, "SIGINT ends it well", (status, err))

# --- wrong root key, damaged store ---
copy = work / "copy"
shutil.copytree(data, copy)
(copy / "root.key").write_bytes(os.urandom(32))
refused("another root key", "root", copy)
shutil.copy(data / "root.key", copy / "root.key")
content = bytearray((copy / "cella.db").read_bytes())
content[5000:9000] = os.urandom(4000)
(copy / "cella.db").write_bytes(bytes(content))
refused("a damaged store", "cella.db", copy)
shutil.rmtree(copy)

# --- configuration: mistakes are told with their line, by --check and by a start ---
conf = data / "cella.conf"
text = conf.read_text()
for change, words in ((text.replace("workers = 0", "worker = 0"), "unknown setting 'worker'"),
                      (text + "[cellar v]\nurl = https://x\n", "unknown section [cellar v]"),
                      (text.replace("policy_certificates = dev/", "policy_certificates = nowhere/"), "nowhere/policy-signing.pem"),
                      (text + "[ledger]\n", "unknown section [ledger]")):
    conf.write_text(change)
    refused("--check: " + words, words, data, "--check")
    refused("start: " + words, words, data)
conf.write_text(text)
done = subprocess.run([cella, "serve", "--check", "--data", data], capture_output=True, text=True, timeout=30)
check(done.returncode == 0 and "is good" in done.stdout, "--check takes the good one", done.stderr)

# --- arguments, folders ---
refused("no --data", "--data", "", status=None)
(work / "full").mkdir()
(work / "full" / "thesis.txt").write_text("years of work")
refused("a folder with other things", "is not empty: there is thesis.txt", work / "full", status=2)
refused("a bad host", "--host", work / "new", "--host", "a b", status=2)
refused("a bad port", "--port", work / "new", "--port", "65530", status=2)
refused("a bad address", "--listen", work / "new", "--listen", "nowhere", status=2)
check(not (work / "new" / "cella.conf").exists(), "nothing was made")

# --- two first starts race for one folder: one serves ---
port = free_ports()
pair = [Server(cella, work / "race", port=port, wait=False) for _ in range(2)]
time.sleep(2.5)
alive = [s for s in pair if s.process.poll() is None]
check(len(alive) == 1, "one of two serves", [s.process.poll() for s in pair])
for s in pair:
    status, err = s.stop()
    check(status == 0 if s in alive else "another server has" in err, "and the other is refused", (status, err))

# --- killed in the middle of a first start, at many points: the next start finishes ---
for delay in (0.002, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3):
    target = work / "killed"
    s = Server(cella, target, port=free_ports(), wait=False)
    time.sleep(delay)
    s.process.kill()
    s.process.communicate()
    s = Server(cella, target, port=free_ports())
    e = s.environment()
    check(Client(target).token(e), "a start that was killed after %g s is finished by the next" % delay)
    status, err = s.stop()
    check(status == 0 and not (target / ".first").exists(), "and leaves nothing behind", err)
    shutil.rmtree(target)

# --- the access log: no query in it, and a new file after SIGHUP ---
conf.write_text(text.replace("access_log = none", "access_log = access.log"))
server = Server(cella, data)
log = data / "access.log"
client.ask(environment["ATTESTATION_AAD_URL"] + "/certs?canary=of-the-query", headers={"X-Canary": "of-the-header"})
time.sleep(0.3)
check("/certs" in log.read_text() and "canary" not in log.read_text().lower(), "a line without query and headers", log.read_text())
check(stat.S_IMODE(log.stat().st_mode) == 0o600, "mode of the access log")
log.rename(data / "access.log.1")
server.process.send_signal(signal.SIGHUP)
until = time.monotonic() + 5
while not log.exists() and time.monotonic() < until:
    time.sleep(0.05)
client.ask(environment["ATTESTATION_AAD_URL"] + "/.well-known/openid-configuration")
time.sleep(0.3)
check(log.exists() and "openid-configuration" in log.read_text(), "the log goes on in a new file after SIGHUP")
check("openid-configuration" not in (data / "access.log.1").read_text(), "and not in the old one")
check(server.stop()[0] == 0, "the end")
conf.write_text(text)

# --- the service manager is told; a request under way is answered, and a second signal does not wait for it ---
import socket
import ssl
notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notified.bind(str(work / "notify"))
notified.settimeout(10)
aad = ("127.0.0.1", int(environment["ATTESTATION_AAD_URL"].rsplit(":", 1)[1]))
server = Server(cella, data, "--quiet", env={"NOTIFY_SOCKET": str(work / "notify")}, wait=False)
check(notified.recv(100) == b"READY=1", "READY=1")
HALF = b"POST /attest/SgxEnclave?api-version=2020-10-01 HTTP/1.1\r\nHost: localhost:%d\r\nContent-Type: application/json\r\n" \
       b"Content-Length: 2\r\n\r\n{" % aad[1]
with socket.create_connection(aad, timeout=10) as raw, client.context.wrap_socket(raw, server_hostname="localhost") as s:
    s.sendall(HALF)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    check(server.process.poll() is None, "a request under way is waited for")
    try:
        Client(data).ask(environment["ATTESTATION_AAD_URL"] + "/certs", timeout=3)
        check(False, "no new connection is taken")
    except OSError:
        check(True, "no new connection is taken")
    s.sendall(b"}")
    got = s.recv(1000)
    check(got.startswith(b"HTTP/1.1 400 "), "and answered", got)
check(server.process.wait(timeout=10) == 0, "and then the end")
server.stop()
server = Server(cella, data)
with socket.create_connection(aad, timeout=10) as raw, client.context.wrap_socket(raw, server_hostname="localhost") as s:
    s.sendall(HALF)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    server.process.send_signal(signal.SIGTERM)  # at once: the same one, as timeout(1) sends it twice
    time.sleep(0.6)
    check(server.process.poll() is None, "the same signal at once is none more")
    started = time.monotonic()
    status, err = server.stop()
    check(status == 1 and time.monotonic() - started < 2 and "second time" in err, "a second signal", (status, err))

# --- nothing in plain text ---
server = Server(cella, data)
with socket.create_connection(aad, timeout=5) as s:
    s.sendall(b"GET /certs HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    try:
        got = s.recv(100)
    except OSError:
        pass
    check(b"HTTP/" not in got, "no plain HTTP", got)
core = pathlib.Path("/proc/%d/limits" % server.process.pid)
try:
    check(re.search(r"Max core file size\s+0\s+0", core.read_text()), "no core")
except PermissionError:
    pass
check(server.stop()[0] == 0, "the end")

print("%d checks, %d bad" % (count, bad))
sys.exit(bad != 0)
