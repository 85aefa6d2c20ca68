"""The stand of the http part (stand.c) as a process, and raw clients of it."""
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

sys.dont_write_bytecode = True
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
bad = count = 0


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, str(more)[:600])


def finish():
    print(f"{count} checks, {bad} failed")
    sys.exit(1 if bad else 0)


class Stand:
    number = 0

    def __init__(self, program, **settings):
        Stand.number += 1
        self.cert = work / f"cert{Stand.number}"
        self.log = work / f"log{Stand.number}"
        arguments = [f"{k}={v}" for k, v in {"access_log": self.log, **settings}.items()]
        self.process = subprocess.Popen([program, str(self.cert), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.a, self.b, self.m = map(int, re.findall(r"\d+", self.process.stdout.readline()))

    def context(self, site="a", **how):
        context = ssl.create_default_context(cafile=f"{self.cert}.{site}")
        for name, value in how.items():
            setattr(context, name, value)
        return context

    def connect(self, site="a", plain=False, alpn=None, name="localhost", **how):
        raw = socket.create_connection(("127.0.0.1", getattr(self, site)), 10)
        if plain:
            return raw
        context = self.context("a" if site == "m" else site, **how)
        if alpn:
            context.set_alpn_protocols(alpn)
        return context.wrap_socket(raw, server_hostname=name)

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def metrics(self):
        text = self.get("m", b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0][2].decode()
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l and l[0] != "#"}

    def speak(self, request, site="a", wait=5, end=False):
        """Raw bytes out, all that comes until the server ends it in; and whether it did end it."""
        with self.connect(site) as s:
            s.settimeout(wait)
            data, ended = b"", False
            try:
                s.sendall(request)
                while part := s.recv(65536):
                    data += part
                ended = True
            except TimeoutError:
                pass
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                ended = True
            return data, ended

    def get(self, site, request, wait=5):
        return answers(self.speak(request, site, wait)[0])

    def stop(self, sign=signal.SIGTERM, wait=20):
        started = time.monotonic()
        self.process.send_signal(sign)
        status = self.process.wait(wait)
        return status, time.monotonic() - started


def answers(data):
    """[(status, headers, body)]; what is no answer at the end is (0, {}, bytes)."""
    all = []
    while data:
        head, mark, rest = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        if not mark or not (m := re.fullmatch(rb"HTTP/1\.1 (\d{3}) .*", lines[0])):
            return all + [(0, {}, data)]
        headers = {k.decode().lower(): v.decode() for k, v in (l.split(b": ", 1) for l in lines[1:])}
        size = 0 if m[1] in (b"100", b"204", b"304") else int(headers.get("content-length", 0))
        all.append((int(m[1]), headers, rest[:size]))
        data = rest[size:]
    return all


def rss(process):
    return int(next(l for l in open(f"/proc/{process.pid}/status") if l.startswith("VmRSS")).split()[1])


def cpu_seconds(process):
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
