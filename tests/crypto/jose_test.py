#!/usr/bin/env python3
"""Tokens, keys and certificates of cella under another implementation, and those of the other under cella's: every
algorithm both ways (JWS put together by hand here, RFC 7515), thumbprints (RFC 7638), and `openssl` on certificates.

usage: jose_test.py JOSE_BATCH. Skipped (status 77) without the package python3-cryptography.
"""
import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
OF_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]


def enc(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dec(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text):
    return int.from_bytes(dec(text), "big")


def coordinate_size(curve):
    return (int(curve[2:]) + 7) // 8


class Batch:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"no answer to {words[0]}"
        return answer.rstrip("\n")


def public_of(jwk):
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"])).public_key()
    assert len(dec(jwk["x"])) == len(dec(jwk["y"])) == coordinate_size(jwk["crv"])
    return ec.EllipticCurvePublicNumbers(number(jwk["x"]), number(jwk["y"]), CURVES[jwk["crv"]]()).public_key()


def jwk_of(public):
    numbers = public.public_numbers()
    if isinstance(public, rsa.RSAPublicKey):
        size = (public.key_size + 7) // 8
        return {"kty": "RSA", "n": enc(numbers.n.to_bytes(size, "big")), "e": enc(numbers.e.to_bytes(3, "big"))}
    curve = next(name for name, kind in CURVES.items() if isinstance(public.curve, kind))
    size = coordinate_size(curve)
    return {"kty": "EC", "crv": curve, "x": enc(numbers.x.to_bytes(size, "big")),
            "y": enc(numbers.y.to_bytes(size, "big"))}


def pad_of(alg, salt=None):
    if alg[0] == "R":
        return padding.PKCS1v15()
    digest = HASHES[alg[2:]]
    return padding.PSS(padding.MGF1(digest()), digest.digest_size if salt is None else salt)


def holds(token, alg, public):
    """RFC 7515 section 5.2, with the salt's length exact (RFC 7518 section 3.5)."""
    head, payload, signature = token.split(".")
    header = json.loads(dec(head))
    assert header == {"alg": alg, "typ": "JWT", "kid": "\u00e4 \"kid\""}, header
    assert json.loads(dec(payload)) == {"claim": "\u20ac"}
    signed, raw = (head + "." + payload).encode(), dec(signature)
    digest = HASHES[alg[2:]]()
    try:
        if alg[0] != "E":
            public.verify(raw, signed, pad_of(alg), digest)
        else:
            size = len(raw) // 2
            assert size == (public.key_size + 7) // 8
            r, s = int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big")
            public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def signed_by_us(private, alg, salt=None):
    signed = enc(json.dumps({"kid": "theirs", "alg": alg}).encode()) + "." + enc(b"payload that is not JSON")
    digest = HASHES[alg[2:]]()
    if alg[0] != "E":
        raw = private.sign(signed.encode(), pad_of(alg, salt), digest)
    else:
        size = (private.key_size + 7) // 8
        r, s = utils.decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(digest)))
        raw = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return signed + "." + enc(raw)


