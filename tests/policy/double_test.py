#!/usr/bin/env python3
"""Random policies over random claims: what cella says of them against a second evaluator, written here from the description
of the language alone (A38). double_test.py BATCH [--count N] [--seed N]. Prints the first case on which the two differ."""
import json
import random
import subprocess
import sys

TYPES = ["a", "b", "c", "d"]
ISSUERS = ["AttestationService", "AttestationPolicy", "CustomClaim"]
STRINGS = ["", "0", "1", "true", "x", "X", "null", "[1,\"x\",true,null]", "{\"a\":1}", "[]", "1.5", "[[1]]", "a", "\"x\"", "y z"]
ORDERS = ["<", "<=", ">", ">="]


class EvaluationError(Exception):
    pass


class V:  # a value: 1, True and "1" are of three types and never compare
    __slots__ = ("kind", "value", "locked")

    def __init__(self, kind, value, locked=False):
        self.kind, self.value, self.locked = kind, value, locked

    def same(self, other):
        return self.kind == other.kind and self.value == other.value


def value_of(x, locked=False):
    return V("Boolean" if isinstance(x, bool) else "Integer" if isinstance(x, int) else "String", x, locked)


# --- The second evaluator, over trees ---

def compare(a, op, b):
    if a.kind != b.kind:
        return False
    if op == "==":
        return a.value == b.value
    if op == "!=":
        return a.value != b.value
    if a.kind != "Integer":
        return False
    return {"<": a.value < b.value, "<=": a.value <= b.value, ">": a.value > b.value, ">=": a.value >= b.value}[op]


def prop(claim, name):
    if name == "value":
        return claim["value"]
    return V("String", claim["value"].kind if name == "valueType" else claim[name])


def read_json(text):
    def refuse(_):
        raise ValueError
    return json.loads(text, parse_constant=refuse)


def call(name, args):
    if name == "IsSubsetOf":
        return [V("Boolean", all(any(x.same(y) for y in args[1]) for x in args[0]))]
    if name == "ContainsOnlyValue":
        if not args[1] or any(not y.same(args[1][0]) for y in args[1]):
            raise EvaluationError
        return [V("Boolean", bool(args[0]) and all(x.same(args[1][0]) for x in args[0]))]
    out = []
    for first in args[0]:
        for second in (args[1] if len(args) == 2 else [None]):
            out += single(name, first, second)
    return out


def single(name, a, b):
    locked = a.locked or (b is not None and b.locked)
    if name == "NegateBool":
        if a.kind != "Boolean":
            raise EvaluationError
        return [V("Boolean", not a.value, locked)]
    if a.kind != "String" or (b is not None and b.kind != "String"):
        raise EvaluationError
    if name == "AppendString":
        return [V("String", a.value + b.value, locked)]
    if name == "JsonToClaimValue":
        try:
            document = read_json(a.value)
        except ValueError:
            return [a]
        out = []
        for item in document if isinstance(document, list) else [document]:
            if item is None:
                continue
            if isinstance(item, (float, list, dict)):
                raise EvaluationError
            out.append(value_of(item, locked))
        return out
    try:  # JmesPath, of three queries that need no library
        document = read_json(a.value)
    except ValueError:
        raise EvaluationError from None
    if b.value == "@":
        found = document
    elif b.value == "a":
        found = document.get("a") if isinstance(document, dict) else None
    elif b.value == "length(@)":
        if not isinstance(document, (str, list, dict)):
            raise EvaluationError
        found = len(document)
    else:
        raise EvaluationError
    return [V("String", json.dumps(found, separators=(",", ":")), locked)]


def values(expression, bound):
    kind = expression[0]
    if kind == "literal":
        return [value_of(expression[1])]
    if kind == "property":
        return [prop(claim, expression[2]) for claim in bound[expression[1]]]
    return call(expression[1], [values(x, bound) for x in expression[2]])


def satisfied(condition, claim, bound):
    for name, op, expression in condition["matches"]:
        if not any(compare(prop(claim, name), op, v) for v in values(expression, bound)):
            return False
    return True


def fires(rule, incoming, bound):
    for condition in rule["conditions"]:
        subset = [c for c in incoming if satisfied(condition, c, bound)]
        if bool(subset) == condition["negated"]:
            return False
        if condition["name"]:
            bound[condition["name"]] = subset
    return True


