#!/usr/bin/env python3
"""`cella collateral serve` as Intel's clients, curl and less friendly ones meet it: serve_test.py CELLA"""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
try:
    import paper_intel as paper
except ImportError as absent:
    print("skipped:", absent)
    sys.exit(77)

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
AT = paper.NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
SGX, TDX = "/sgx/certification/v4/", "/tdx/certification/v4/"
bad = count = 0


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, str(more)[:600])


def run(*arguments):
    done = subprocess.run([cella, "collateral", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


class Server:
    def __init__(self, bundle, *more):
        arguments = more or ("--cert", tls[0], "--key", tls[1])
        self.process = subprocess.Popen([cella, "collateral", "serve", bundle, "--listen", "127.0.0.1:0", "--roots",
                                         work / "roots", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.line = self.process.stdout.readline()
        self.port = int(re.search(r"https://127\.0\.0\.1:(\d+)/", self.line).group(1))

    def stop(self):
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        return status, time.monotonic() - started


def connect(server, plain=False, **how):
    context = ssl.create_default_context(cafile=str(tls[0]))
    for key, value in how.items():
        setattr(context, key, value)
    raw = socket.create_connection(("127.0.0.1", server.port), 10)
    return raw if plain else context.wrap_socket(raw, server_hostname="127.0.0.1")


def speak(server, request, wait=10):
    """Raw bytes out, all that comes until the end in."""
    with connect(server) as s:
        s.settimeout(wait)
        data = b""
        try:
            s.sendall(request)
            while part := s.recv(65536):
                data += part
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError, TimeoutError):
            pass
        return data


def get(server, target, method="GET", more=b""):
    request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + more + b"\r\n"
    head, _, body = speak(server, request).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/") else 0
    return status, dict(l.split(": ", 1) for l in lines[1:] if ": " in l), body


tls = paper.tls_files(work)
maker, stranger = paper.Maker(), paper.Maker()
(work / "roots").mkdir()
(work / "roots" / "root.pem").write_bytes(paper.pem(maker.root))
usual = maker.answers()
source = work / "source"
source.mkdir()
for i, (kind, _, chain, body) in enumerate(usual.values()):
    (source / f"item-{i}{'.json' if 'json' in kind else '.der'}").write_bytes(body)
    if chain:
        (source / f"chain-{i}.pem").write_bytes(chain)
bundle = work / "bundle"
status, text = run("import", source, "-o", bundle, "--roots", work / "roots")
check(status == 0, "import", text)
server = Server(bundle)

# curl, as an operator would: exact bodies, content types, and chains that decode to the certificates
for path, (kind, header, chain, body) in usual.items():
    target = path.replace("?platform", "?ca=platform&encoding=der").replace("?processor", "?ca=processor&encoding=der")
    target += "?fmspc=" + paper.FMSPC if path.endswith("/tcb") else ""
    done = subprocess.run(["curl", "-sS", "--cacert", tls[0], "-D", work / "head", "-o", work / "body",
                           f"https://127.0.0.1:{server.port}{target}"], capture_output=True, text=True, timeout=30)
    head = dict(l.split(": ", 1) for l in (work / "head").read_text().splitlines()[1:] if ": " in l)
    check(done.returncode == 0 and (work / "body").read_bytes() == body, "curl: body of " + target, done.stderr)
    check(head.get("Content-Type") == kind, "content type of " + target, head)
    check(not header or urllib.parse.unquote(head.get(header, "")).encode() == chain, f"{header} of {target}", head)
    check(not header or re.fullmatch(r"[A-Za-z0-9._~%-]+", head.get(header, "")), "encoding of " + target)
check(get(server, SGX + "tcb?fmspc=" + paper.FMSPC.upper())[0] == 200, "FMSPC in capitals, as Intel's client sends it")
for ca in ("platform", "PROCESSOR"):
    status, head, body = get(server, SGX + f"pckcrl?ca={ca}")
    check(status == 200 and body.startswith(b"-----BEGIN X509 CRL-----") and head["Content-Type"] == "application/x-pem-file",
          "a list in PEM when DER is not asked for", (status, head))
for query, want in {"update=standard": 200, "update=early": 200, "update=soon": 400, "tcbEvaluationDataNumber=20": 200,
                    "tcbEvaluationDataNumber=19": 404, "tcbEvaluationDataNumber=x": 400, "tcbEvaluationDataNumber=": 400,
                    "tcbEvaluationDataNumber=20&update=early": 400, "tcbEvaluationDataNumber=99999999999999999999": 400,
                    "ca=platform": 200}.items():
    check(get(server, SGX + f"tcb?fmspc={paper.FMSPC}&{query}")[0] == want, "tcb with " + query)
    check(get(server, SGX + "qe/identity?" + query)[0] == want, "identity with " + query)

# what is not there, what is malformed, and paths in disguise: never 200, never a crash
targets = {
    "/": 404, SGX: 404, SGX + "qve/identity": 404, TDX + "qe/identity": 404, TDX + "tcb?fmspc=" + paper.FMSPC: 404,
    SGX + "tcb?fmspc=000000000000": 404, SGX + "tcb": 400, SGX + "tcb?fmspc=": 400, SGX + "tcb?fmspc=00": 400,
    SGX + "tcb?fmspc=zzzzzzzzzzzz": 400, SGX + f"tcb?fmspc={paper.FMSPC}&fmspc={paper.FMSPC}": 400,
    SGX + f"tcb?FMSPC={paper.FMSPC}": 400, SGX + "pckcrl": 400, SGX + "pckcrl?ca=root": 400, SGX + "pckcert": 404,
    SGX + "pckcrl?ca=platform&encoding=xml": 400, SGX + "tcb/": 404, SGX + "TCB?fmspc=" + paper.FMSPC: 404,
    SGX + "rootcacrl/../tcb?fmspc=" + paper.FMSPC: 400, SGX + "../v4/rootcacrl": 400, "/sgx/./certification/v4/rootcacrl": 400,
    "//sgx/certification/v4/rootcacrl": 400, "/sgx//certification/v4/rootcacrl": 400, SGX + "rootcacrl%00": 400,
    "/sgx/certification/v4/root%63acrl": 400, "/sgx%2fcertification/v4/rootcacrl": 400, SGX + "rootcacrl%2e": 400,
    SGX + "rootcacrl;x=1": 400, SGX + "..%2f..%2fetc/passwd": 400, SGX + "rootcacrl\\": 400, "/%": 400, "/a?%": 400,
    "/a?=": 400, "/a?b=%zz": 400, "/a?b=%0a": 400, "/a?" + "&".join(f"k{i}=v" for i in range(40)): 400,
    "/" + "a" * 5000: 400, SGX + "rootcacrl?" + "a=" + "b" * 4100: 400, "/sgx/certification/v3/rootcacrl": 404,
}
for target, want in targets.items():
    status, head, body = get(server, target)
    check(status == want, f"{want} for {target[:80]}", (status, body[:80]))
for method in ("POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "FROB"):
    status, head, body = get(server, SGX + "rootcacrl", method)
    check(status == 405 and head.get("Allow") == "GET", "405 for " + method, (status, head))

# limits, and requests that are none
check(get(server, "/", more=b"X: " + b"y" * 20000 + b"\r\n")[0] == 431, "headers over the limit")
check(get(server, SGX + "rootcacrl", "POST", b"Content-Length: 5\r\n")[0] in (400, 413), "a body")
check(get(server, SGX + "rootcacrl", more=b"Content-Length: 99999999999\r\n")[0] in (400, 413), "a huge body")
check(b" 200 " not in speak(server, b"GET / HTTP/9.9\r\n\r\n", 3), "a version that is none")
for junk in (b"\0" * 100, b"GET\r\n\r\n", b"\r\n" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", os.urandom(500) + b"\r\n\r\n"):
    check(b" 200 " not in speak(server, junk, 3), "junk", junk[:20])
smuggled = speak(server, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                 b"GET /sgx/certification/v4/rootcacrl HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 3)
check(smuggled.count(b"HTTP/1.1 200") <= 1, "one request with two lengths", smuggled)

# TLS 1.3 alone, HTTP/1.1 alone, no plain text
with connect(server) as s:
    check(s.version() == "TLSv1.3", "TLS 1.3", s.version())
old = subprocess.run(["curl", "-sS", "--tls-max", "1.2", "--cacert", tls[0], f"https://127.0.0.1:{server.port}/"],
                     capture_output=True, text=True, timeout=30)
check(old.returncode == 35, "TLS 1.2 is refused", old.stderr)
two = subprocess.run(["curl", "-sS", "--http2", "--cacert", tls[0], "-o", "/dev/null", "-w", "%{http_version}",
                      f"https://127.0.0.1:{server.port}/"], capture_output=True, text=True, timeout=30)
check(two.stdout == "1.1", "HTTP/1.1 where HTTP/2 is offered", two.stdout)
with connect(server, plain=True) as s:
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        plain = s.recv(4096)
    except ConnectionResetError:
        plain = b""
    check(b"HTTP/1.1" not in plain, "nothing in plain text", plain)

# keep-alive and pipelining answer in order on one connection
with connect(server) as s:
    s.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (t, b"Connection: close\r\n" if i == 2 else b"")
                       for i, t in enumerate([b"/nothing", SGX.encode() + b"rootcacrl", b"/nothing"])))
    data = b""
    while part := s.recv(65536):
        data += part
    check(re.findall(rb"HTTP/1.1 (\d+)", data) == [b"404", b"200", b"404"], "three on one connection", data[:100])

# fifty at once, with two hundred idle beside them
idle = [connect(server, plain=True) for _ in range(200)]
with concurrent.futures.ThreadPoolExecutor(50) as pool:
    answers = list(pool.map(lambda _: get(server, SGX + "tcb?fmspc=" + paper.FMSPC), range(50)))
check(all(a[0] == 200 and a[2] == usual[SGX + "tcb"][3] for a in answers), "fifty at once", [a[0] for a in answers])
for s in idle:
    s.close()

# what it gives comes back through fetch as the same bundle
status, text = run("fetch", "--fmspc", paper.FMSPC, "--pcs", f"https://127.0.0.1:{server.port}", "--ca", tls[0], "-o",
                   work / "back", "--time", AT, "--roots", work / "roots")
check(status == 0 and (work / "back").read_bytes() == bundle.read_bytes(), "serve and fetch: the same bytes", text)

# SIGTERM: the request under way is answered, idle connections end, no new one is taken
half, waiting = connect(server), connect(server)
waiting.sendall(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
check(b"404" in waiting.recv(4096), "one that then idles")
half.sendall(b"GET " + SGX.encode() + b"rootcacrl HTTP/1.1\r\nHo")
time.sleep(0.2)
started = time.monotonic()
server.process.send_signal(signal.SIGTERM)
time.sleep(0.4)
try:
    socket.create_connection(("127.0.0.1", server.port), 1).close()
    check(False, "no new connection while draining")
except OSError:
    check(True, "")
half.sendall(b"st: x\r\n\r\n")
data = b""
half.settimeout(5)
while part := half.recv(65536):
    data += part
check(b" 200 " in data and b"connection: close" in data.lower(), "the request under way is answered", data[:200])
check(server.process.wait(10) == 0 and time.monotonic() - started < 4, "drained in time", time.monotonic() - started)
waiting.close()
server = Server(bundle)
stuck = connect(server)
stuck.sendall(b"GET /never")
time.sleep(0.2)
status, took = server.stop()
check(status == 0 and took < 8, "a request that never ends is cut off", took)
stuck.close()
check(Server(bundle).stop()[1] < 1, "nobody there: at once")

# one that sends a byte a second gets no more than the time for a request
server = Server(bundle)
with connect(server) as s:
    started = time.monotonic()
    s.settimeout(1)
    ended = False
    for byte in b"GET /slow HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 100:
        try:
            s.sendall(bytes([byte]))
            ended = s.recv(64)[:12] in (b"", b"HTTP/1.1 408")
        except TimeoutError:
            continue
        except (OSError, ssl.SSLError):
            ended = True
        if ended or time.monotonic() - started > 20:
            break
    check(ended and time.monotonic() - started < 15, "a slow request", time.monotonic() - started)
check(server.stop()[0] == 0, "and the server is well")

# the certificate of a run, and what serve refuses to start with
server = Server(bundle, "--insecure-cert", work / "made.pem")
done = subprocess.run(["curl", "-sS", "--cacert", work / "made.pem", "-o", "/dev/null", "-w", "%{http_code}",
                       f"https://localhost:{server.port}{SGX}rootcacrl"], capture_output=True, text=True, timeout=30)
check(done.stdout == "200", "the certificate made for the run", done.stderr)
server.stop()
check("insecure" in server.process.stderr.read(), "which warns")
os.chmod(tls[1], 0o644)
status, text = run("serve", bundle, "--roots", work / "roots", "--cert", tls[0], "--key", tls[1], "--listen", "127.0.0.1:0")
check(status != 0 and "tls.key" in text, "a key that others may read", text)
os.chmod(tls[1], 0o600)
for arguments, words in ((["--cert", tls[0]], "--key"), (["--listen", "localhost:1", "--cert", tls[0], "--key", tls[1]], "numeric"),
                         (["--listen", "127.0.0.1", "--cert", tls[0], "--key", tls[1]], "numeric"),
                         (["--cert", tls[1], "--key", tls[1]], "certificate"), (["--cert", tls[0], "--key", tls[0]], "key")):
    status, text = run("serve", bundle, "--roots", work / "roots", *arguments)
    check(status != 0 and words in text, f"serve {arguments}", text)
status, text = run("serve", bundle, "--cert", tls[0], "--key", tls[1])
check(status != 0 and "nothing in it" in text, "a bundle of another root", text)
(work / "part").mkdir()
(work / "part" / "tcb.json").write_bytes(usual[SGX + "tcb"][3])
status, text = run("import", work / "part", "-o", work / "partial", "--roots", work / "roots")
check(status != 0 and not (work / "partial").exists() and "left out" in text, "an item without its chain", text)

# import: the newest of each thing, in any order; what does not hold is left out; show says so
mixed = work / "mixed"
mixed.mkdir()
evil = stranger.answers(evaluation=99)
for i, answers in enumerate((maker.answers(evaluation=21), usual, maker.answers(evaluation=18))):
    (mixed / f"tcb-{i}.json").write_bytes(answers[SGX + "tcb"][3])
(mixed / "chain.pem").write_bytes(usual[SGX + "tcb"][2])
(mixed / "evil.json").write_bytes(evil[SGX + "tcb"][3])
(mixed / "evil.pem").write_bytes(evil[SGX + "tcb"][2])
(mixed / "broken.json").write_bytes(usual[SGX + "tcb"][3][:-40])
(mixed / "notes.txt").write_text("nothing of interest\n")
status, text = run("import", mixed, "-o", work / "newest", "--roots", work / "roots")
shown = json.loads(run("show", work / "newest", "--json", "--roots", work / "roots", "--time", AT)[1])["items"]
numbers = [i["tcb_evaluation_data_number"] for i in shown if i["kind"] == "tcb info"]
check(status == 0 and numbers == [21], "the newest of three and a forgery", (text, numbers))
check(len(shown) == 3 and all(i["state"] == "holds" for i in shown), "and nothing else", shown)
table = run("show", mixed, "--roots", work / "roots", "--time", AT)[1]
rows = [l.split()[-1] if l.endswith("holds") else "failed" for l in table.splitlines() if l.startswith("tcb_info-sgx-")]
check(rows == ["holds", "failed"], "show tells what failed, behind what holds", table)

print("%d checks, %d failed" % (count, bad))
sys.exit(bad != 0)
