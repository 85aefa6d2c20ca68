#!/usr/bin/env python3
"""Certificates and clocks of a running server: changed under load, mismatched, expired, renewed; a disk that is full:
certificates_test.py CELLA"""
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from server import Client, Server, free_ports

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory(prefix="cella-certificates-")
work = pathlib.Path(folder.name)
bad = count = 0


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority():
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", work / "ca.key", "-out",
            work / "ca.pem", "-days", "3650", "-subj", "/CN=authority of a test", "-addext", "keyUsage=critical,keyCertSign")


def issue(name, days):
    """A certificate for localhost that ends in so many days (below 0: that has ended)."""
    (work / "ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
                              "keyUsage=critical,digitalSignature\nbasicConstraints=critical,CA:FALSE\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", work / (name + ".key"), "-out",
            work / "csr", "-subj", "/CN=" + name)
    shutil.rmtree(work / "db", ignore_errors=True)
    (work / "db").mkdir()
    (work / "db" / "index").touch()
    (work / "db" / "conf").write_text("[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=%s\ndatabase=%s\nrand_serial=yes\ndefault_md=sha256\n"
                                      "policy=p\n[p]\ncommonName=supplied\n" % (work / "db", work / "db" / "index"))
    form = "%Y%m%d%H%M%SZ"
    begin = time.strftime(form, time.gmtime(time.time() - 40 * 86400))
    end = time.strftime(form, time.gmtime(time.time() + days * 86400))
    openssl("ca", "-batch", "-config", work / "db" / "conf", "-cert", work / "ca.pem", "-keyfile", work / "ca.key", "-in",
            work / "csr", "-out", work / (name + ".pem"), "-notext", "-startdate", begin, "-enddate", end, "-extfile", work / "ext")
    return (work / (name + ".pem")).read_bytes(), (work / (name + ".key")).read_bytes()


def put(path, content):
    """As careful tools do: whole, by its name."""
    new = path.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(content)
    new.rename(path)


class Trusting(Client):
    def __init__(self, path):
        self.context = ssl.create_default_context(cafile=str(path))


def served(port, context):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw, context.wrap_socket(raw, server_hostname="localhost") as s:
        return dict(x[0] for x in s.getpeercert()["subject"])["commonName"]


authority()
data = work / "data"
port = free_ports()
first = Server(cella, data, port=port)
check(first.stop()[0] == 0, "a development set-up")
conf = data / "cella.conf"
development = conf.read_text()
one, two = issue("one", 300), issue("two", 300)
for part, suffix in zip(one, (".pem", ".key")):
    put(data / "tls" / ("own" + suffix), part)
own = development.replace("development = yes", "certificate = tls/own.pem\nkey = tls/own.key")
conf.write_text(own)
url = "https://localhost:%d/certs" % (port + 2)
health = "https://127.0.0.1:%d/healthz" % (port + 6)
client = Trusting(work / "ca.pem")

# --- changed under load: no request fails, and the new one is served ---
server = Server(cella, data)
check(served(port + 2, client.context) == "one", "a certificate of one's own")
failed, answered, stop = [], [0], threading.Event()


def load():
    while not stop.is_set():
        try:
            status = client.ask(url)[0]
            if status != 200:
                failed.append(status)
            answered[0] += 1
        except OSError as error:
            failed.append(error)


threads = [threading.Thread(target=load) for _ in range(3)]
for t in threads:
    t.start()
for turn in range(4):
    certificate, key = two if turn % 2 == 0 else one
    put(data / "tls" / "own.pem", certificate)
    if turn >= 2:
        server.process.send_signal(signal.SIGHUP)  # in the middle: the two do not fit
        time.sleep(0.2)
    put(data / "tls" / "own.key", key)
    if turn >= 1:
        server.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + (5 if turn == 0 else 3)
    wanted = "two" if turn % 2 == 0 else "one"
    while time.monotonic() < until and served(port + 2, client.context) != wanted:
        time.sleep(0.05)
    check(served(port + 2, client.context) == wanted, "turn %d: the new certificate is served" % turn)
    check(served(port + 6, client.context) == wanted and served(port, client.context) == wanted, "and at every address")
stop.set()
for t in threads:
    t.join()
check(not failed and answered[0] > 100, "no request failed", (failed[:3], answered))
print("%d requests while certificates changed" % answered[0])

# --- what does not fit stays out ---
for content in (b"", b"nonsense\n", two[0][:200], two[0]):  # the last: of another key
    put(data / "tls" / "own.pem", content)
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    check(served(port + 2, client.context) == "one", "the old one stays", content[:20])
put(data / "tls" / "own.pem", one[0])
(data / "tls" / "own.key").chmod(0o644)  # others could read it: refused, and said so
server.process.send_signal(signal.SIGHUP)
time.sleep(0.3)
(data / "tls" / "own.key").chmod(0o600)
status, err = server.stop()
check(status == 0 and err.count("the old one stays") >= 4 and "others may read" in err, "and is told", err)

# --- expiry: soon, over, and mended while the server runs ---
for part, suffix in zip(issue("soon", 20), (".pem", ".key")):
    put(data / "tls" / ("own" + suffix), part)