def act(rule, incoming, issued, properties, bound):
    if rule["claim"]:
        made = [(c["type"], c["value"]) for c in bound[rule["claim"]]]
    else:
        types, vals = values(rule["type"], bound), values(rule["value"], bound)
        if any(t.kind != "String" or t.value != types[0].value for t in types):
            raise EvaluationError
        if not vals:
            return
        if not types or not types[0].value:
            raise EvaluationError
        made = [(types[0].value, v) for v in vals]
    for name, value in made:
        if rule["action"] == "issue" and value.locked:
            raise EvaluationError
        claim = {"type": name, "value": value, "issuer": "AttestationPolicy"}
        incoming.append(claim)
        if rule["action"] == "issueproperty":
            properties.append(claim)
        if rule["action"] == "issue" and not name.startswith("x-ms-") and name not in ("iss", "exp", "nbf", "iat", "jti"):
            issued.append(claim)


def as_object(claims):
    out = {}
    for claim in claims:
        out.setdefault(claim["type"], []).append(claim["value"].value)
    return {k: v[0] if len(v) == 1 else v for k, v in out.items()}


def evaluate(policy, claims):
    incoming, issued, properties = [], [], []
    said = {"permit": 0, "deny": 0}
    try:
        for section in ("configurationrules", "authorizationrules", "issuancerules"):
            if section == "authorizationrules":
                incoming += [dict(c) for c in claims]
            if section == "issuancerules" and (said["deny"] or not said["permit"]):
                break
            for rule in policy[section]:
                bound = {}
                if not fires(rule, incoming, bound):
                    continue
                if rule["action"] in said:
                    said[rule["action"]] += 1
                else:
                    act(rule, incoming, issued, properties, bound)
    except EvaluationError:
        return "error", {}, None
    if said["deny"] or not said["permit"]:
        return "denied", {}, as_object(properties)
    return "permitted", as_object(issued), as_object(properties)


# --- Making cases ---

def literal(rng):
    return ("literal", rng.choice([0, 1, 2, -1, True, False, *STRINGS[:8]]))


def expression(rng, names, depth, functions):
    roll = rng.random()
    if names and roll < 0.35:
        return ("property", rng.choice(names), rng.choice(["value"] * 5 + ["type", "issuer", "valueType"]))
    if functions and depth < 3 and roll < 0.65:
        name = rng.choice(["JmesPath", "JsonToClaimValue", "AppendString", "NegateBool", "IsSubsetOf", "ContainsOnlyValue"])
        if name == "JmesPath":
            return ("call", name, [expression(rng, names, depth + 1, True),
                                   ("literal", rng.choice(["@", "a", "length(@)"]))])
        count = 1 if name in ("JsonToClaimValue", "NegateBool") else 2
        return ("call", name, [expression(rng, names, depth + 1, True) for _ in range(count)])
    if functions and roll < 0.75:
        return ("literal", rng.choice(STRINGS))
    return literal(rng)


def match(rng, names, functions):
    roll = rng.random()
    if roll < 0.5:
        return ("type", "==", ("literal", rng.choice(TYPES)))
    if roll < 0.85:
        e = expression(rng, names, 1, functions)
        integer = e[0] == "literal" and isinstance(e[1], int) and not isinstance(e[1], bool)
        ops = ["==", "!="] + (ORDERS if integer or e[0] != "literal" else [])
        return ("value", rng.choice(ops), e)
    if roll < 0.93:
        return ("issuer", rng.choice(["==", "!="]), ("literal", rng.choice(ISSUERS)))
    if roll < 0.97:
        return ("valueType", "==", ("literal", rng.choice(["String", "Integer", "Boolean"])))
    return ("type", "!=", ("literal", rng.choice(TYPES)))


def condition(rng, index, names, full):
    negated = full and rng.random() < 0.25
    name = f"c{index}" if not negated and rng.random() < 0.6 else None
    return {"negated": negated, "name": name,
            "matches": [match(rng, names, full) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))]}


def rule(rng, actions, full):
    names, conditions = [], []
    for index in range(rng.choice([0, 0, 1, 1, 1, 2, 2, 3])):
        conditions.append(condition(rng, index, list(names), full))
        if conditions[-1]["name"]:
            names.append(conditions[-1]["name"])
    out = {"conditions": conditions, "action": rng.choice(actions), "claim": None, "type": None, "value": None}
    if out["action"] in ("permit", "deny"):
        return out
    if names and rng.random() < 0.25:
        out["claim"] = rng.choice(names)
        return out
    out["type"] = ("literal", rng.choice(TYPES + ["e", "f", "x-ms-z", "iat"]))
    if rng.random() < 0.1 and names:
        out["type"] = ("property", rng.choice(names), rng.choice(["type", "value"]))
    out["value"] = expression(rng, names, 0, full)
    return out


