#!/usr/bin/env python3
"""A second reader of protected files, written from docs/formats/protected-file.md alone, opens what cella seals.

usage: format_test.py CELLA. Skipped (status 77) without the package python3-cryptography.
"""
import hashlib
import hmac
import os
import struct
import subprocess
import sys
import tempfile

try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

BLOCK = 16384


def hkdf(secret, salt, info):
    return hmac.new(hmac.new(salt, secret, hashlib.sha256).digest(), info + b"\1", hashlib.sha256).digest()


class Reader:
    def __init__(self, stored, key, name):
        self.stored = stored
        slots = [s for s in (stored[:4096], stored[4096:8192]) if len(s) == 4096 and s[:8] == b"CELLAPF1"]
        slot = max(slots, key=lambda s: struct.unpack("<Q", s[24:32]))
        version, kind, svn, zero, block = struct.unpack("<IIHHI", slot[8:24])
        assert (version, kind, svn, zero, block) == (1, 1, 0, 0, BLOCK)
        self.gcm = AESGCM(hkdf(key, slot[32:64], b"cella protected file v1"))
        fields = self.gcm.decrypt(slot[96:108], slot[128:] + slot[108:124], slot[:96])
        self.length, self.end, _, self.depth, _ = struct.unpack("<QQQII", fields[:32])
        self.root = fields[32:64]
        assert fields[64:96] == hashlib.sha256(name).digest()
        assert fields[96:] == bytes(len(fields) - 96)
        assert len(stored) > (self.end - 1) * BLOCK or self.end == 1

    def block(self, level, index, entry):
        number = struct.unpack("<I", entry[:4])[0]
        size = min(BLOCK, self.length - index * BLOCK) if level == 0 else BLOCK
        if number == 0:
            return bytes(size)
        at = number * BLOCK
        aad = struct.pack("<IQI", level, index, size)
        return self.gcm.decrypt(entry[4:16], self.stored[at:at + size] + entry[16:], aad)

    def content(self, level, index, entry):
        if index << 9 * level and (index << 9 * level) * BLOCK >= self.length or self.length == 0:
            return b""
        block = self.block(level, index, entry)
        if level == 0:
            return block
        entries = (block[i * 32:i * 32 + 32] for i in range(512))
        return b"".join(self.content(level - 1, index * 512 + i, e) for i, e in enumerate(entries))


def main(cella):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        key = os.urandom(32)
        with open(os.open(path + ".key", os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
            out.write(key.hex() + "\n")
        for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 5, 513 * BLOCK + 7):
            content = os.urandom(size)
            with open(path, "wb") as out:
                out.write(content)
            subprocess.run([cella, "seal", "--force", "--key", path + ".key", path, path + ".s"], check=True)
            with open(path + ".s", "rb") as stored:
                reader = Reader(stored.read(), key, b"file.s")
            assert reader.content(reader.depth, 0, reader.root) == content, size
            print("ok", size)


main(sys.argv[1])
