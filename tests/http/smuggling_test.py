#!/usr/bin/env python3
"""K16: requests that two readers could understand differently, over a real connection: one answer, then the end.
smuggling_test.py STAND"""
import re
import sys

from serving import Stand, answers, check, finish
from smuggling import GET, H, NEXT, POST, TABLE

stand = Stand(sys.argv[1], workers=2, request_ms=1500)
for name, request, wanted in TABLE:
    data, ended = stand.speak(request, wait=4)
    if wanted is None:
        continue
    got = answers(data)
    check([a[0] for a in got] == wanted, name, data[:300])
    check(ended, name + ": and the server ends the connection", data[-200:])
    check(b"/hidden" not in b"".join(a[2] for a in got), name + ": nothing was smuggled", data)
    check(all(len(a[1].get("x-ms-request-id", "")) == 36 for a in got), name + ": each answer has an id", data[:300])

# HEAD: a length, and no body that a client could take for the next answer
data, ended = stand.speak(b"HEAD /json HTTP/1.1\r\n" + H + b"\r\n" + NEXT)
head, _, rest = data.partition(b"\r\n\r\n")
check(b"Content-Length: 500" in head and rest.startswith(b"HTTP/1.1 200"), "HEAD", data)

# The same bytes in other pieces are the same requests.
stream = POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n" + POST + b"Content-Length: 3\r\n\r\nabc" + NEXT
whole = [(a[0], a[2].replace(a[1]["x-ms-request-id"].encode(), b"")) for a in answers(stand.speak(stream)[0])]
for piece in (1, 2, 3, 7, 50):
    with stand.connect() as s:
        s.settimeout(5)
        data = b""
        for i in range(0, len(stream), piece):
            s.sendall(stream[i:i + piece])
        while part := s.recv(65536):
            data += part
    got = [(a[0], a[2].replace(a[1]["x-ms-request-id"].encode(), b"")) for a in answers(data)]
    blind = lambda l: [(a, re.sub(rb'"worker":\d+', b"", b)) for a, b in l]
    check(blind(got) == blind(whole) and len(got) == 3, f"in pieces of {piece}", got)

check(stand.stop()[0] == 0, "and the server is well")
finish()
