#!/usr/bin/env python3
"""Random release policies over random claims (K03): what cella says of them against a second evaluator, written here from
docs/formats/release-policy.md alone. release_double_test.py BATCH [--count N] [--seed N]. Prints the first case on which the
two differ."""
import json
import random
import re
import subprocess
import sys

AUTHORITIES = ["https://att.test", "https://att.test/", "https://ATT.test", "https://other.test", "https://att.test:444"]
TYPES = ["cella-software", "sgx", "tdxvm", "sevsnpvm"]
OPERATORS = ["equals", "notEquals", "less", "lessOrEquals", "greater", "greaterOrEquals", "exists"]
NAMES = ["a", "b", "c", "o.p", "o.q.r", "x-ms-attestation-type", "x-ms-attestation-type", "absent"]
VALUES = [0, 1, 2, -3, 2**53, True, False, "", "0", "1", "2", "-3", "-0", "01", "1.0", "true", "false", "True", "x", "X"]
WRONG = [None, 1.5, [], [1], {}, {"a": 1}]


class Refused(Exception):
    pass


# --- The second evaluator ---

def expect(good):
    if not good:
        raise Refused


def integer(v):
    if isinstance(v, int) and not isinstance(v, bool):
        return v
    if isinstance(v, str) and re.fullmatch(r"0|-?[1-9][0-9]*", v):
        return int(v)
    return None


def truth(v):
    return v if isinstance(v, bool) else {"true": True, "false": False}.get(v) if isinstance(v, str) else None


def find(claims, name):
    if name in claims:
        return True, claims[name]
    head, dot, rest = name.partition(".")
    if dot and isinstance(claims.get(head), dict):
        return find(claims[head], rest)
    return False, None


def same(a, b):
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    if isinstance(a, bool) or isinstance(b, bool):
        return truth(a) is not None and truth(a) == truth(b)
    return integer(a) is not None and integer(a) == integer(b)


def compare(op, want, there, found):
    if op == "exists":
        return truth(want) == there
    if not there or found is None or isinstance(found, (dict, list)):
        return False
    if op in ("equals", "notEquals"):
        return same(want, found) == (op == "equals")
    a, b = integer(found), integer(want)
    if a is None or b is None:
        return False
    return {"less": a < b, "lessOrEquals": a <= b, "greater": a > b, "greaterOrEquals": a >= b}[op]


def group_of(o):
    return [(k, {"allof": all, "anyof": any}[k.lower()]) for k in o if k.lower() in ("allof", "anyof")]


def check(condition):
    """Refuses what is no condition; gives the tree as (quantifier, [trees]) or (claim, operator, value)."""
    expect(isinstance(condition, dict))
    groups = group_of(condition)
    if groups:
        expect(len(condition) == 1)
        return check_list(groups[0][1], condition[groups[0][0]])
    expect(isinstance(condition.get("claim"), str) and condition["claim"] != "")
    if "condition" in condition:
        expect(set(condition) == {"claim", "condition", "value"} and condition["condition"] in OPERATORS)
        op, value = condition["condition"], condition["value"]
    else:
        expect(len(condition) == 2)
        (op, value), = [(k, v) for k, v in condition.items() if k != "claim"]
        expect(op in OPERATORS)
    if op == "exists":
        expect(truth(value) is not None)
    elif op in ("equals", "notEquals"):
        expect(isinstance(value, (str, bool, int)))
    else:
        expect(integer(value) is not None)
    return condition["claim"], op, value


def check_list(quantifier, conditions):
    expect(isinstance(conditions, list) and conditions)
    return quantifier, [check(c) for c in conditions]


def names_software(tree, claims):
    """Whether, of what holds, something asks for software by its name."""
    if not holds(tree, claims):
        return False
    if callable(tree[0]):
        return any(names_software(t, claims) for t in tree[1])
    return tree == ("x-ms-attestation-type", "equals", "cella-software")


def holds(tree, claims):
    if callable(tree[0]):
        return tree[0](holds(t, claims) for t in tree[1])
    there, found = find(claims, tree[0])
    return compare(tree[1], tree[2], there, found)


def url(text):
    scheme, host, path = re.fullmatch(r"(https://)([^/]+)(/.*)?", text).groups()
    return scheme + host.lower() + (path or "").removesuffix("/")


