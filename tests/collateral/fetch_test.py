#!/usr/bin/env python3
"""`cella collateral fetch` against services that are good, late, behind, or hostile (A05, A37): fetch_test.py CELLA"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
try:
    import paper_intel as paper
except ImportError as absent:
    print("skipped:", absent)
    sys.exit(77)

cella = pathlib.Path(sys.argv[1]).resolve()
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
AT = paper.NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
bad = count = 0


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


def run(*arguments, at=AT):
    done = subprocess.run([cella, "collateral", *map(str, arguments), "--time", at, "--roots", work / "roots"],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def fetch(*services, out="out", at=AT, more=()):
    sources = [a for s in services for a in ("--pcs", s if isinstance(s, str) else s.url)]
    return run("fetch", "--fmspc", paper.FMSPC, *sources, "--ca", tls[0], "--timeout-ms", 800, "-o", work / out, *more, at=at)


def evaluation(out="out"):
    _, text = run("show", work / out, "--json")
    items = json.loads(text)["items"]
    return {i["name"]: i["tcb_evaluation_data_number"] for i in items}.get("tcb_info-sgx-%s.json" % paper.FMSPC)


tls = paper.tls_files(work)
maker, stranger = paper.Maker(), paper.Maker()
(work / "roots").mkdir()
(work / "roots" / "root.pem").write_bytes(paper.pem(maker.root))
usual = maker.answers()
good = paper.Service(tls, usual)

# the good way, and that what was written is whole and holds
status, text = fetch(good)
check(status == 0 and (work / "out").exists(), "a good service", text)
check(evaluation() == 20, "the number is kept")
check(run("check", work / "out")[0] == 0, "what was fetched holds")
check("/sgx/certification/v4/tcb?fmspc=" + paper.FMSPC in good.asked, "the path of the API", good.asked)
check("/sgx/certification/v4/pckcrl?ca=platform&encoding=der" in good.asked, "the list's path")
first = (work / "out").read_bytes()
check(fetch(good)[0] == 0 and (work / "out").read_bytes() == first, "the same once more gives the same bytes")
check(fetch(good.url + "/sgx/certification/v4/", out="again")[0] == 0 and (work / "again").read_bytes() == first,
      "a source spelled as Intel's client has it")
fetch(good, out="early", more=["--update", "early"])
check(any(a.endswith("fmspc=%s&update=early" % paper.FMSPC) for a in good.asked), "--update is asked for", good.asked[-6:])

# each bad way: refused with its URL, in bounded time, and nothing is written
elsewhere = paper.Service(tls, usual)
ways = {"broken": "status 500", "absent": "status 404", "credential": "status 401", "redirect": "status 302",
        "other": "something else", "empty": "something else", "swapped": "something else", "flipped": "",
        "chainless": "no TCB signing certificate", "bad chain": "issuer chain", "huge": "larger than allowed",
        "endless": "larger than allowed", "huge header": "headers", "truncated": "", "slow body": "within 800 ms",
        "silent": "within 800 ms"}
for how, words in ways.items():
    service = paper.Service(tls, usual, how)
    service.elsewhere = elsewhere.url
    started = time.monotonic()
    status, text = fetch(service, out="none")
    check(status == 1 and words in text and service.url in text and "do: " in text, how, "%d: %s" % (status, text))
    check(not (work / "none").exists(), how + ": nothing is written")
    check(time.monotonic() - started < 15, how + ": in bounded time", time.monotonic() - started)
    # beside a good one it does no harm, in either order, and what is there stays when all are bad
    for order in ([service, good], [good, service]) if how not in ("slow body", "silent") else []:
        status, text = fetch(*order, out="pair")
        check(status == 0 and (work / "pair").read_bytes() == first, how + " beside a good one", text)
        (work / "pair").unlink(missing_ok=True)
    if how not in ("slow body", "silent"):
        status, text = fetch(service)
        check(status == 0 and (work / "out").read_bytes() == first, how + ": what is there stays", text)
    service.stop()
check(elsewhere.asked == [], "no redirect was followed", elsewhere.asked)

# what another root signed, with the same names and a higher number (A08, A37: no poisoning)
evil = paper.Service(tls, stranger.answers(evaluation=99, number=999))
status, text = fetch(evil, out="none")
check(status == 1 and not (work / "none").exists(), "another root's word", text)
status, text = fetch(evil, good)
check(status == 0 and (work / "out").read_bytes() == first, "another root's higher number does not displace", text)
status, text = fetch(evil)
check(status == 0 and (work / "out").read_bytes() == first, "not even alone", text)

# numbers: the newest of several wins, in either order; an older one never replaces (A05)
newer = paper.Service(tls, maker.answers(evaluation=21, number=6))
older = paper.Service(tls, maker.answers(evaluation=19, number=4))
for order in ([newer, older, good], [older, good, newer]):
    check(fetch(*order, out="three")[0] == 0 and evaluation("three") == 21, "the newest of three")
    (work / "three").unlink()
status, text = fetch(older)
check(status == 0 and evaluation() == 20 and (work / "out").read_bytes() == first and "older than what is there" in text,
      "an older number does not replace", text)
check(fetch(newer)[0] == 0 and evaluation() == 21, "a newer number replaces")
check(fetch(older)[0] == 0 and evaluation() == 21, "and stays")
check(fetch(good)[0] == 0 and evaluation() == 21, "and stays again")

# time: out of date is refused, and so is the future
late = (paper.NOW + 30 * paper.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
early = (paper.NOW - 30 * paper.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
for at in (late, early):
    status, text = fetch(good, out="none", at=at)
    check(status == 1 and "in force" in text and not (work / "none").exists(), "not in force at " + at, text)
status, text = fetch(good, at=late)
check(status == 1, "what is there is out of date, too", text)
fresh = paper.Service(tls, maker.answers(evaluation=22, days=60, number=7))
status, text = fetch(good, fresh, at=late)
check(status == 0 and evaluation() == 22, "a source out of date beside one that is not", text)

# a revoked TCB signing certificate signs no more (A06)
answers = maker.answers(evaluation=23, days=60)
answers["/sgx/certification/v4/rootcacrl"] = (
    "application/x-pem-file", None, None,
    maker.crl("Intel SGX Root CA", maker.root_key, 8, 300, [maker.tcb.serial_number]).hex().encode())
status, text = fetch(paper.Service(tls, answers), out="none")
check(status == 1 and "revoked" in text and not (work / "none").exists(), "a revoked signer", text)

# only https, only a host, TLS verified
for url in ("http://127.0.0.1:1", "file:///etc/passwd", "https://user@127.0.0.1", "https://", "127.0.0.1", "https://a?b",
            "https://a#b", "ftp://a", "https://:1", "https://a%2fb"):
    status, text = fetch(url, out="none")
    check(status == 2 and "a source is https://" in text, "no source: " + url, text)
status, text = run("fetch", "--fmspc", paper.FMSPC, "--pcs", good.url, "-o", work / "none")
check(status == 1 and "TLS" in text and "--ca" in text, "a server that nobody vouches for", text)
status, text = run("fetch", "--fmspc", paper.FMSPC, "--pcs", good.url.replace("127.0.0.1", "localhost"), "--ca", tls[0], "-o",
                   work / "none")
check(status == 1 and not (work / "none").exists(), "a certificate for another name", text)
gone = paper.Service(tls, {})
gone.stop()
status, text = fetch(gone, out="none")
check(status == 1 and gone.url in text, "nobody there", text)

# arguments
for arguments in ([], ["--fmspc", "00", "-o", "x"], ["--fmspc", paper.FMSPC], ["-o", "x"], ["--product", "Rome", "-o", "x"],
                  ["--fmspc", paper.FMSPC, "-o", "x", "--update", "soon"], ["--for", "absent", "-o", "x"],
                  ["--fmspc", paper.FMSPC, "-o", "x", "--timeout-ms", "0"], ["extra", "-o", "x"]):
    check(run("fetch", *arguments)[0] in (1, 2), "arguments: %s" % arguments)

# AMD: what a report needs, under AMD's own roots, from a service that has it but for the list, which it must not do without
vectors = pathlib.Path(os.environ.get("CELLA_VECTORS", pathlib.Path(__file__).resolve().parents[3] / "shared/vectors"))
report = vectors / "snp-report/v2-milan-vcek-amd-sev-snp-attestat-597d1fae"
if report.is_dir():
    def kds(vcek):
        chain = b"".join(paper.pem(paper.x509.load_der_x509_certificate((vectors / f"snp-certs/milan/{n}.der").read_bytes()))
                         for n in ("ask", "ark"))
        return paper.Service(tls, {
            "/vcek/v1/Milan/cert_chain": ("application/x-pem-file", None, None, chain),
            "/vcek/v1/Milan/" + (report / "report.bin").read_bytes()[0x1a0:0x1e0].hex():
                ("application/x-x509-ca-cert", None, None, vcek.read_bytes())})
    def fetch_amd(service):
        done = subprocess.run([cella, "collateral", "fetch", "--for", report / "report.bin", "--product", "Milan", "--kds",
                               service.url, "--ca", tls[0], "-o", work / "amd", "--time", AT], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr
    service = kds(report / "vcek.der")
    status, text = fetch_amd(service)
    check(status == 1 and "/vcek/v1/Milan/crl: status 404" in text and text.count("warn") == 1, "AMD's list is absent", text)
    check(sorted(p.split("?")[0].rsplit("/", 1)[1][:10] for p in service.asked) ==
          sorted([(report / "report.bin").read_bytes()[0x1a0:0x1e0].hex()[:10], "cert_chain", "crl"]), "AMD's paths", service.asked)
    status, text = fetch_amd(kds(vectors / "snp-report/v2-milan-vcek-attestation-rs-2e63568e/vcek.der"))
    check(status == 1 and "VCEK" in text and "something else" in text, "another chip's VCEK", text)

# check warns before it is too late
day = lambda n: (paper.NOW + n * paper.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
fetch(good, out="dated")
check(run("check", work / "dated", at=day(12))[0] == 0, "eight days left")
status, text = run("check", work / "dated", at=day(14))
check(status == 1 and "will be out of date at" in text, "six days left", text)
check(run("check", work / "dated", "--warn-days", "3", at=day(14))[0] == 0, "six days left, three asked for")
status, text = run("check", work / "dated", "--warn-days", "0", at=day(21))
check(status == 1 and "out of date since" in text, "too late", text)

print("%d checks, %d failed" % (count, bad))
sys.exit(bad != 0)
