#!/usr/bin/env python3
"""A Linux machine with tpm2-tools attests itself to `cella serve`: tpm_protocol_test.py CELLA SOURCE_ROOT

The whole of the Tpm protocol over HTTPS, and AzureGuest of trusted launch, with a software TPM and a client that shares no code
with the service: bearer token, policy, challenge, quote, PS256, report; the guest's answer is decrypted inside the TPM.
Skipped without swtpm, tpm2-tools or Python's cryptography."""
import base64
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

sys.dont_write_bytecode = True
cella, root = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, str(root / "tests" / "service"))
try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as absent:
    print("skipped:", absent)
    sys.exit(77)
from server import Client, Server, free_ports  # noqa: E402

folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
tpm = work / "tpm"


def run(*words):
    status = subprocess.run([str(root / "tests" / "attest" / "swtpm_attest.sh"), str(tpm), *words]).returncode
    if status == 77:
        print("skipped: no swtpm or tpm2-tools")
        sys.exit(77)
    assert status == 0, (words, (tpm / "tools.log").read_text())


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64(data):
    return base64.b64encode(data).decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwk(key):
    n = key.public_numbers()
    return {"e": b64u(n.e.to_bytes(3, "big")), "kty": "RSA", "n": b64u(n.n.to_bytes((n.n.bit_length() + 7) // 8, "big"))}


run("setup")
# TPM2B_PUBLIC of an RSA-2048 key ends with its modulus; a TPM's exponent is 65537.
ak = rsa.RSAPublicNumbers(65537, int.from_bytes((tpm / "ak.pub").read_bytes()[-256:], "big")).public_key()
(work / "ak.pem").write_bytes(ak.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

# The first start makes the folder; then the operator trusts this machine's key.
port = free_ports()
server = Server(cella, work / "data", port=port)
server.stop()
text = (work / "data" / "cella.conf").read_text()
assert "[collateral]" in text
(work / "data" / "cella.conf").write_text(text.replace("[collateral]", "[collateral]\nplatform_keys = %s" % (work / "ak.pem"), 1))
server = Server(cella, work / "data")
try:
    env = server.environment()
    client = Client(work / "data")
    url = env["ATTESTATION_AAD_URL"]

    def keys():
        status, body, _ = client.ask(url + "/certs")
        assert status == 200
        return {k["kid"]: x509.load_der_x509_certificate(base64.b64decode(k["x5c"][0])).public_key() for k in json.loads(body)["keys"]}

    def claims(token):
        head, payload, signature = token.split(".")
        header = json.loads(unb64u(head))
        keys()[header["kid"]].verify(unb64u(signature), ("%s.%s" % (head, payload)).encode(), padding.PKCS1v15(), hashes.SHA256())
        return header, json.loads(unb64u(payload))

    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": env["AZURE_CLIENT_ID"],
                                   "client_secret": env["AZURE_CLIENT_SECRET"], "scope": "https://attest.azure.net/.default"})
    status, body, _ = client.ask("%s/%s/oauth2/v2.0/token" % (env["AZURE_AUTHORITY_HOST"], env["AZURE_TENANT_ID"]), "POST", form,
                                 {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 200, body
    bearer = {"Authorization": "Bearer " + json.loads(body)["access_token"]}

    def attest(message, headers=bearer, kind="Tpm"):
        body = json.dumps({"data": b64u(json.dumps(message).encode())} if kind == "Tpm" else message)
        status, body, _ = client.ask("%s/attest/%s?api-version=2020-10-01" % (url, kind), "POST", body,
                                     {"Content-Type": "application/json", **headers})
        answer = json.loads(body)
        return status, json.loads(unb64u(answer["data"])) if "data" in answer else answer

    status, answer = attest({"type": "aikcert"})
    assert status == 400 and "policy has not been set" in answer["error"]["message"], answer
    status, answer = attest({"type": "aikcert"}, {})
    assert status == 401, answer

    policy = ("version=1.2; configurationrules{ => issueproperty(type=\"required_pcr_mask\", value=255); };"
              "authorizationrules{ c:[type==\"pcrs\"] => add(type=\"measured\", value=JsonToClaimValue(JmesPath(c.value, "
              "\"PCRs[? Index == `0`].Digests.SHA256 | @[0] != '%s'\")));" % ("0" * 64) +
              "[type==\"measured\", value==true] && [type==\"aikValidated\", value==true] && "
              "[type==\"attestKeyBound\", value==true] => permit(); };"
              "issuancerules{ c:[type==\"aikPubHash\"] => issue(claim=c); };")
    jws = "%s.%s." % (b64u(b'{"alg":"none"}'), b64u(json.dumps({"AttestationPolicy": b64u(policy.encode())}).encode()))
    status, body, _ = client.ask(url + "/policies/Tpm?api-version=2020-10-01", "PUT", jws, {"Content-Type": "text/plain", **bearer})
    assert status == 200, body

    def request(given, wrapped=False, nonce=None):
        key = rsa.generate_private_key(65537, 2048)
        public = jwk(key.public_key())
        thumbprint = hashlib.sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
        run("quote", "0,1,2,3,4,5,6,7", nonce or hashlib.sha256(unb64u(given["challenge"]) + thumbprint).hexdigest())
        payload = {"att_type": "basic", "att_data": {
            "rp_id": "https://rp.example", "rp_data": b64u(b"mine"), "challenge": given["challenge"],
            "service_context": given["service_context"], "attest_key": public, "tpm_att_data": {
                "aik_pub": jwk(ak), "tpm_quote": {
                    "attest": b64u((tpm / "attest").read_bytes()), "signature": b64u((tpm / "signature").read_bytes()),
                    "pcrs": b64u((tpm / "pcrs").read_bytes()), "aik_area": b64u((tpm / "ak.pub").read_bytes())}}}}
        part = "%s.%s" % (b64u(b'{"alg":"PS256","typ":"attReq"}'), b64u(json.dumps(payload).encode()))
        signature = key.sign(part.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        message = {"request": part + "." + b64u(signature)}
        return {"payload": message} if wrapped else message, public

    for wrapped in (False, True):
        status, given = attest({"payload": {"type": "aikcert"}} if wrapped else {"type": "aikcert"})
        assert status == 200, given
        message, public = request(given["payload"] if wrapped else given, wrapped)
        status, answer = attest(message)
        assert status == 200, answer
        header, report = claims((answer["payload"] if wrapped else answer)["report"])
        spki = ak.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        assert report["aikPubHash"] == b64(hashlib.sha256(spki).digest()), report
        assert report["cnf"]["jwk"]["n"] == public["n"] and report["rp_data"] == b64u(b"mine") and "x5c" in header
        status, answer = attest(message)  # A14
        assert status == 400 and "used before" in answer["error"]["message"], answer
    status, given = attest({"type": "aikcert"})
    message, _ = request(given, nonce="aabb")  # A13
    status, answer = attest(message)
    assert status == 400 and "extraData" in answer["error"]["message"], answer

    # AzureGuest of trusted launch: nobody but this TPM reads the answer.
    run("quote", "0,1,2,3,4,5,6,7", "")
    values = (tpm / "pcrs").read_bytes()
    info = {"AttestationProtocolVersion": "2.0", "OSType": b64(b"Linux"), "OSDistro": b64(b"Debian"), "OSBuild": b64(b"NotApplication"),
            "OSVersionMajor": 12, "OSVersionMinor": 0, "TcgLogs": "", "ClientPayload": {"nonce": b64(b"123")},
            "TpmInfo": {"AikCert": "", "AikPub": b64((tpm / "ak.pub").read_bytes()), "PcrQuote": b64((tpm / "attest").read_bytes()),
                        "PcrSignature": b64((tpm / "signature").read_bytes()[6:]),  # as the client unpacks it
                        "EncKeyPub": b64((tpm / "enc.pub").read_bytes()), "EncKeyCertifyInfo": b64((tpm / "certify.msg").read_bytes()),
                        "EncKeyCertifyInfoSignature": b64((tpm / "certify.sig").read_bytes()[6:]), "PcrSet": list(range(8)),
                        "PCRs": [{"Index": i, "Digest": b64(values[32 * i:32 * i + 32])} for i in range(8)]},
            "IsolationInfo": {"Type": "TrustedLaunch"}}
    status, answer = attest({"AttestationInfo": b64u(json.dumps(info).encode())}, {}, "AzureGuest")
    assert status == 200, answer
    envelope = json.loads(unb64u(answer["token"]))
    (tpm / "wrapped").write_bytes(base64.b64decode(envelope["EncryptedInnerKey"]))
    run("decrypt", "wrapped", "inner")
    token = AESGCM((tpm / "inner").read_bytes()).decrypt(
        base64.b64decode(envelope["EncryptionParams"]["Iv"]),
        base64.b64decode(envelope["Jwt"]) + base64.b64decode(envelope["AuthenticationData"]), b"Transport Key").decode()
    _, guest = claims(token)
    assert guest["x-ms-attestation-type"] == "azurevm" and guest["x-ms-azurevm-osdistro"] == "Debian", guest
    assert guest["x-ms-runtime"]["client-payload"] == {"nonce": b64(b"123")}, guest
    info["TpmInfo"]["PCRs"][0]["Digest"] = b64(bytes(32))
    status, answer = attest({"AttestationInfo": b64u(json.dumps(info).encode())}, {}, "AzureGuest")
    assert status == 400 and "PCR digest" in answer["error"]["message"], answer
finally:
    server.stop()
print("a TPM attested itself; its report and its guest's token hold")
