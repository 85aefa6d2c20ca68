#!/usr/bin/env python3
"""K17: 100 requests a second, alone and beside slow clients that send a byte a second of a header that never ends and come
back when they are cut: http_flood.py STAND LOAD [SLOW=2000] [SECONDS=12]"""
import os
import pathlib
import re
import resource
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

stand, load = sys.argv[1:3]
slow = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 12
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
folder = tempfile.TemporaryDirectory()
cert = pathlib.Path(folder.name) / "cert"
server = subprocess.Popen([stand, str(cert), "workers=2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
port = int(server.stdout.readline().split()[1])
context = ssl.create_default_context(cafile=f"{cert}.a")
stop = threading.Event()
counts = {"opened": 0, "cut": 0, "most": 0}


def drip():
    """One thread for all: each client gets a byte a second, in turn."""
    held = []
    while not stop.is_set():
        started = time.monotonic()
        for _ in range(max(1, min(100, slow - len(held)))):
            if len(held) >= slow or stop.is_set():
                break
            try:
                s = context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="localhost")
                s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
                s.setblocking(False)
                held.append([s, time.monotonic()])
                counts["opened"] += 1
            except OSError:
                pass
        counts["most"] = max(counts["most"], len(held))
        kept = []
        for one in held:
            now = time.monotonic()
            if now - one[1] < 1:
                kept.append(one)
                continue
            try:
                one[0].send(b"y")
                one[1] = now
                kept.append(one)
                try:
                    if one[0].recv(1000) is not None:  # 408, or the end
                        one[0].close()
                        kept.pop()
                        counts["cut"] += 1
                except ssl.SSLWantReadError:
                    pass
            except OSError:
                one[0].close()
                counts["cut"] += 1
        held = kept
        if time.monotonic() - started < 0.05:
            time.sleep(0.05)
    for s, _ in held:
        s.close()


def measure(what, ca=f"{cert}.a"):
    done = subprocess.run([load, str(port), "target=/json", "rate=100", "connections=8", f"seconds={seconds}", f"ca={ca}"],
                          capture_output=True, text=True, timeout=seconds + 30)
    print(f"{what:28} {done.stdout.strip()}{done.stderr.strip()}", flush=True)
    return float(re.search(r"p99 (\d+) us", done.stdout)[1]) if done.returncode == 0 and ", 0 failures" in done.stdout else None


good = True
try:
    alone = measure("alone")
    thread = threading.Thread(target=drip)
    thread.start()
    while counts["opened"] < slow and thread.is_alive() and counts["most"] < slow:
        time.sleep(0.1)
        if server.poll() is not None:
            break
    beside = measure(f"beside {slow:,} slow clients")
    stop.set()
    thread.join()
    rss = next(l for l in open(f"/proc/{server.pid}/status") if l.startswith("VmRSS")).split()[1]
    good = alone is not None and beside is not None
    if good:
        print(f"p99 beside to alone: {beside / alone:.2f} (aim below 2); {counts['opened']:,} slow connections made, "
              f"{counts['cut']:,} cut at the deadline, {counts['most']:,} at once; server {rss} KiB resident")
finally:
    stop.set()
    server.terminate()
    server.wait(15)
sys.exit(not good)
