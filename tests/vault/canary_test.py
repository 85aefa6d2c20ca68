#!/usr/bin/env python3
"""Secrets that can be recognised, through the whole API of a vault, in calls that succeed and calls that are refused; then looked
for, in every spelling, in all that the server wrote: answers of refusals, logs, audit log, metrics, every file of its folder, a core
(K11). canary_test.py CELLA"""
import base64
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "service"))
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from server import Client, Server, free_ports

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory(prefix="cella-canary-")
work = pathlib.Path(folder.name)
data = work / "data"
V = "api-version=7.4"
bad = count = 0
canaries = {}  # name: bytes


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


def b64u(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def canary(name, size=24):
    """Letters, so that it may be text; remembered."""
    canaries[name] = secrets.token_hex(size // 2).encode()
    return canaries[name].decode()


def number(name, value, size):
    canaries[name] = value.to_bytes(size, "big")
    return b64u(canaries[name])


def spellings(raw):
    """What of it must be nowhere: itself, hex, and base64 wherever in a longer text it begins."""
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + raw)[4 if shift else 0:]
        text = text.rstrip(b"=")[:-4]
        found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def look(where, content):
    for name, raw in canaries.items():
        hits = [s for s in spellings(raw) if s in content]
        check(not hits, f"{name} is not in {where}", content[max(0, content.find(hits[0]) - 80):][:200] if hits else "")


# --- The server, with all that would let a core be written, and memory be locked ---

locked = subprocess.run(["prlimit", "--memlock=unlimited:unlimited", "true"], capture_output=True).returncode == 0
prefix = ["prlimit", "--core=unlimited:unlimited", *(["--memlock=unlimited:unlimited"] if locked else [])]
os.chdir(work)
Server(cella, data, port=free_ports(), prefix=prefix).stop()  # the first start prints the client's secret, once
conf = data / "cella.conf"
conf.write_text(conf.read_text().replace("access_log = none", "access_log = stderr"))
server = Server(cella, data, prefix=prefix)
environment = server.environment()
client = Client(data)
vault = environment.get("CELLA_VAULT") or environment["AZURE_KEYVAULT_URL"]
canaries["client secret"] = environment["AZURE_CLIENT_SECRET"].encode()
token = client.token(environment, "https://vault.azure.net/.default")
canaries["token"] = token.split(".")[2].encode()  # its signature: who has that can use it
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json", "x-ms-canary": canary("header")}


def call(method, path, body=None, wanted=200, query=""):
    text = body if isinstance(body, str) else json.dumps(body) if body is not None else None
    status, answer, _ = client.ask(f"{vault}{path}?{V}{query}", method, text, headers)
    check(status == wanted, f"{method} {path} is {wanted}", (status, answer[:300]))
    if status >= 400:
        look(f"the refusal of {method} {path}", answer)
        return None
    return json.loads(answer) if answer else None


def ec_jwk(name):
    key = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    point = key.public_numbers
    return {"kty": "EC", "crv": "P-256", "x": b64u(point.x.to_bytes(32, "big")), "y": b64u(point.y.to_bytes(32, "big")),
            "d": number(name, key.private_value, 32)}


def rsa_jwk(name):
    key = rsa.generate_private_key(65537, 2048).private_numbers()
    return {"kty": "RSA", "n": b64u(key.public_numbers.n.to_bytes(256, "big")), "e": "AQAB",
            "d": number(name + " d", key.d, 256), "p": number(name + " p", key.p, 128), "q": number(name + " q", key.q, 128),
            "dp": number(name + " dp", key.dmp1, 128), "dq": number(name + " dq", key.dmq1, 128), "qi": number(name + " qi", key.iqmp, 128)}


# --- Secrets ---

call("PUT", "/secrets/s1", {"value": canary("a secret"), "contentType": "text/plain"})
call("GET", "/secrets/s1")
call("PUT", "/secrets/s1", {"value": canary("its second version")}, query="&x=" + canary("a query"))
backup = call("POST", "/secrets/s1/backup")
call("PATCH", "/secrets/s1", {"attributes": {"enabled": False}})
call("GET", "/secrets/s1", wanted=403)
call("PUT", "/secrets/long", {"value": canary("too long") * 2000}, 400)
call("PUT", "/secrets/typed", {"value": [canary("a list")]}, 400)
call("PUT", "/secrets/type", {"value": canary("beside a bad tag"), "tags": {"a": 1}}, 400)
call("PUT", "/secrets/cut", '{"value":"%s"' % canary("cut off"), 400)
call("PUT", "/secrets/twice", '{"value":"x","value":"%s"}' % canary("twice"), 400)
call("PUT", "/secrets/bare", '{"value":%s}' % canary("bare"), 400)
call("PUT", "/secrets/text", canary("no JSON"), 400)
call("PUT", "/secrets/bad_name", {"value": canary("with a bad name")}, 400)
call("PUT", "/secrets/version", {"value": canary("an old version")}, 400, query="&api-version=7.4")
call("POST", "/secrets/restore", {"value": backup["value"]}, 409)
call("POST", "/secrets/restore", {"value": b64u(canary("no backup").encode())}, 400)
call("DELETE", "/secrets/s1")
call("GET", "/deletedsecrets/s1")
call("DELETE", "/deletedsecrets/s1", wanted=204)

# --- Keys ---

call("PUT", "/keys/ec", {"key": ec_jwk("an EC key")})
call("PUT", "/keys/rsa", {"key": rsa_jwk("an RSA key")})
mixed = {**rsa_jwk("an RSA key that is none"), "n": rsa_jwk("another RSA key")["n"]}
call("PUT", "/keys/none", {"key": mixed}, 400)
call("PUT", "/keys/none", {"key": {**ec_jwk("an EC key that is none"), "x": ec_jwk("another EC key")["x"]}}, 400)
call("PUT", "/keys/none", {"key": {**ec_jwk("an EC key of no curve"), "crv": "P-224"}}, 400)
call("PUT", "/keys/none", {"key": {"kty": "oct", "k": b64u(canary("a symmetric key", 32).encode())}}, 400)
call("PUT", "/keys/none", {"key": {**ec_jwk("a cut key"), "d": b64u(canary("a cut d").encode())}}, 400)
for algorithm in ("RSA-OAEP-256", "RSA1_5"):
    for there, back in (("encrypt", "decrypt"), ("wrapkey", "unwrapkey")):
        plain = b64u(canary(f"{there} by {algorithm}").encode())
        made = call("POST", f"/keys/rsa/{there}", {"alg": algorithm, "value": plain})
        check(call("POST", f"/keys/rsa/{back}", {"alg": algorithm, "value": made["value"]})["value"] == plain, "it comes back")
call("POST", "/keys/rsa/encrypt", {"alg": "none", "value": b64u(canary("encrypt by nothing").encode())}, 400)
call("POST", "/keys/rsa/encrypt", {"alg": "RSA-OAEP", "value": b64u(canary("too much", 24).encode() * 20)}, 400)
call("POST", "/keys/rsa/encrypt", {"alg": "RSA-OAEP", "value": "*" + canary("no base64url")}, 400)
call("POST", "/keys/rsa/decrypt", {"alg": "RSA-OAEP", "value": b64u(os.urandom(256))}, 400)
call("POST", "/keys/ec/sign", {"alg": "ES256", "value": b64u(bytes(32))})
call("POST", "/keys/ec/sign", {"alg": "ES256", "value": b64u(canary("a digest").encode())}, 400)
call("POST", "/keys/ec/release", {"target": "a." + canary("a target") + ".c"}, 403)
call("POST", "/keys/ec/rotate", {})
backup = call("POST", "/keys/rsa/backup")
call("POST", "/keys/restore", {"value": backup["value"][:-40] + b64u(canary("a spoilt backup", 30).encode())}, 400)

# --- Certificates ---

password = canary("a password")
key = ec.generate_private_key(ec.SECP256R1())
canaries["a certificate's key"] = key.private_numbers().private_value.to_bytes(32, "big")
(work / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                  serialization.NoEncryption()))
subprocess.run(["openssl", "req", "-x509", "-key", "key.pem", "-subj", "/CN=canary", "-out", "cert.pem", "-days", "9"], check=True)
subprocess.run(["openssl", "pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-out", "both.pfx", "-passout",
                "pass:" + password], check=True)
