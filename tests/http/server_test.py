#!/usr/bin/env python3
"""Limits, deadlines, TLS, certificates, log, metrics and end of the http part's server: server_test.py STAND"""
import concurrent.futures
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

from serving import Stand, answers, check, finish, rss, work

program = sys.argv[1]
GET = b"GET /first HTTP/1.1\r\nHost: x\r\n"
LAST = b"Connection: close\r\n\r\n"


sanitized = b"san.so" in open(program, "rb").read()


def openssl(stand, *arguments, text=b"", site="a"):
    arguments += ("-ign_eof",) if text else ()
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{getattr(stand, site)}", *arguments], input=text,
                          capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode("latin-1")


def curl(stand, *arguments, path="/first", cert=None):
    done = subprocess.run(["curl", "-sS", "--cacert", cert or f"{stand.cert}.a", "-D", "-", *arguments,
                           f"https://localhost:{stand.a}{path}"], capture_output=True, timeout=30)
    return done.stdout.decode("latin-1") + done.stderr.decode("latin-1")


def ends(s, wait):
    """How long until the server ends the connection; None when it does not."""
    started = time.monotonic()
    s.settimeout(wait)
    try:
        while s.recv(65536):
            s.settimeout(max(0.01, wait - (time.monotonic() - started)))
    except TimeoutError:
        return None
    except OSError:
        pass
    return time.monotonic() - started


# --- Clients as they are ---
stand = Stand(program, workers=2)
text = curl(stand)
check("HTTP/1.1 200" in text and '"method":"GET"' in text and f'"authority":"localhost:{stand.a}"' in text, "curl", text)
(work / "body").write_bytes(b"x" * 200000)
text = curl(stand, "-T", str(work / "body"), "-H", "Transfer-Encoding: chunked")
check('"body":200000' in text, "curl -T in chunks", text)
text = curl(stand, "--data-binary", f"@{work / 'body'}", "-H", "Expect: 100-continue")
check("100 Continue" in text and '"body":200000' in text, "curl waits for 100", text)
text = curl(stand, "--data-binary", "@-", "-H", "Content-Length: 0")
check("HTTP/1.1 200" in text and '"body":0' in text, "an empty body", text)
check("Content-Length: 500" in curl(stand, "-I", path="/json"), "HEAD")
check("HTTP/1.1 204" in (text := curl(stand, path="/status?is=204")) and "Content-Length" not in text, "204", text)
for wrong in (0, 99, 100, 101, 199, 600, 1000):
    check("HTTP/1.1 500" in (text := curl(stand, path=f"/status?is={wrong}")) and "method" not in text, f"status {wrong} is none", text)
check("HTTP/1.1 500" in (text := curl(stand, path="/none")) and "InternalServerError" in text, "nothing said", text)
check("HTTP/1.1 500" in (text := curl(stand, path="/split")) and "Evil" not in text, "no header within a header", text)
text = curl(stand, path="/headers")
check(len(re.findall(r"X-(?:Odd|Even): \d+ \d{60}\r", text)) == 12, "copied headers", text)
check('"test":"a b"' in curl(stand, "-H", "X-Test:  a b "), "a header of the request")
check('"test":"-"' in curl(stand, "-H", "X-Test: a", "-H", "X-test: b"), "a header that came twice is none")
for size in (0, 1, 16383, 16384, 100000, 5000000):
    (_, _, body), = stand.get("a", b"GET /big?size=%d HTTP/1.1\r\nHost: x\r\n" % size + LAST)
    check(len(body) == size, f"an answer of {size} bytes", len(body))