def thumbprint(jwk):
    names = ("e", "kty", "n") if jwk["kty"] == "RSA" else ("crv", "kty", "x", "y")
    return enc(hashlib.sha256(json.dumps({n: jwk[n] for n in names}, separators=(",", ":")).encode()).digest())


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def check_certificate(der, public, is_ca, folder):
    certificate = x509.load_der_x509_certificate(der)
    common_name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    assert common_name == "https://localhost:8445" and certificate.issuer == certificate.subject
    assert certificate.public_key().public_numbers() == public.public_numbers()
    by_oid = {e.oid.dotted_string: e for e in certificate.extensions}
    assert by_oid["2.5.29.19"].critical and by_oid["2.5.29.19"].value.ca == is_ca
    assert by_oid["2.5.29.15"].critical and by_oid["2.5.29.15"].value.key_cert_sign == is_ca
    assert by_oid["1.2.840.113549.1.9.127"].value.value == b"\x04\x03ext"
    assert 0 < certificate.serial_number < 1 << 127
    path = os.path.join(folder, "certificate.der")
    with open(path, "wb") as file:
        file.write(der)
    text = openssl("x509", "-inform", "DER", "-in", path, "-noout", "-text", "-certopt", "ext_parse")
    assert "Version: 3" in text and "CN = https://localhost:8445" in text, text
    pem = os.path.join(folder, "certificate.pem")
    openssl("x509", "-inform", "DER", "-in", path, "-out", pem)
    if is_ca:
        openssl("verify", "-x509_strict", "-check_ss_sig", "-CAfile", pem, pem)
    else:
        openssl("verify", "-partial_chain", "-check_ss_sig", "-trusted", pem, pem)


def ours_under_theirs(batch, folder):
    count = 0
    for kind, bits, algs in ((0, 2048, RSA), (0, 3073, RSA), (1, 0, ["ES256"]), (1, 1, ["ES256"]), (2, 0, ["ES384"]),
                             (3, 1, ["ES512"])):
        made = json.loads(batch.ask("make", str(kind), str(bits)))
        public = public_of(made["jwk"])
        assert sorted(made["tokens"]) == sorted(algs)
        for alg, token in made["tokens"].items():
            assert holds(token, alg, public), alg
            assert not holds(token[:-8] + ("AAAAAAAA" if token[-8:] != "AAAAAAAA" else "BAAAAAAA"), alg, public)
            count += 1
        assert serialization.load_der_public_key(dec(made["spki"])).public_numbers() == public.public_numbers()
        private = serialization.load_der_private_key(dec(made["pkcs8"]), None)
        assert private.public_key().public_numbers() == public.public_numbers()
        assert made["thumbprint"] == thumbprint(made["jwk"]) == thumbprint(jwk_of(public))
        check_certificate(dec(made["certificate"]), public, bool(bits & 1), folder)
    return count


def theirs_under_ours(batch):
    count = 0
    keys = [rsa.generate_private_key(65537, 2048), rsa.generate_private_key(3, 2056)]
    keys += [ec.generate_private_key(kind()) for kind in CURVES.values()]
    for private in keys:
        jwk = jwk_of(private.public_key())
        if jwk["kty"] == "RSA":
            jwk["e"] = enc(private.public_key().public_numbers().e.to_bytes(3, "big").lstrip(b"\0"))
        algs = RSA if jwk["kty"] == "RSA" else [OF_CURVE[jwk["crv"]]]
        pkcs8 = enc(private.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
        for alg in algs:
            # ECDSA numbers with leading zeros come up once in 128 signatures
            for _ in range(40 if alg[0] == "E" else 2):
                token = signed_by_us(private, alg)
                assert batch.ask("check", token, json.dumps(jwk)) == "ok", alg
                count += 1
            assert batch.ask("check", token, json.dumps(jwk | {"alg": alg})) == "ok"
            head, payload, signature = token.split(".")
            changed = bytes([dec(signature)[0] ^ 1]) + dec(signature)[1:]
            assert batch.ask("check", ".".join((head, payload, enc(changed))), json.dumps(jwk)) == "integrity"
            assert holds(batch.ask("sign", pkcs8, alg), alg, private.public_key())
        for alg in algs[3:]:
            for salt in (0, 20, HASHES[alg[2:]].digest_size - 1, HASHES[alg[2:]].digest_size + 1):
                assert batch.ask("check", signed_by_us(private, alg, salt), json.dumps(jwk)) == "integrity", (alg, salt)
    return count


def main():
    batch = Batch(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        ours = ours_under_theirs(batch, folder)
    theirs = theirs_under_ours(batch)
    print(f"{ours} tokens of ours hold there, {theirs} of theirs hold here")


main()
