#!/usr/bin/env python3
"""`cella verify` over every vector of evidence, against what independent tools found: vectors_test.py CELLA [--table FILE]

The type is never given: it must be told from the bytes. Prints one line a vector and a summary by family: as expected, not as expected, not covered and why. Exit status 1 when
one is not as expected. Vectors: CELLA_VECTORS or ../shared/vectors beside the source; 77 (skipped) where there are none."""
import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
VECTORS = pathlib.Path(os.environ.get("CELLA_VECTORS", SOURCE.parent / "shared" / "vectors"))
YEAR_2026 = "2026-02-01T00:00:00Z"


# Refused on purpose though other tools accept it: the reason must hold these words.
REFUSED_ON_PURPOSE = {"tpm2-quote/go-attestation-windows/quote.msg": "SHA-1"}  # a signature over a SHA-1 digest (A28)


class Case:
    """One run of the command. authentic, verdict, status: what must be found; None: anything."""

    def __init__(self, name, kind, path, when, authentic, verdict=None, status=None, advisories=None, flags=(), what=""):
        self.name, self.kind, self.path, self.when, self.what = name, kind, path, when, what
        self.authentic, self.verdict, self.status, self.advisories = authentic, verdict, status, advisories
        self.flags = [str(f) for f in flags]

    def run(self, cella):
        # Debug machines are in the vectors; whether debug is wanted is another test's question (A03).
        command = [cella, "verify", str(self.path), "--time", str(self.when), "--allow-debug", "--json"]
        done = subprocess.run(command + self.flags, capture_output=True, timeout=60)
        if done.returncode not in (0, 1):
            return "NO", f"exit status {done.returncode}: {done.stderr.decode(errors='replace').strip()[-200:]}"
        out = json.loads(done.stdout)
        reason = out["reason"] or {}
        wrong = [f"{word} {found}, expected {wanted}" for word, wanted, found in (
            ("exit status", 0 if out["verdict"] == "accepted" else 1, done.returncode),
            ("type", self.kind, out["type"]), ("authentic", self.authentic, out["authentic"]), ("verdict", self.verdict, out["verdict"]),
            ("tcb_status", self.status, out["tcb_status"]),
            ("advisories", self.advisories, sorted(out["advisories"]))) if wanted is not None and wanted != found]
        found = out["verdict"] + (f", {out['tcb_status']}" if out["tcb_status"] else "")
        if REFUSED_ON_PURPOSE.get(self.name, "\0") in reason.get("found", ""):
            return "--", f"refused on purpose: {reason['step']}: {reason['found']}"
        if reason:
            found += f" ({reason['step']}: {reason['field']}: {reason['found']})"
        return ("NO", "; ".join(wrong) + ": " + found) if wrong else ("ok", found)


def load(folder):
    return json.loads((folder / "expected.json").read_text())


def unix(text):
    return int(datetime.datetime.fromisoformat(text).timestamp())


def folders(family):
    return sorted(p.parent for p in (VECTORS / family).glob("*/expected.json"))


def intel(family, kind):
    for folder in folders(family):
        expected = load(folder)
        name = f"{family}/{folder.name}"
        quote = folder / "quote.bin"
        genuine = expected["quote_signature"] == "valid" and expected.get("pck_chain") == "valid"
        sets = expected.get("collateral_sets", [])
        when = sets[0]["verify_time_epoch"] if sets else "2025-06-01T00:00:00Z"
        # The chain is in the quote, so that authenticity shows without collateral; nothing else does.
        yield Case(name, kind, quote, when, genuine, "refused", what="alone")
        for s in sets:
            fresh = s["status"] == "UpToDate"
            known = s["status"] in ("UpToDate", "SWHardeningNeeded", "ConfigurationNeeded",
                                    "ConfigurationAndSWHardeningNeeded", "OutOfDate", "OutOfDateConfigurationNeeded",
                                    "Revoked")
            yield Case(name, kind, quote, s["verify_time_epoch"], genuine, "accepted" if fresh and genuine else "refused",
                       s["status"] if known and genuine else None,
                       sorted(s.get("advisories") or []) if known and genuine else None,
                       ["--collateral", folder / s["dir"]], s["dir"])
            if known and genuine and not fresh and s["status"] != "Revoked":
                yield Case(name, kind, quote, s["verify_time_epoch"], True, "accepted", s["status"], None,
                           ["--collateral", folder / s["dir"], "--accept-tcb", s["status"]], s["dir"] + ", status named")


