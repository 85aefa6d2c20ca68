#!/usr/bin/env python3
"""K16: requests that two readers could understand differently, over a real connection: one answer, then the end.
smuggling_test.py STAND"""
import sys

from serving import Stand, answers, check, finish

stand = Stand(sys.argv[1], workers=2, request_ms=1500)
H = b"Host: x\r\n"
GET = b"GET /first HTTP/1.1\r\n" + H
POST = b"POST /first HTTP/1.1\r\n" + H
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

# (name, bytes, statuses that must come, in this order, before the server ends the connection)
TABLE = [
    ("CL.TE", POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + NEXT, [400]),
    ("TE.CL", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + NEXT, [400]),
    ("two CL, same", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + NEXT, [400]),
    ("two CL, other", POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + NEXT, [400]),
    ("CL list", POST + b"Content-Length: 0, 5\r\n\r\nhello" + NEXT, [400]),
    ("CL +5", POST + b"Content-Length: +5\r\n\r\nhello" + NEXT, [400]),
    ("CL -1", POST + b"Content-Length: -1\r\n\r\n" + NEXT, [400]),
    ("CL hex", POST + b"Content-Length: 0x5\r\n\r\nhello" + NEXT, [400]),
    ("CL overflow", POST + b"Content-Length: 18446744073709551621\r\n\r\nhello" + NEXT, [400]),
    ("CL with a space before the colon", POST + b"Content-Length : 5\r\n\r\nhello" + NEXT, [400]),
    ("CL folded", POST + b"Content-Length:\r\n 5\r\n\r\nhello" + NEXT, [400]),
    ("CL with a lone CR", POST + b"X: y\rContent-Length: 5\r\n\r\nhello" + NEXT, [400]),
    ("CL on a GET", GET + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + NEXT, [200, 200]),
    ("TE with a tab", POST + b"Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n" + NEXT, [200, 200]),
    ("TE with a vertical tab", POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE with a space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE folded", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE unknown", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE identity", POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + NEXT, [400]),
    ("TE quoted", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n' + NEXT, [400]),
    ("TE gzip", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("TE in HTTP/1.0", b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk extension", POST + b"Transfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n" + NEXT, [400]),
    ("chunk extension with a lone LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n0\r\n\r\n" + HIDDEN, [400]),
    ("chunk size with LF", POST + b"Transfer-Encoding: chunked\r\n\r\n0\n\n" + NEXT, [400]),
    ("chunk size with CR CR", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\r\nhello\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk data without its end", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n" + NEXT, [400]),
    ("chunk data with CR CR LF", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk size 0x5", POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk size -5", POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk size with a space", POST + b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n" + NEXT, [400]),
    ("chunk size overflow", POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" + NEXT, [413]),
    ("chunk size huge", POST + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\nhello\r\n0\r\n\r\n" + NEXT, [413]),
    ("trailer", POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n" + NEXT, [400]),
    ("LF alone", b"GET / HTTP/1.1\nHost: x\n\n" + NEXT, [400]),
    ("LF in one line", GET + b"X: y\nContent-Length: 5\r\n\r\nhello" + NEXT, [400]),
    ("LF at the end", GET + b"\n" + NEXT, [400]),
    ("empty line first", b"\r\n" + GET + b"\r\n" + NEXT, [400]),
    ("obs-fold", GET + b"X: a\r\n b\r\n\r\n" + NEXT, [400]),
    ("fold of the first field", b"GET / HTTP/1.1\r\n Host: x\r\n\r\n" + NEXT, [400]),
    ("NUL in a value", GET + b"X: a\0b\r\n\r\n" + NEXT, [400]),
    ("NUL in a name", GET + b"X\0: a\r\n\r\n" + NEXT, [400]),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [400]),
    ("no colon", GET + b"garbage\r\n\r\n" + NEXT, [400]),
    ("absolute-form", b"GET http://other/ HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [400]),
    ("authority-form", b"CONNECT x:443 HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [400]),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n" + NEXT, [400]),
    ("two Hosts", GET + b"Host: y\r\n\r\n" + NEXT, [400]),
    ("two Hosts, same", GET + H + b"\r\n" + NEXT, [400]),
    ("Host with a path", b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" + NEXT, [400]),
    ("Host with user", b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n" + NEXT, [400]),
    ("Host list", b"GET / HTTP/1.1\r\nHost: x, y\r\n\r\n" + NEXT, [400]),
    ("HTTP/1.0 keep-alive", b"GET / HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n\r\n" + NEXT, [200]),
    ("HTTP/0.9", b"GET /\r\n\r\n" + NEXT, [400]),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    ("HTTP/3.0", b"GET / HTTP/3.0\r\n" + H + b"\r\n" + NEXT, [505]),
    ("spaces in the request line", b"GET  / HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [400]),
    ("junk after the version", b"GET / HTTP/1.1 x\r\n" + H + b"\r\n" + NEXT, [400]),
    ("upgrade", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n" + NEXT,
     [200, 200]),
    ("header too large", GET + b"X: " + b"y" * 20000 + b"\r\n\r\n" + NEXT, [431]),
    ("request line too large", b"GET /" + b"y" * 20000 + b" HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [431]),
    ("too many fields", GET + b"X: y\r\n" * 200 + b"\r\n" + NEXT, [431]),
    ("header that never ends", GET + b"X: y\r\n" * 20000, [431]),
    ("body too large", POST + b"Content-Length: 1048577\r\n\r\n", [413]),
    ("body too large in chunks", POST + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 17, [413]),
    ("Expect unknown", POST + b"Content-Length: 5\r\nExpect: dragons\r\n\r\nhello" + NEXT, [417]),
    ("Expect, body too large", POST + b"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n", [413]),
    ("Expect in HTTP/1.0", b"POST / HTTP/1.0\r\n" + H + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", [200]),
    ("Expect without a body", GET + b"Expect: 100-continue\r\n\r\n" + NEXT, [200, 200]),
    ("trailing garbage", GET + b"\r\ngarbage\r\n\r\n", [200, 400]),
    ("pipelined", GET + b"\r\n" + POST + b"Content-Length: 5\r\n\r\nhello" + NEXT, [200, 200, 200]),
    ("pipelined chunks", POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + NEXT, [200, 200]),
    ("a hundred pipelined", (GET + b"\r\n") * 100 + NEXT, [200] * 101),
    ("exotic method with a body", b"PROPFIND / HTTP/1.1\r\n" + H + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + NEXT, [200, 200]),
    ("HEAD", b"HEAD / HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n", None),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n" + NEXT, [400]),
    ("TLS in TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 100 + b"\n", [400]),
]

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
import re
import socket
import ssl
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