pfx = base64.b64encode((work / "both.pfx").read_bytes()).decode()
pem = (work / "key.pem").read_text() + (work / "cert.pem").read_text()
call("POST", "/certificates/pfx/import", {"value": pfx, "pwd": password})
call("POST", "/certificates/pem/import", {"value": pem, "policy": {"secret_props": {"contentType": "application/x-pem-file"}}})
call("POST", "/certificates/wrong/import", {"value": pfx, "pwd": canary("a wrong password")}, 400)
call("POST", "/certificates/cut/import", {"value": pem.replace("END PRIVATE", "END PRIVAT")}, 400)
call("GET", "/secrets/pfx")
for name in ("key.pem", "cert.pem", "both.pfx"):
    (work / name).unlink()

# --- Callers ---

for bearer in ("Bearer " + canary("a bearer"), "Basic " + canary("a basic"), "Bearer a.%s.c" % canary("a bearer in parts"),
               headers["Authorization"][:-8] + "AAAAAAAA"):
    status, answer, _ = client.ask(f"{vault}/secrets?{V}", "GET", None, {"Authorization": bearer})
    check(status == 401, "no bearer", status)
    look("a challenge", answer)
client.ask(vault + "/secrets/" + canary("a path") + "%2f?" + V, "GET", None, headers)
del canaries["a path"]  # a name is no secret

# --- What is there now ---

port = re.search(r"^metrics = 127.0.0.1:(\d+)", conf.read_text(), re.M).group(1)
found, metrics, _ = client.ask(f"https://127.0.0.1:{port}/metrics")
check(found == 200 and b"cella_vault_requests_total" in metrics, "metrics", metrics[:200])
look("the metrics", metrics)
status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
if locked:
    check(int(re.search(r"VmLck:\s*(\d+)", status).group(1)) > 1000, "memory is locked, so that none is swapped", status)
limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
check(re.search(r"Max core file size\s+0\s+0\s", limits), "no core may be written", limits)
command = pathlib.Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
look("its arguments", command)
os.kill(server.process.pid, signal.SIGSEGV)
died = os.waitid(os.P_PID, server.process.pid, os.WEXITED | os.WNOWAIT)
check(died.si_code == os.CLD_KILLED and died.si_status == signal.SIGSEGV, "it dies without a core", died)
_, err = server.stop()
look("what it printed", "".join(server.out).encode())
look("its log", err.encode())
files = [p for p in work.rglob("*") if p.is_file()]
names = {str(p.relative_to(data)) for p in files if data in p.parents}
check({"cella.db", "audit.log"} <= names, "the files of the server are there", names)
for path in files:
    content = path.read_bytes()
    if path == data / "dev" / "env.sh":  # the one file that is to have it
        content = content.replace(canaries["client secret"], b"")
    look(path.relative_to(work), content)
check(err.count("/secrets/s1") > 5 and "/keys/rsa/decrypt" in err, "the log tells of the calls", err[:300])
print(f"{len(canaries)} secrets; {count - bad} passed, {bad} failed")
sys.exit(bad != 0)