(s, _, body), = stand.get("a", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n" + LAST + b"y" * 1048576)
check(s == 200 and b'"body":1048576' in body, "the largest body", body)

# --- Ids ---
(s, headers, body), = stand.get("a", GET + b"x-ms-client-request-id: My-Id-1\r\n" + LAST)
check(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", headers["x-ms-request-id"]), "an id", headers)
check(headers["x-ms-request-id"].encode() in body and headers["x-ms-client-request-id"] == "My-Id-1", "that the handler knows", body)
for bad in (b"a" * 129, b"a b", b"<a>", b"a\tb", b"", b"caf\xc3\xa9", b"a\r\nx-ms-client-request-id: b"):
    (s, headers, _), = stand.get("a", GET + b"x-ms-client-request-id: " + bad + b"\r\n" + LAST)
    check(s == 200 and "x-ms-client-request-id" not in headers, f"the client's id {bad} is not sent back", headers)
ids = [a[1]["x-ms-request-id"] for a in stand.get("a", (GET + b"\r\n") * 200 + GET + LAST)]
check(len(ids) == 201 == len(set(ids)), "ids are new each time", len(set(ids)))

# --- Workers: connections are shared out evenly, and served at the same time ---
held = [stand.connect() for _ in range(20)]
workers = []
for s in held:
    s.sendall(GET + b"\r\n")
    workers.append(re.search(rb'"worker":(\d)', s.recv(65536))[1])
check(workers.count(b"0") == workers.count(b"1") == 10, "workers have as many connections each", workers)
started = time.monotonic()
for s in held[:2]:
    s.sendall(b"GET /slow?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n")
for s in held[:2]:
    s.recv(65536)
check(time.monotonic() - started < 1.8, "two slow answers at the same time", time.monotonic() - started)
for s in held:
    s.close()

# --- TLS (K18) ---
check("Verification error" not in openssl(stand, "-tls1_3", "-CAfile", f"{stand.cert}.a", "-servername", "localhost"), "TLS 1.3")
for old in ("-tls1", "-tls1_1", "-tls1_2"):
    check("Cipher is (NONE)" in (text := openssl(stand, old, "-cipher", "ALL:@SECLEVEL=0")), f"{old[1:]} is refused", text)
text = openssl(stand, "-tls1_3", "-alpn", "http/1.1,h2", text=GET + LAST)
check("ALPN protocol: http/1.1" in text, "ALPN", text)
check("alert no application protocol" in (text := openssl(stand, "-alpn", "h2")), "only HTTP/2: no handshake", text)
text = openssl(stand, "-tls1_3", "-sess_out", str(work / "session"), text=GET + LAST)
check("NewSessionTicket" not in text and "Reused" not in text and not (work / "session").exists(), "no ticket to resume with", text)


def updates(number):
    """Asks for new keys that often, and then for an answer."""
    client = subprocess.Popen(["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{stand.a}"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.3)
    try:
        for line in [b"K\n"] * number + [GET + b"\r\n"]:
            client.stdin.write(line)
            client.stdin.flush()
            time.sleep(0.02)
        time.sleep(0.3)
        return b"HTTP/1.1 200" in client.communicate(b"Q\n", timeout=10)[0]
    except OSError:
        client.wait(10)
        return False


check(updates(5), "a client may change its keys")
check(not updates(40), "but not without end")
with stand.connect(plain=True) as s:
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    check(ends(s, 3) is not None, "plain HTTP gets no answer")
check(stand.stop()[0] == 0, "ends well")

stand = Stand(program, workers=2, tls12=1)
text = openssl(stand, "-tls1_2", text=GET + LAST)
check("HTTP/1.1 200" in text and "Secure Renegotiation IS supported" in text and "Compression: NONE" in text, "TLS 1.2 as an option", text)
check("Session-ID: \n" in text and "TLS session ticket" not in text, "nothing to resume in TLS 1.2", text)
for weak in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256", "aNULL", "PSK"):
    check("Cipher is (NONE)" in (text := openssl(stand, "-tls1_2", "-cipher", weak + ":@SECLEVEL=0")) or "no cipher match" in text,
          f"{weak} is refused", text)
for good in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
    check(f"Cipher is {good}" in (text := openssl(stand, "-tls1_2", "-cipher", good)), good, text)
for old in ("-tls1", "-tls1_1"):
    check("Cipher is (NONE)" in openssl(stand, old, "-cipher", "ALL:@SECLEVEL=0"), f"{old[1:]} is still refused")
done = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{stand.a}"], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
time.sleep(0.3)
done.stdin.write(b"R\n")
done.stdin.flush()
time.sleep(0.5)
check("no renegotiation" in (text := done.communicate(b"Q\n", timeout=10)[0].decode("latin-1")), "a client asks to renegotiate", text[-800:])
stand.stop()

# --- Certificates: new ones for new connections, a bad one leaves the old one ---
stand = Stand(program, workers=2)


def pair(name, kind):
    subprocess.run(["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", str(work / f"{name}.key"), "-out", str(work / f"{name}.pem")],
                   check=True, capture_output=True)


pair("next", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
pair("rsa", ["rsa:2048"])
served = lambda site="a": ssl.get_server_certificate(("127.0.0.1", getattr(stand, site)))
first = served()
old = stand.connect()
check(stand.command(f"certify a {work}/next.pem {work}/rsa.key") == "integrity", "a key of another certificate")
check(stand.command(f"certify a {work}/next.key {work}/next.key") == "format", "no certificate")
check(stand.command(f"certify a {work}/next.pem {work}/next.pem") == "format", "no key")
check(stand.command(f"certify d {work}/next.pem {work}/next.key") == "usage", "no such site")
check(served() == first, "what did not fit changed nothing")
check(stand.command(f"certify a {work}/next.pem {work}/next.key") == "done", "a new certificate")
check(served() != first and served().strip() == (work / "next.pem").read_text().strip(), "is given from now on")
check(served("b").strip() == open(f"{stand.cert}.b").read().strip(), "at its site alone")
old.sendall(GET + b"\r\n")
check(b" 200 " in old.recv(65536), "and an old connection goes on")
old.close()


def reload(n):
    name = ("next", "rsa")[n % 2]
    return stand.command(f"certify a {work}/{name}.pem {work}/{name}.key")


def one(_):
    with socket.create_connection(("127.0.0.1", stand.a), 10) as raw:
        context = ssl._create_unverified_context()
        with context.wrap_socket(raw) as s:
            s.sendall(GET + LAST)
            return s.recv(65536)[9:12]


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    made = [pool.submit(one, i) for i in range(200)]
    changed = [reload(n) for n in range(50)]
check({m.result() for m in made} == {b"200"} and set(changed) == {"done"}, "changed under load")
stand.stop()

# --- Deadlines (K17): a handshake, a header, a body, an answer and idleness, however slowly they drip ---
stand = Stand(program, workers=2, request_ms=1000, idle_ms=2500)


def drip(first, rest, wait=4):
    with stand.connect() as s:
        started = time.monotonic()
        s.sendall(first)
        s.settimeout(0.05)
        data = b""
        while time.monotonic() - started < wait:
            try:
                s.sendall(rest)
                part = s.recv(65536)
                data += part
                if not part:
                    return time.monotonic() - started, data
            except TimeoutError:
                pass
            except OSError:
                return time.monotonic() - started, data
    return None, data


def stalled():
    with stand.connect(plain=True) as s:
        return ends(s, 4)


def half_a_handshake():
    with stand.connect(plain=True) as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        return ends(s, 4)


def dripped_handshake():
    with stand.connect(plain=True) as s:
        s.settimeout(0.1)
        started = time.monotonic()
        for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100):
            try:
                s.sendall(bytes([byte]))
                if not s.recv(100):
                    return time.monotonic() - started
            except TimeoutError:
                continue
            except OSError:
                return time.monotonic() - started


def never_reads():
    with stand.connect() as s:
        s.sendall(b"GET /big?size=8000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(2.5)
        return len(s.recv(65536)), stand.metrics()['cella_http_refused_total{why="time"}']


def idle():
    with stand.connect() as s:
        s.sendall(GET + b"\r\n")
        s.recv(65536)
        return ends(s, 5)


jobs = {"header": (drip, GET + b"X: ", b"y"), "request line": (drip, b"G", b"E"), "body": (drip, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b"y"),
        "chunks": (drip, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\ny\r\n"),
        "stalled": (stalled,), "half a handshake": (half_a_handshake,), "a handshake in drops": (dripped_handshake,), "idle": (idle,),
        "never reads": (never_reads,)}
with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
    done = {name: pool.submit(*job) for name, job in jobs.items()}
    done = {name: job.result() for name, job in done.items()}
for name in ("header", "request line", "body", "chunks"):
    took, data = done[name]
    check(took and 0.8 < took < 2.5 and data.startswith(b"HTTP/1.1 408"), f"{name} in drops: cut at the deadline", done[name])
for name in ("stalled", "half a handshake", "a handshake in drops"):
    check(done[name] and 0.8 < done[name] < 2, f"{name}: cut at the deadline", done[name])
check(done["idle"] and 2 < done["idle"] < 3.5, "idle", done["idle"])
check(done["never reads"][1] >= 1, "one that never takes its answer is cut", done["never reads"])

# --- Log and metrics (K11) ---
stand.get("a", b"POST /note/CANARY-path?sig=CANARY-query HTTP/1.1\r\nHost: CANARY-host\r\nAuthorization: Bearer CANARY-token\r\n"
          b"Content-Length: 11\r\n" + LAST + b"CANARY-body")
stand.get("b", b"GET /note HTTP/1.1\r\nHost: x\r\n" + LAST)
stand.get("a", b"GET /" + b"p" * 2000 + b" HTTP/1.1\r\nHost: x\r\n" + LAST)
stand.get("a", b"GET /a\x1b[31m HTTP/1.1\r\nHost: x\r\n" + LAST)
log = stand.log.read_text()
lines = log.splitlines()
check(all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 127\.0\.0\.1 (a|b|metrics) \S+ \S+ \d{3} \d+ \d+ us [0-9a-f-]{36}( .+)?", l) for l in lines),
      "lines of the log", log[:600])
check("POST /note/CANARY-path 200" in log and "CANARY-query" not in log and "CANARY-token" not in log and "CANARY-body" not in log
      and "CANARY-host" not in log, "a path alone", log)
check(any(l.endswith(" a word") for l in lines) and "\x1b" not in log and max(map(len, lines)) < 512, "notes, no controls, no long lines")
m = stand.metrics()
text = str(m)
check("CANARY" not in text, "nothing of a caller is a label")
check(m['cella_http_requests_total{site="a",class="2xx"}'] >= 2 and m['cella_http_requests_total{site="b",class="2xx"}'] == 1
      and m['cella_http_requests_total{site="a",class="4xx"}'] >= 5 and m["cella_http_connections"] == 1
      and m['cella_http_request_seconds_count{site="b"}'] == 1 and m['cella_http_refused_total{why="handshake"}'] >= 0
      and m['cella_http_refused_total{why="malformed"}'] >= 1 and m["cella_http_sent_bytes_total"] > 1000, "metrics", text)
stand.stop()

# --- Numbers of connections (K17) ---
stand = Stand(program, workers=2, peer_max=5, request_ms=5000)
held = [stand.connect() for _ in range(5)]
with stand.connect(plain=True) as s:
    check(ends(s, 2) is not None, "a sixth connection of one address is closed")
held[0].close()
time.sleep(0.3)
check(stand.get("a", GET + LAST)[0][0] == 200, "and one has its place when another went")
for s in held:
    s.close()
stand.stop()
stand = Stand(program, workers=2, connection_max=4, request_ms=5000)
held = [stand.connect() for _ in range(4)]
waiting = stand.connect(plain=True)
wrapped = []
thread = threading.Thread(target=lambda: wrapped.append(stand.context().wrap_socket(waiting, server_hostname="localhost")))
thread.start()
time.sleep(0.5)
check(not wrapped, "one more than all waits")
held[0].close()
thread.join(5)
check(wrapped, "until one went")
for s in held + wrapped:
    s.close()
stand.stop()

# --- Memory (K17) ---
stand = Stand(program, workers=2, memory_max=3000000, request_ms=5000)
held = []
for _ in range(8):
    held.append(stand.connect())
    held[-1].sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"y" * 900000)
time.sleep(0.5)
refused = 0
for s in held:
    s.settimeout(0.2)
    try:
        refused += b"HTTP/1.1 503" in s.recv(65536)
    except TimeoutError:
        pass
check(4 <= refused <= 7, "large bodies beyond the memory for them", refused)
check(stand.get("a", GET + LAST)[0][0] == 200, "small requests are answered all the same")
for s in held:
    s.close()
time.sleep(0.3)
for _ in range(20):
    got = stand.get("a", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n" + LAST + b"y" * 1000000)
    if got[0][0] != 200:
        break
check(got[0][0] == 200, "and large ones when the others went", got)
stand.stop()

# --- Many idle ones, and slow ones beside quick ones; the whole size is in bench/http_flood.py ---
stand = Stand(program, workers=2, request_ms=3000, idle_ms=20000)
before = rss(stand.process)
held = [stand.connect() for _ in range(200)]
for s in held:
    s.sendall(GET + b"\r\n")
for s in held:
    s.recv(65536)
each = (rss(stand.process) - before) / len(held)
print(f"{each:.1f} KiB an idle connection")
check(each < 24 or sanitized, "an idle connection is small", each)
slow = [stand.connect() for _ in range(200)]
for s in slow:
    s.sendall(GET + b"X: ")
times = []
for _ in range(100):
    started = time.monotonic()
    held[0].sendall(GET + b"\r\n")
    held[0].recv(65536)
    times.append(time.monotonic() - started)
    for s in slow[::10]:
        try:
            s.sendall(b"y")
        except OSError:
            pass
check(sorted(times)[98] < 0.1, "quick ones are served beside slow ones", sorted(times)[-3:])
for s in held + slow:
    s.close()

# --- The end: requests under way are answered ---
half, busy, resting = stand.connect(), stand.connect(), stand.connect()
half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
busy.sendall(b"GET /slow?ms=800 HTTP/1.1\r\nHost: x\r\n\r\n")
time.sleep(0.2)
started = time.monotonic()
stand.process.send_signal(signal.SIGTERM)
check((ends(resting, 3) or 9) < 2, "an idle one ends")
half.sendall(b"llo")
half.settimeout(5)
busy.settimeout(5)
check(b"Connection: close" in half.recv(65536), "half a request is answered when its rest comes")
check(b"Connection: close" in busy.recv(65536), "a request under way is answered")
check(stand.process.wait(10) == 0 and time.monotonic() - started < 4, "and the server ends", time.monotonic() - started)
stand = Stand(program, workers=2, drain_ms=500)
with stand.connect() as s:
    s.sendall(b"GET /never")
    time.sleep(0.2)
    status, took = stand.stop()
check(status == 0 and took < 2, "one that never ends is cut off", took)
finish()
