#!/usr/bin/env python3
"""The audit log seen from outside: a second reader written from docs/formats/audit.md alone, the command `cella audit`,
writers that are killed, and a disk that is full (K22).
audit_test.py PROGRAM CELLA: the writer (audit_program.c) and the command."""
import hashlib
import hmac
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM, CELLA = sys.argv[1:3]
KEY = b"the tests' key, which is no key\0"
CONFIGURATION = """[tls]
certificate = c.pem
key = k.pem
[identity]
url = https://localhost:8443
listen = 127.0.0.1:8443
tenant = 9f1ce9ad-1111-2222-3333-444444444444
"""


def check(path):
    """docs/formats/audit.md: None when the chain holds, else the number of the first line that does not."""
    prev = "0" * 64
    with open(path, "rb") as log:
        for number, line in enumerate(log, 1):
            whole = re.fullmatch(rb'({.*),"hash":"[0-9a-f]{64}"}\n', line)
            if not whole:
                return number
            record, digest = json.loads(line), hashlib.sha256(whole[1] + b"}").hexdigest()
            if record.get("seq") != number or record.get("prev") != prev or record.get("hash") != digest:
                return number
            prev = digest
    return None


def head_holds(path):
    """The checkpoint: its MAC, and that the chain has that line there."""
    text = open(path + ".head", "rb").read()
    said, mac = text.rsplit(b" mac=", 1)
    assert hmac.new(KEY, said, hashlib.sha256).hexdigest() == mac.decode().strip(), "mac of the checkpoint"
    count, size, digest = re.fullmatch(rb"cella audit head 1 count=(\d+) size=(\d+) hash=([0-9a-f]{64})", said).groups()
    data = open(path, "rb").read()
    assert len(data) >= int(size)
    lines = data[:int(size)].splitlines()
    assert len(lines) == int(count)
    assert (json.loads(lines[-1])["hash"] if lines else "0" * 64) == digest.decode()
    return int(count)


def write(path, count, sync_ms=100, folder=(), **more):
    words = [PROGRAM, path, str(count), str(sync_ms), *folder]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **more)