def test_root():
    folder = VECTORS / "dcap-testroot" / "sgx"
    if not folder.exists():
        return
    quote, when = folder / "quote.dat", "2019-12-01T00:00:00Z"
    yield Case("dcap-testroot/sgx", "sgx", quote, when, False, "refused", None, None, ["--collateral", folder], "Intel's root")
    yield Case("dcap-testroot/sgx", "sgx", quote, None, True, None, None, None,
               ["--collateral", folder, "--roots", folder / "trustedRootCaCert.pem"], "its own root")


def snp():
    for folder in folders("snp-report"):
        expected, name = load(folder), f"snp-report/{folder.name}"
        good = expected["verdict"].startswith("accept")
        when = expected.get("verify_time_from") or YEAR_2026
        yield Case(name, "snp", folder / "report.bin", when, good, "accepted" if good else "refused", None, None,
                   ["--collateral", folder], expected["verdict"][:40])


def nitro():
    for folder in folders("nitro"):
        expected = load(folder)
        good = expected["verdict"].startswith("accept")
        yield Case(f"nitro/{folder.name}", "nitro", folder / "document.cbor", expected["verify_time"], good,
                   "accepted" if good else "refused", what=expected["verdict"][:40])


def maa():
    for folder in folders("maa-jwt"):
        expected = load(folder)
        good = expected["verdict"].startswith("accept")
        begin, end = unix(expected["nbf"]), unix(expected["exp"])
        for when, timely in ((begin + 60, True), (end + 3600, False), (begin - 3600, False)):
            yield Case(f"maa-jwt/{folder.name}", "maa", folder / "token.jwt", when, good if timely else None,
                       "accepted" if good and timely else "refused", None, None, ["--collateral", folder],
                       expected["verdict"][:30] + ("" if timely else ", wrong time"))


def azure():
    for folder in folders("azure-vtpm"):
        expected, name = load(folder), f"azure-vtpm/{folder.name}"
        whole = (folder / "vcek.der").exists() or (folder / "td_quote.bin").exists()
        quoted = (folder / "tpm_quote.msg").exists()
        good = expected["verdict"] == "accept" and whole and quoted
        bad = expected["verdict"] != "accept" or not whole
        yield Case(name, "azure", folder / "hcl_report.bin", YEAR_2026, True if good else False if bad else None,
                   "refused" if bad else None, None, None, ["--collateral", folder], "" if whole else "without its hardware key")
        if (folder / "evidence.json").exists():
            yield Case(name, "azure", folder / "evidence.json", YEAR_2026, good, None, what="one JSON envelope, alone")


def tpm():
    for folder in folders("tpm2-quote"):
        for quote in sorted(folder.glob("quote*.msg")):
            name = f"tpm2-quote/{folder.name}/{quote.name}"
            yield Case(name, "tpm", quote, YEAR_2026, True, "accepted", None, None,
                       ["--collateral", folder, "--trust", folder / "ak_pub.pem"], "its key trusted")
            yield Case(name, "tpm", quote, YEAR_2026, False, "refused", what="alone")


def ratls():
    for folder in folders("ra-tls"):
        expected, name = load(folder), f"ra-tls/{folder.name}"
        certificate = next(p for p in (folder / "cert.pem", folder / "cert.der") if p.exists())
        quotes = expected.get("quotes", [])
        genuine = any(q.get("quote_sig") and q.get("intel_root") and q.get("report_data_binding") for q in quotes)
        damaged = not any(q.get("quote_sig") for q in quotes)
        yield Case(name, "ra-tls", certificate, unix(expected["not_before"]) + 86400, True if genuine else False if damaged else None,
                   "refused", what="alone")


def run_all(cella):
    cases = []
    for maker in (intel("sgx-quote", "sgx"), intel("tdx-quote", "tdx"), test_root(), snp(), nitro(), maa(), azure(), tpm(),
                  ratls()):
        cases += maker
    for case in cases:
        if case.when is None:
            case.when = "2019-12-01T00:00:00Z"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(zip(cases, pool.map(lambda c: c.run(cella), cases)))


def main():
    if not (VECTORS / "MANIFEST.tsv").exists():
        print(f"skipped: no vectors at {VECTORS} (CELLA_VECTORS)")
        return 77
    results = run_all(sys.argv[1])
    total = {}
    for case, (mark, text) in results:
        print(f"{mark} {case.kind:7} {case.name}{', ' + case.what if case.what else ''}: {text}")
        total.setdefault(case.name.split("/")[0], {"ok": 0, "NO": 0, "--": 0})[mark] += 1
    print(f"\n{'family':16}{'as expected':>12}{'not':>6}{'not covered':>13}")
    for family, count in total.items():
        print(f"{family:16}{count['ok']:>12}{count['NO']:>6}{count['--']:>13}")
    bad = sum(count["NO"] for count in total.values())
    if sum(count["ok"] for count in total.values()) == 0:
        print("nothing was as expected: is this the right command?")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