def evaluate(policy, issuer, claims):
    try:
        expect(policy.get("version") in ("1.0.0", "1.0", "0.2") and len(policy) == 2 and group_of(policy)[0][1] is any)
        entries = policy[group_of(policy)[0][0]]
        expect(isinstance(entries, list) and entries)
        trees = []
        for entry in entries:
            expect(isinstance(entry, dict) and len(entry) == 2 and group_of(entry))
            (key, quantifier), = group_of(entry)
            expect(isinstance(entry.get("authority"), str) and entry["authority"].startswith("https://"))
            trees.append((url(entry["authority"]), check_list(quantifier, entry[key])))
    except (Refused, IndexError, ValueError):
        return "refused"
    software = claims.get("x-ms-attestation-type") == "cella-software"
    return "held" if any(url(issuer) == authority and holds(tree, claims) and (not software or names_software(tree, claims))
                         for authority, tree in trees) else "unmet"


# --- Cases ---

def value_for(rng, name):
    return rng.choice(TYPES) if name == "x-ms-attestation-type" and rng.random() < 0.9 else rng.choice(VALUES)


def make_condition(rng, depth, faults):
    if depth < 3 and rng.random() < 0.3:
        return {rng.choice(["allOf", "anyOf", "allof", "ANYOF"]):
                [make_condition(rng, depth + 1, faults) for _ in range(rng.randint(0 if faults and rng.random() < 0.05 else 1, 3))]}
    name, op = rng.choice(NAMES), rng.choice(OPERATORS[:2] * 3 + OPERATORS)
    value = value_for(rng, name)
    if op == "exists":
        value = rng.choice([True, False, "true", "false"])
    elif op not in ("equals", "notEquals"):
        value = rng.choice([v for v in VALUES if integer(v) is not None])
    if faults and rng.random() < 0.05:
        value = rng.choice(WRONG)
    if faults and rng.random() < 0.05:
        op = rng.choice(["not", "Equals", "notequals", "noneOf", "regex", "equals "])
    condition = {"claim": name, op: value} if rng.random() < 0.8 else {"claim": name, "condition": op, "value": value}
    if faults and rng.random() < 0.03:
        condition[rng.choice(["less", "note", "not", "allOf", "value"])] = 1
    return condition


def make_policy(rng):
    faults = rng.random() < 0.3
    entries = []
    for _ in range(rng.randint(1, 2)):
        entry = {"authority": rng.choice(AUTHORITIES), rng.choice(["allOf", "anyOf", "allof"]):
                 [make_condition(rng, 0, faults) for _ in range(rng.randint(1, 3))]}
        if faults and rng.random() < 0.05:
            entry[rng.choice(["not", "anyOf", "noneOf"])] = []
        entries.append(entry)
    return {"version": "1.0.0" if not faults or rng.random() < 0.95 else rng.choice(["", "1", "2.0.0", 1]), "anyOf": entries}


def make_claims(rng):
    claims = {name: rng.choice(VALUES + WRONG) for name in "abc" if rng.random() < 0.8}
    if rng.random() < 0.9:
        claims["x-ms-attestation-type"] = rng.choice(TYPES[:1] * 2 + TYPES)
    if rng.random() < 0.6:
        claims["o"] = {"p": rng.choice(VALUES), "q": rng.choice([{"r": rng.choice(VALUES)}, 1])}
    return claims


def main():
    argv = sys.argv[1:]
    options = {"--count": 40000, "--seed": 20261125}
    for name in options:
        if name in argv:
            options[name] = int(argv[argv.index(name) + 1])
    rng = random.Random(options["--seed"])
    cases = []
    for _ in range(options["--count"]):
        policy, issuer, claims = make_policy(rng), rng.choice(AUTHORITIES[:4]), make_claims(rng)
        cases.append(({"policy": json.dumps(policy), "issuer": issuer, "claims": claims}, evaluate(policy, issuer, claims)))
    run = subprocess.run([argv[0]], input="".join(json.dumps(line) + "\n" for line, _ in cases), capture_output=True, text=True,
                         check=True, timeout=100)
    seen = {}
    for (line, wanted), found in zip(cases, run.stdout.splitlines(), strict=True):
        if found.split()[0] != wanted:
            sys.exit(f"they differ: here {wanted}, cella {found}\n{json.dumps(line, indent=1)}")
        software = line["claims"].get("x-ms-attestation-type") == "cella-software"
        seen[wanted, software] = seen.get((wanted, software), 0) + 1
    print(f"{options['--count']} policies (verdict, evidence of software): {seen}")
    for case in [(v, s) for v in ("held", "unmet", "refused") for s in (True, False)]:
        if seen.get(case, 0) * 200 < options["--count"]:
            sys.exit(f"too few are {case}: the cases do not test it")


main()