def cella(*words):
    run = subprocess.run([CELLA, "audit", *words], capture_output=True, text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


def expect(path, lines, broken):
    open(path, "wb").write(b"".join(lines))
    status, said = cella("verify", path)
    assert check(path) == broken, (check(path), broken)
    if broken is None:
        assert status == 0 and f"whole: {len(lines)} lines" in said, said
    else:
        assert status == 1 and f"line {broken}:" in said, (status, said, broken)


def test_two_readers_agree(folder):
    path = folder + "/log"
    assert write(path, 40).returncode == 0
    assert write(path, 10).returncode == 0  # goes on where it was
    assert check(path) is None and head_holds(path) == 50
    record = json.loads(open(path, "rb").readlines()[4])
    assert record["who"] == 'Gr\u00fc\u00df "e"' and record["nested"] == {"a": [1, 2], "b": True}
    names = list(record)
    assert names[:3] == ["seq", "time", "prev"] and names[-1] == "hash" and names[3:-1] == sorted(names[3:-1])
    assert open(path, "rb").read().isascii()
    assert os.stat(path).st_mode & 0o777 == 0o600 and os.stat(path + ".head").st_mode & 0o777 == 0o600


def test_every_change_is_named(folder):
    path = folder + "/log"
    write(path, 12)
    good = open(path, "rb").readlines()
    expect(path, good, None)
    for i in range(12):
        altered = good[i].replace(b"attest", b"forged")
        expect(path, good[:i] + [altered] + good[i + 1:], i + 1)
        # and one who makes the hash fit is named a line later, or found by the checkpoint
        fitted = re.sub(rb',"hash":"[0-9a-f]{64}"}\n$', b"}", altered)
        fitted = fitted[:-1] + b',"hash":"' + hashlib.sha256(fitted).hexdigest().encode() + b'"}\n'
        expect(path, good[:i] + [fitted] + good[i + 1:], i + 2 if i < 11 else None)
        if i < 11:
            expect(path, good[:i] + good[i + 1:], i + 1)  # deleted
            expect(path, good[:i] + [good[i + 1], good[i]] + good[i + 2:], i + 1)  # reordered
        expect(path, good[:i] + [good[i]] + good[i:], i + 2)  # inserted
        expect(path, good[:i] + [b"\n"] + good[i:], i + 1)
        expect(path, good[:i] + [good[i][:50]], i + 1)  # cut inside a line
    expect(path, good[:11] + [good[11][:-1]], 12)  # its line feed is gone
    expect(path, good[:5], None)  # without the key this is all that a chain can say
    expect(path, [], None)


def test_the_key_of_a_data_folder(folder):
    """With the server's own key lines cut off at the end are named as well."""
    path = folder + "/audit.log"
    open(folder + "/cella.conf", "w").write(CONFIGURATION)
    os.chmod(folder, 0o700)
    assert write(path, 12, folder=[folder]).returncode == 0
    status, said = cella("verify", path, "--key", folder)
    assert status == 0 and said.startswith("whole: 12 lines") and "checkpoint" not in said, said
    good = open(path, "rb").readlines()
    open(path, "wb").write(b"".join(good[:7]))
    status, said = cella("verify", path, "--key", folder)
    assert status == 1 and "line 8:" in said, said
    assert cella("verify", path)[0] == 0
    # a log that begins anew, with a checkpoint of its maker's own
    os.remove(path)
    os.remove(path + ".head")
    assert write(path, 12).returncode == 0
    status, said = cella("verify", path, "--key", folder)
    assert status == 1 and "was not made by this server" in said, said
    open(folder + "/root.key", "wb").write(b"0123456789abcdef0123456789abcdef")
    status, said = cella("verify", path, "--key", folder)
    assert status == 2 and "under root" in said, said


def test_show(folder):
    path = folder + "/log"
    write(path, 12)
    status, said = cella("show", path)
    assert status == 0 and said.count("    action       attest\n") == 12
    assert '"Gr\\u00FC\\u00DF \\"e\\""' in said, said
    status, said = cella("show", path, "--request", "r-0", "--last", "2")
    assert status == 0 and said.count("r-0") == 2 and "index        5\n" in said and "index        10\n" in said
    assert cella("show", path, "--request", "absent")[0] == 2
    for bad in ([], ["verify"], ["show"], ["verify", path, "--last", "1"], ["show", path, "--last", "0"],
                ["show", path, "--last"], ["verify", path, path], ["other", path]):
        assert cella(*bad)[0] == 2, bad
    assert cella("verify", folder + "/absent")[0] == 2
    assert cella("verify", folder)[0] == 2
    assert cella("verify", path, "--key", folder)[0] == 2  # no data folder
    open(path, "ab").write(b"no json\n")
    assert cella("show", path)[0] == 2


def test_nothing_acknowledged_is_lost(folder):
    """kill -9 at any moment; half a line is set aside at the next start."""
    path = folder + "/log"
    known, rng = 0, random.Random(11)
    for i in range(25):
        with subprocess.Popen([PROGRAM, path, "1000000", str(rng.choice([0, 1, 50]))], stdout=subprocess.PIPE) as run:
            time.sleep(rng.uniform(0.002, 0.09))
            run.send_signal(signal.SIGKILL)
            said = run.stdout.read().splitlines()
        data = open(path, "rb").read() if os.path.exists(path) else b""
        lines = data.count(b"\n")
        assert known + len(said) <= lines <= known + len(said) + 1, (known, len(said), lines)
        if i % 5 == 0:  # what a torn write leaves
            open(path, "ab").write(b'{"seq":%d,"time' % (lines + 1))
        known = lines
    assert write(path, 1).returncode == 0
    assert check(path) is None and head_holds(path) == known + 1
    assert b'{"seq":' in open(path + ".torn", "rb").read()
    assert known > 100


def test_full_disk(folder):
    """What cannot be written is refused whole, and goes on when there is room."""
    path = folder + "/log"
    limit = 20001

    def little():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    run = write(path, 1000, preexec_fn=little)
    said = run.stdout.splitlines()
    assert run.returncode == 1 and "cannot write" in run.stderr, run.stderr
    assert check(path) is None and os.path.getsize(path) <= limit
    assert len(open(path, "rb").readlines()) == len(said) > 10
    assert head_holds(path) == len(said)
    assert not os.path.exists(path + ".torn")
    assert write(path, 3).returncode == 0 and check(path) is None and head_holds(path) == len(said) + 3


def test_writers_side_by_side(folder):
    """A command may write while the server does: one chain."""
    path = folder + "/log"
    runs = [subprocess.Popen([PROGRAM, path, "400", "20"], stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [run.wait(timeout=60) for run in runs] == [0] * 4
    assert check(path) is None and head_holds(path) == 1600
    assert not os.path.exists(path + ".torn")


for name, test in sorted(globals().items()):
    if name.startswith("test_"):
        with tempfile.TemporaryDirectory(prefix="cella-audit-") as place:
            test(place)
            print("ok", name)