def make(rng):
    version = rng.choice([0, 1, 2, 2, 2])
    full = version == 2
    authorization = [rule(rng, ["permit", "permit", "permit", "add", "add", "deny"], full) for _ in range(rng.randrange(4))]
    return {
        "version": version,
        "configurationrules": [rule(rng, ["issueproperty"], full) for _ in range(rng.choice([0, 0, 1]))] if version else [],
        "authorizationrules": authorization,
        "issuancerules": [rule(rng, ["add", "issue", "issue", "issueproperty"], full) for _ in range(rng.randrange(4))],
    }


def make_claims(rng):
    out = []
    for _ in range(rng.randrange(7)):
        out.append({"type": rng.choice(TYPES), "value": value_of(rng.choice([0, 1, 2, 3, True, False, *STRINGS]), rng.random() < 0.1),
                    "issuer": rng.choice(ISSUERS)})
    return out


# --- Writing them down ---

def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def show(e):
    if e[0] == "literal":
        x = e[1]
        return ("true" if x else "false") if isinstance(x, bool) else str(x) if isinstance(x, int) else quote(x)
    if e[0] == "property":
        return f"{e[1]}.{e[2]}"
    return f"{e[1]}({', '.join(show(x) for x in e[2])})"


def show_rule(r):
    conditions = []
    for c in r["conditions"]:
        inner = ", ".join(f"{name} {op} {show(e)}" for name, op, e in c["matches"])
        conditions.append(("!" if c["negated"] else "") + (f"{c['name']}:" if c["name"] else "") + f"[{inner}]")
    if r["claim"]:
        arguments = f"claim={r['claim']}"
    elif r["type"]:
        arguments = f"type={show(r['type'])}, value={show(r['value'])}"
    else:
        arguments = ""
    return f"{' && '.join(conditions)} => {r['action']}({arguments});"


def show_policy(rng, p):
    space = rng.choice(["", " ", "\n", "\t", " // a comment\n"])
    out = [f"version{space}={space}1.{p['version']};"]
    for section in ("configurationrules", "authorizationrules", "issuancerules"):
        if section == "configurationrules" and not p["version"]:
            continue
        word = rng.choice([section, section.capitalize(), section.upper()])
        out.append(word + "{" + space + space.join(show_rule(r) for r in p[section]) + space + "};")
    return space.join(out)


def show_claims(claims):
    return json.dumps([{"type": c["type"], "value": c["value"].value, "issuer": c["issuer"], "readOnly": c["value"].locked}
                       for c in claims])


# --- The comparison ---

def judge(text, claims, wanted, line):
    found = json.loads(line)
    verdict = "error" if "error" in found else found.get("verdict", found.get("problem"))
    same = verdict == wanted[0] and (verdict == "error" or (found["issued"] == wanted[1] and repr(found["issued"]) == repr(wanted[1])
                                                             and repr(found["properties"]) == repr(wanted[2])))
    if not same:
        sys.exit(f"they differ:\n{text}\nclaims {claims}\nhere  {wanted}\ncella {line}")
    return verdict


def main():
    argv = sys.argv[1:]
    options = {"--count": 100000, "--seed": 20260214}
    for name in options:
        if name in argv:
            options[name] = int(argv[argv.index(name) + 1])
    rng = random.Random(options["--seed"])
    seen = {}
    for start in range(0, options["--count"], 5000):
        cases = []
        for _ in range(min(5000, options["--count"] - start)):
            policy, claims = make(rng), make_claims(rng)
            cases.append((show_policy(rng, policy), show_claims(claims), evaluate(policy, claims)))
        lines = "".join(json.dumps({"policy": text, "claims": claims}) + "\n" for text, claims, _ in cases)
        flags = ["--trace"] if start % 10000 else []
        run = subprocess.run([argv[0], *flags], input=lines, capture_output=True, text=True, check=True, timeout=200)
        for (text, claims, wanted), line in zip(cases, run.stdout.splitlines(), strict=True):
            verdict = judge(text, claims, wanted, line)
            seen[verdict] = seen.get(verdict, 0) + 1
    print(f"{options['--count']} policies: {seen}")
    for verdict in ("permitted", "denied", "error"):
        if seen.get(verdict, 0) * 50 < options["--count"]:
            sys.exit(f"too few are {verdict}: the cases do not test it")


main()
