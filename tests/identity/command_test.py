#!/usr/bin/env python3
"""`cella identity` beside a running server, and what its clients may then: command_test.py CELLA"""
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "service"))
from server import Client, Server, free_ports

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory(prefix="cella-identity-")
data = pathlib.Path(folder.name) / "data"
bad = count = 0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


def run(*words, status=0):
    done = subprocess.run([cella, "identity", "--data", str(data), *words], capture_output=True, text=True, timeout=20)
    check(done.returncode == status, "cella identity %s" % " ".join(words), "%d %s" % (done.returncode, done.stderr))
    return done


def tell(*words):
    text = run(*words, "--json").stdout
    return json.loads(text) if text else None


def token(client_id, secret, scope="https://attest.azure.net/.default"):
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret,
                                   "scope": scope})
    return client.json(authority + "/oauth2/v2.0/token", "POST", form, FORM)


def code(answer):
    return answer[0], answer[1].get("error_codes", [0])[0]


def policy(bearer):
    return client.ask(env["ATTESTATION_AAD_URL"] + "/policies/SgxEnclave?api-version=2020-10-01",
                      headers={"Authorization": "Bearer " + bearer})[0]


run("app", "list", status=1)  # no folder yet
server = Server(cella, data, port=free_ports())
try:
    env, client = server.environment(), Client(data)
    authority = env["AZURE_AUTHORITY_HOST"] + "/" + env["AZURE_TENANT_ID"]

    app = tell("app", "create", "build farm")
    check(tell("app", "show", app["object"]) == app, "an application by its object")
    check(run("app", "create", "build farm", status=1).stderr.count("already") == 1, "a name twice")
    given = tell("app", "create", "given", "--id", "AAAAAAAA-1111-4222-8333-444444444444")
    check(given["client"] == "aaaaaaaa-1111-4222-8333-444444444444", "an id of one's own")

    secret = tell("secret", "create", "build farm", "--days", "2")
    shown = run("secret", "create", app["client"]).stdout
    check("It is not shown again" in shown, "a secret for people", shown)
    second = shown.split("secret  ")[1].split()[0]
    status, answer = token(app["client"], secret["secret"])
    check(status == 200, "a token", answer)
    check(token(app["client"], second)[0] == 200, "a token by the second secret")
    check(code(token(app["client"], secret["secret"] + "x")) == (401, 7000215), "a wrong secret")
    check(code(token(given["client"], secret["secret"])) == (401, 7000215), "another's secret")
    bearer = answer["access_token"]

    check(policy(bearer) == 401, "no role yet")
    run("assign", "build farm", "Attestation Reader", "--scope", "/attest/devisolated")
    check(policy(bearer) == 401, "a role elsewhere")
    run("assign", "build farm", "attestation reader", "--scope", "/attest/dev")
    check(policy(bearer) == 200, "the role, seen at once")
    rows = tell("assignments", "build farm")
    check([r["scope"] for r in rows] == ["/attest/dev", "/attest/devisolated"] and rows[0]["app"] == "build farm",
          "assignments", rows)
    run("revoke", app["client"], "Attestation Reader", "--scope", "/attest/dev")
    check(policy(bearer) == 401, "revoked, seen at once")
    run("revoke", app["client"], "Attestation Reader", "--scope", "/attest/dev", status=1)
    run("assign", "f:1:alice", "Key Vault Reader", "--scope", "/vault/v", "--issuer", "https://kc.test/realm")
    check("https://kc.test/realm" in run("assignments").stdout, "an object of another issuer")

    ids = [s["id"] for s in tell("secret", "list", "build farm")]
    check(len(ids) == 2 and secret["id"] in ids, "secrets", ids)
    run("secret", "delete", "build farm", secret["id"])
    check(code(token(app["client"], secret["secret"])) == (401, 7000215), "a secret that was deleted")
    check(token(app["client"], second)[0] == 200, "the other one")

    run("federation", "add", "build farm", "--issuer", "https://i.test", "--subject", "s")
    check(tell("federation", "list", "build farm")[0]["audience"] == "api://AzureADTokenExchange", "a federation")
    run("federation", "delete", "build farm", "--issuer", "https://i.test", "--subject", "s")
    run("federation", "add", "build farm", "--issuer", "https://i.test", status=2)

    pem = data / "ca.pem"  # any certificate with a P-256 key
    added = tell("certificate", "add", "build farm", str(pem))
    check(added["sha256"] in run("certificate", "list", "build farm").stdout, "a certificate")
    run("certificate", "add", "build farm", str(pem), status=1)
    run("certificate", "add", "build farm", str(data / "cella.conf"), status=1)
    run("certificate", "delete", "build farm", added["sha256"])

    run("app", "delete", "build farm")
    check(code(token(app["client"], second)) == (400, 700016), "an application that was deleted")
    check(not tell("assignments", app["object"]), "and its assignments")

    changes = tell("changes", "--count", "1000")
    check(changes[0]["what"] == "app delete" and "uid " in changes[0]["who"], "changes", changes[:1])
    check([c["seq"] for c in changes] == list(range(len(changes), 0, -1)), "numbers without a gap")
    check(secret["secret"] not in json.dumps(changes) and second not in json.dumps(changes), "no secret in them")  # K11

    for words in ([], ["nothing"], ["app"], ["app", "create"], ["app", "create", "a", "b"], ["secret", "create", "given", "--days",
                  "0"], ["secret", "create", "given", "--days", "731"], ["assign", "given", "Attestation Reader"],
                  ["assign", "given", "Attestation Reader", "--scope", "attest"], ["app", "list", "--nonsense"]):
        run(*words, status=2)
    run("assign", "given", "Attestation King", "--scope", "/", status=1)
    run("app", "show", "nobody", status=1)
    check(any(r["name"] == "Attestation Explainer" for r in tell("role", "list")), "roles")
finally:
    status, err = server.stop()
check(status == 0, "the server ended well", err)
for name in ("cella.db", "audit.log", "cella.db-wal"):
    path = data / name
    if path.exists():
        check(second.encode() not in path.read_bytes(), "no secret in " + name)  # K11
print("%d of %d as they should be" % (count - bad, count))
sys.exit(bad != 0)