server = Server(cella, data)
check(client.ask(health)[0] == 200, "one that expires soon serves")
metrics = client.ask(health.replace("healthz", "metrics"))[1].decode()
expires = int(re.search(r"^cella_certificate_not_after_seconds (\d+)", metrics, re.M)[1])
check(abs(expires - time.time() - 20 * 86400) < 60, "the metric says when", expires)
for part, suffix in zip(issue("over", -1), (".pem", ".key")):
    put(data / "tls" / ("own" + suffix), part)
server.process.send_signal(signal.SIGHUP)
time.sleep(0.5)
unsafe = ssl._create_unverified_context()
lenient = Client.__new__(Client)
lenient.context = unsafe
status, body, _ = lenient.ask(health)
check(status == 503 and b"certificate: " in body and b"not valid now" in body, "health says that it expired", body)
try:
    client.ask(url)
    check(False, "clients refuse it")
except ssl.SSLCertVerificationError:
    check(True, "clients refuse it")
for part, suffix in zip(one, (".pem", ".key")):
    put(data / "tls" / ("own" + suffix), part)
server.process.send_signal(signal.SIGHUP)
time.sleep(0.5)
check(client.ask(health)[0] == 200, "a new one mends it")
status, err = server.stop()
check("expires at" in err and "expired at" in err, "and both are in the log", err)
for part, suffix in zip(issue("over", -1), (".pem", ".key")):
    put(data / "tls" / ("own" + suffix), part)
server = Server(cella, data)
status, err = server.stop()
check("expired at" in err and "put a new one in its place" in err, "an expired one at start is told", err)
(data / "tls" / "own.key").unlink()
failing = subprocess.run([cella, "serve", "--data", data], capture_output=True, text=True, timeout=20)
check(failing.returncode == 1 and "own.key" in failing.stderr, "none at start is an error", failing.stderr)
conf.write_text(development)

# --- clocks that jump: the development certificate is renewed, tokens of the wrong time are not taken ---
library = next((p for p in pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
if library:
    clock = work / "clock"
    clock.write_text("+0d")
    fake = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    server = Server(cella, data, env=fake)
    lasting = {}
    for jump in ("+70d", "+0d", "-2d", "+200d", "+3000d"):
        clock.write_text(jump)
        time.sleep(3.2)
        with socket.create_connection(("127.0.0.1", port + 2), timeout=5) as raw, unsafe.wrap_socket(raw) as s:
            der = s.getpeercert(True)
        (work / "der").write_bytes(der)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", work / "der", "-noout", "-dates"], capture_output=True,
                              text=True, check=True).stdout
        dates = [ssl.cert_time_to_seconds(line.split("=")[1].strip()) for line in text.strip().splitlines()]
        now = time.time() + int(jump[:-1]) * 86400
        check(dates[0] <= now <= dates[1] - 25 * 86400, "clock at %s: the certificate is valid" % jump, text)
        check(lenient.ask(health)[0] == 200, "clock at %s: well" % jump, lenient.ask(health))
    status, err = server.stop()
    check(status == 0, "the end", err)
else:
    print("no libfaketime: clocks that jump are not tested")

# --- a disk that is full ---
small = work / "small"
small.mkdir()
inside = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size="$0" none "$1" && shift && exec "$@"']
if subprocess.run([*inside, "100k", small, "true"], capture_output=True).returncode == 0:
    for size in ("4k", "16k", "40k", "64k", "100k"):
        done = subprocess.run([*inside, size, small, cella, "serve", "--port", str(free_ports()), "--data", small / "data"],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode == 1 and re.search("No space|full", done.stderr), "a first start on a disk of %s is told" % size,
              (done.returncode, done.stderr[-300:]))
    # and one that fills up while it serves
    script = 'mount -t tmpfs -o size=4m none "$1" && { "$2" serve --quiet --port "$3" --data "$1/data" & } && ' \
             'while read -r line; do eval "$line"; echo done; done; kill $!; wait $!; echo "ended $?"'
    port = free_ports()
    shell = subprocess.Popen(["unshare", "-rm", "sh", "-c", script, "sh", str(small), str(cella), str(port)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def inside_it(line):
        shell.stdin.write(line + "\n")
        shell.stdin.flush()
        return shell.stdout.readline()

    def health_is(wanted, words, seconds=25):
        until = time.monotonic() + seconds
        status = body = None
        while time.monotonic() < until:
            try:
                status, body, _ = lenient.ask("https://127.0.0.1:%d/healthz" % (port + 6))
                if status == wanted and words in body:
                    return True
            except OSError:
                pass
            time.sleep(0.2)
        print("health:", status, body)
        return False

    check(health_is(200, b"ready"), "a server on a small disk")
    inside_it('dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null; true')
    check(health_is(503, b"store: "), "a disk that fills up is told")
    check(lenient.ask("https://localhost:%d/certs" % (port + 2))[0] == 200, "and what needs no disk is served")
    inside_it('rm "$1/filler"')
    check(health_is(200, b"ready"), "and it is well again when there is room")
    shell.stdin.close()
    check("ended 0" in shell.stdout.read(), "the end", shell.stderr.read())
    shell.wait(timeout=20)
else:
    print("no mount namespaces: a full disk is not tested")

print("%d checks, %d bad" % (count, bad))
sys.exit(bad != 0)
