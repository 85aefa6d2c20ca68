#!/usr/bin/env python3
"""Counts what a meson test run did: tools/count-tests.py testlog.json

Prints one line "PASSED FAILED SKIPPED", then a line for each case that failed ("fail NAME: REASON") or was
skipped ("skip NAME: REASON"). A cmocka program counts by its cases; a program that dies before it has
reported a failed case counts as one failure, so a crash never looks like fewer tests.
"""
import json
import re
import sys

CASE = re.compile(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] (\w+)\s*$")


def cases(output):
    """(verdict, name, reason) of each cmocka case; the summary at the end repeats names and is left out."""
    reason = ""
    for line in output.splitlines():
        if line.startswith("[==========]") and " test(s) run" in line:
            return
        found = CASE.match(line)
        if found:
            yield found.group(1), found.group(2), reason
        if line.strip() and not line.startswith("["):
            reason = line.strip()
        else:
            reason = ""


def main(path):
    passed = failed = skipped = 0
    notes = []
    with open(path, encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            name = test["name"].split(" / ")[-1]
            output = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
            verdict = test["result"]
            found = list(cases(output))
            bad = [c for c in found if c[0] == "FAILED"]
            last = next((text.strip() for text in reversed(output.splitlines()) if text.strip()), "no reason given")
            if verdict in ("SKIP",) and not found:
                skipped += 1
                notes.append(f"skip {name}: {last}")
                continue
            good = verdict in ("OK", "EXPECTEDFAIL", "SKIP")
            passed += sum(c[0] == "OK" for c in found) if found else int(good)
            for _, case, reason in (c for c in found if c[0] == "SKIPPED"):
                skipped += 1
                notes.append(f"skip {name}.{case}: {reason or 'no reason given'}")
            for _, case, _ in bad:
                failed += 1
                notes.append(f"fail {name}.{case}")
            if not good and not bad:
                failed += 1
                notes.append(f"fail {name}: {verdict.lower()}: {last}")
    print(passed, failed, skipped)
    for note in notes:
        print(note)


if __name__ == "__main__":
    main(sys.argv[1])
