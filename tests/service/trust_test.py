#!/usr/bin/env python3
"""The background collateral of a service against sources that are good, slow, hostile or gone: trust_test.py PROGRAM SOURCE_ROOT

A request takes and drops the set; it never waits (the longest take is measured while a source hangs). What held stays when
files, cache or sources turn bad, and the newest wins (A05, A37)."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
program, root = sys.argv[1], pathlib.Path(sys.argv[2])
sys.path.insert(0, str(root / "tests" / "collateral"))
try:
    import paper_intel as paper
except ImportError as absent:
    print("skipped:", absent)
    sys.exit(77)
vectors = pathlib.Path(os.environ.get("CELLA_VECTORS", root / ".." / "shared" / "vectors")) / "sgx-quote"
quotes = sorted(p for p in vectors.glob("v3-*/*") if p.name.startswith("quote")) if vectors.is_dir() else []

folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
AT = int((paper.NOW - paper.datetime.datetime(1970, 1, 1)).total_seconds())
bad = count = 0


def check(good, what, more=""):
    global bad, count
    count += 1
    if not good:
        bad += 1
        print("not so:", what, more)


class Trust:
    def __init__(self, *settings, env=None):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for line in settings:
            self.put(line)
        self.opened = self.ask("open")

    def put(self, line):
        self.process.stdin.write(str(line) + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.put(line)
        return self.process.stdout.readline().rstrip("\n")

    def tend(self, now=AT):
        self.ask("tend %d" % now)
        return self.ask("wait")

    def state(self, now=AT):
        age, held, stale, failures, last = (self.ask("state %d" % now) + " ").split(" ", 4)
        return {"age": int(age), "count": int(held), "stale": int(stale), "failures": int(failures), "last": last.strip()}

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(timeout=30)
        check(status == 0, "the program ends well", self.process.stderr.read())


def soon():
    """A moment at which a refresh each second is due."""
    return int(time.time()) + 5


def bundle_of(service, name):
    """What the command line fetches, as a file for `path`."""
    for path, (_, _, chain, body) in service.answers.items():
        target = work / name / (path.strip("/").replace("/", "_").replace("?", "_") + ("" if body[:1] == b"{" else ".der"))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(bytes.fromhex(body.decode()) if path.endswith("rootcacrl") else body)
        if chain:
            (target.parent / (target.name + ".chain.pem")).write_bytes(chain)
    return work / name


tls = paper.tls_files(work)
maker, stranger = paper.Maker(), paper.Maker()
(work / "roots").mkdir()
(work / "roots" / "root.pem").write_bytes(paper.pem(maker.root))
roots = "roots %s" % (work / "roots")
common = [roots, "ca %s" % tls[0], "timeout 1500"]

# files alone
good = paper.Service(tls, maker.answers(evaluation=20, number=5))
files = bundle_of(good, "files")
trust = Trust(roots, "path %s" % files)
check(trust.opened == "good", "a folder opens", trust.opened)
trust.tend()
first = trust.state()
check(first["count"] >= 8 and first["stale"] == 0 and first["last"] == "", "its items hold", first)
late = trust.tend(AT + 30 * 86400) and trust.state(AT + 30 * 86400)
check(late["stale"] >= 4, "and are stale when their time is over", late)
# a file turns bad: what held stays, and is told
tcb = next(f for f in files.iterdir() if f.name.endswith("_tcb"))
whole = tcb.read_bytes()
for damage in (b"", whole[:100], whole.replace(b"UpToDate", b"UpToDatf"), b"\0" * 1000):
    tcb.write_bytes(damage)
    trust.tend()
    check(trust.state()["count"] == first["count"], "what held stays beside a damaged file", trust.state())
# an older one beside: the newest stays (A05); a newer one is taken
for evaluation, number in ((19, 4), (21, 6)):
    body = maker.answers(evaluation=evaluation, number=number)["/sgx/certification/v4/tcb"][3]
    tcb.write_bytes(body)
    check(trust.tend() == "good", "another TCB info")
    check(trust.state()["count"] == first["count"], "one of its name", trust.state())
tcb.write_bytes(whole)
trust.tend()
# a folder that goes away: the set stays, and the state says so
files.rename(work / "gone")
outcome = trust.tend()
check("there is no" in outcome, "a folder that went away is told", outcome)
check(trust.state()["count"] == first["count"] and "there is no" in trust.state()["last"], "and the set stays", trust.state())
(work / "gone").rename(files)
check(trust.tend() == "good" and trust.state()["last"] == "", "and is taken again")
trust.close()

# what cannot be opened at all
for line, words in (("path %s" % (work / "nowhere"), "there is no"), ("source ftp://x", "expected none, pcs=URL or kds=URL"),
                    ("source pcs=http://x", "a source is https://"), ("roots %s" % (work / "nowhere"), "there is no")):
    trust = Trust(line, "cache %s" % (work / "none"))
    check(words in trust.opened, line, trust.opened)
    trust.process.kill()
    trust.process.wait()

# fetching: known things are refreshed, and the cache outlives the process
cache = work / "cache.bundle"
newer = paper.Service(tls, maker.answers(evaluation=22, number=7, days=1000))
settings = [*common, "path %s" % files, "cache %s" % cache, "refresh 1"]
trust = Trust(*settings, "source pcs=%s" % newer.url)
now = soon()
check(trust.tend(now) == "good", "a refresh that is due")
check(trust.state(now)["stale"] == 0, "makes what was stale fresh", trust.state(now))
check(trust.state(now)["age"] == 0 and trust.state(now + 7)["age"] == 7, "and its age begins anew", trust.state(now))
check(any("/tcb?fmspc=" + paper.FMSPC in a for a in newer.asked), "it asks for what is known", newer.asked)
trust.close()

# a source that hangs: the set is there all the while, and the end is not waited for
silent = paper.Service(tls, maker.answers(days=1000), "silent")
trust = Trust(roots, "ca %s" % tls[0], "timeout 20000", "path %s" % files, "cache %s" % (work / "c2"), "refresh 1",
              "source pcs=%s" % silent.url)
trust.ask("tend %d" % soon())
time.sleep(0.3)
check(len(silent.asked) > 0, "the source was asked")
longest = int(trust.ask("time"))
check(longest < 5000, "a request never waits, microseconds", longest)
started = time.monotonic()
trust.ask("stop")
trust.ask("wait")
check(time.monotonic() - started < 3, "and the end does not wait for the source", time.monotonic() - started)
trust.close()

# sources that are hostile: what held stays, failures are counted and told
for how in ("flipped", "huge", "swapped", "broken", "redirect", "truncated", "other"):
    service = paper.Service(tls, maker.answers(evaluation=30, number=30, days=1000), how)
    service.elsewhere = good.url
    trust = Trust(*common, "path %s" % files, "cache %s" % (work / "c3"), "refresh 1", "source pcs=%s" % service.url)
    now = soon()
    before = trust.state()["count"]
    outcome = trust.tend(now)
    state = trust.state(now)
    check(outcome != "good" and state["failures"] == 1 and state["last"], how + ": told", (outcome, state))
    check(state["count"] == before, how + ": what held stays", state)
    trust.close()
    service.stop()
evil = paper.Service(tls, stranger.answers(evaluation=99, number=999, days=1000))
trust = Trust(*common, "path %s" % files, "cache %s" % (work / "c4"), "refresh 1", "source pcs=%s" % evil.url)
before = trust.state()["count"]
trust.tend(soon())
check(trust.state()["count"] == before, "another root's word is not taken", trust.state())
trust.close()

# a cache that was damaged is left out, not an end
(work / "c5").write_bytes(b"\0" * 700)
trust = Trust(*common, "path %s" % files, "cache %s" % (work / "c5"), "source none")
check(trust.opened == "good", "a damaged cache", trust.opened)
trust.close()

# evidence that needs something: fetched once, and not asked for again at once
if quotes:
    learn = paper.Service(tls, maker.answers())
    trust = Trust(*common, "cache %s" % (work / "c6"), "source pcs=%s" % learn.url)
    for _ in range(50):
        trust.ask("want %s" % quotes[0])
    trust.tend()
    asked = [a for a in learn.asked if "/tcb?fmspc=" in a]
    check(len(asked) == 1, "asked for once", learn.asked)
    trust.ask("want %s" % quotes[0])
    trust.tend()
    check(len([a for a in learn.asked if "/tcb?fmspc=" in a]) == 1, "and not again within a minute", learn.asked)
    trust.close()
    answers = maker.answers()
    kind, header, chain, _ = answers["/sgx/certification/v4/tcb"]
    fmspc = asked[0].split("fmspc=")[1].split("&")[0]
    answers["/sgx/certification/v4/tcb"] = (kind, header, chain, maker.tcb_info(20, 20, fmspc))
    knows = paper.Service(tls, answers)
    trust = Trust(*common, "cache %s" % (work / "c7"), "source pcs=%s" % knows.url)
    trust.ask("want %s" % quotes[0])
    check(trust.tend() == "good" and trust.state()["count"] >= 6, "what evidence needs is fetched and holds", trust.state())
    for _ in range(3):
        trust.ask("want %s" % (root / "meson.build"))
    trust.close()
    again = Trust(*common, "cache %s" % (work / "c7"), "source none")
    check(again.opened == "good" and again.state()["count"] >= 6, "the cache outlives the process", again.state())
    again.close()
    # callers cannot make us flood a source: many chips, each a report of its own (K20)
    reports = sorted(vectors.parent.glob("snp-report/*/*.bin"))
    asked = Trust(*common, "cache %s" % (work / "c8"), "source kds=%s pcs=%s" % (knows.url, knows.url))
    chip = next((r for r in map(pathlib.Path.read_bytes, reports) if len(r) >= 1184 and r[0] >= 3 and any(r[0x1a0:0x1e0])), None)
    if chip:
        before = len(knows.asked)
        for n in range(80):
            (work / "report").write_bytes(chip[:0x1a0] + bytes([n]) + chip[0x1a1:])
            asked.ask("want %s" % (work / "report"))
            if n % 10 == 9:
                asked.tend()
        vceks = [a for a in knows.asked[before:] if a.startswith("/vcek/v1/") and "SPL=" in a]
        check(0 < len(vceks) <= 32, "not more than 32 chips are asked for in a minute", len(vceks))
    asked.close()
else:
    print("no vectors: evidence that needs something is not tested")

print("%d checks, %d bad" % (count, bad))
sys.exit(bad != 0)
