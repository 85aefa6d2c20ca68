#!/usr/bin/env python3
"""Random JMESPath queries over random JSON: cella's results against those of Python's jmespath, the reference implementation.
queries_test.py BATCH [--count N] [--seed N]. Skipped where that is not installed. What Python does beyond the specification
(order of strings, 1 == true) is kept out of the cases."""
import json
import random
import subprocess
import sys
import warnings

try:
    import jmespath
    from jmespath import exceptions
except ImportError:
    print("python3-jmespath is not installed: skipped")
    sys.exit(77)

warnings.simplefilter("error", PendingDeprecationWarning)
NAMES = ["a", "b", "c", "d"]


def document(rng, depth=0):
    roll = rng.random()
    if depth < 4 and roll < 0.35:
        return {name: document(rng, depth + 1) for name in rng.sample(NAMES, rng.randrange(1, 4))}
    if depth < 4 and roll < 0.7:
        return [document(rng, depth + 1) for _ in range(rng.randrange(5))]
    return rng.choice([0, 1, 2, 7, -3, 1.5, "", "x", "abc", "b", "é", None, True, False])


def literal(rng):
    return rng.choice(["`1`", "`2`", "`null`", "`true`", "`false`", "'x'", "'abc'", "`\"b\"`", "`[1,2]`", "`{\"a\": 1}`", "`[]`", "'é'", "`1.5`"])


def step(rng, depth):
    return rng.choice([
        lambda: "." + rng.choice(NAMES), lambda: "." + rng.choice(NAMES), lambda: "[*]", lambda: "[]",
        lambda: f"[{rng.randrange(-3, 4)}]",
        lambda: "[" + rng.choice(["1:", ":2", "::2", "::-1", "-2:", "3:0:-1", "1:3"]) + "]",
        lambda: ".*", lambda: f"[?{query(rng, depth + 1)}]", lambda: f" | {query(rng, depth + 1)}",
        lambda: f".[{query(rng, depth + 1)}, {query(rng, depth + 1)}]",
        lambda: f".{{{rng.choice(NAMES)}: {query(rng, depth + 1)}, \"y\": {query(rng, depth + 1)}}}",
    ])()


def function(rng, depth):
    one = ["length", "keys", "values", "type", "to_string", "to_array", "to_number", "abs", "ceil", "floor", "sum", "avg",
           "reverse", "sort", "max", "min", "not_null"]
    roll = rng.random()
    inner = lambda: query(rng, depth + 1)
    if roll < 0.6:
        return f"{rng.choice(one)}({inner()})"
    if roll < 0.7:
        return f"{rng.choice(['sort_by', 'max_by', 'min_by'])}({inner()}, &{rng.choice(NAMES)})"
    if roll < 0.76:
        return f"map(&{inner()}, {inner()})"
    if roll < 0.82:
        return "join(" + rng.choice(['`","`', "'-'"]) + f", {inner()})"
    if roll < 0.9:
        return rng.choice(["starts_with", "ends_with", "contains"]) + f"({inner()}, " + rng.choice(["'b'", inner()]) + ")"
    return rng.choice([f"merge({inner()}, {inner()})", f"not_null({inner()}, {inner()})"])


def query(rng, depth=0):
    roll = rng.random()
    if depth > 3 or roll < 0.3:
        start = rng.choice([*NAMES, "@", "*", "[*]", "[]", literal(rng), "\"a\""])
        return start + "".join(step(rng, depth + 1) for _ in range(rng.randrange(3)) if depth < 4)
    if roll < 0.5:
        return query(rng, depth + 1) + step(rng, depth + 1)
    if roll < 0.62:
        return f"{query(rng, depth + 1)} {rng.choice(['==', '!=', '==', '<', '<=', '>', '>='])} {query(rng, depth + 1)}"
    if roll < 0.72:
        return f"{query(rng, depth + 1)} {rng.choice(['&&', '||'])} {query(rng, depth + 1)}"
    if roll < 0.78:
        return f"!{query(rng, depth + 1)}"
    if roll < 0.83:
        return f"({query(rng, depth + 1)})"
    return function(rng, depth)


def broken(rng, text):
    """One sign more, less or another: most are no queries any more."""
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(["", "", *"[](){}.,*@&|!=<>:?-1a \"'`"]) + text[at + rng.randrange(2):]


def reference(text, on):
    try:
        compiled = jmespath.compile(text)
    except (exceptions.ParseError, exceptions.LexerError, exceptions.EmptyExpressionError):
        return "query", None
    except exceptions.JMESPathError:
        return "query", None
    except PendingDeprecationWarning:
        return "beyond", None  # literals that are not JSON
    try:
        found = compiled.search(on)
        json.dumps(found)  # an expression is no result
        return "result", found
    except (exceptions.UnknownFunctionError, exceptions.ArityError):
        return "query", None
    except exceptions.JMESPathError:
        return "run", None
    except (TypeError, AttributeError, ValueError, KeyError):
        return "beyond", None  # not of the specification


def beyond(text, kind):
    """Where Python goes beyond the specification or stays behind it."""
    # Order of strings, true == 1 in lists, contains() of other types, to_string() in ASCII, exactness of sums of reals.
    return kind == "beyond" or any(w in text for w in ("contains", "to_string", "avg", "sum"))


def same(a, b):
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def has_order_of_strings(text):
    return any(op in text for op in ("<", ">"))


def main():
    argv = sys.argv[1:]
    options = {"--count": 20000, "--seed": 7}
    for name in options:
        if name in argv:
            options[name] = int(argv[argv.index(name) + 1])
    rng = random.Random(options["--seed"])
    seen, skipped = {}, 0
    for start in range(0, options["--count"], 2000):
        cases = [(query(rng), document(rng)) for _ in range(min(2000, options["--count"] - start))]
        hurt = [rng.random() < 0.25 for _ in cases]
        cases = [(broken(rng, q) if h else q, d) for h, (q, d) in zip(hurt, cases)]
        lines = "".join(json.dumps({"query": q, "json": json.dumps(d, ensure_ascii=False)}) + "\n" for q, d in cases)
        run = subprocess.run([argv[0]], input=lines, capture_output=True, text=True, check=True, timeout=100)
        for (text, on), h, line in zip(cases, hurt, run.stdout.splitlines(), strict=True):
            kind, wanted = reference(text, on)
            found = json.loads(line)
            found_kind = found.get("problem", "result")
            # Of a broken query Python's parser takes some: a missing comma, a function's name that is none.
            if h and found_kind == "query" and kind != "query":
                skipped += 1
                continue
            if "merge" in text and found_kind == "run":  # Python's takes lists of pairs from the second on
                skipped += 1
                continue
            if beyond(text, kind) or (has_order_of_strings(text) and kind == "result"):
                skipped += 1
                continue
            good = kind == found_kind and (kind != "result" or same(json.loads(found["result"]), wanted))
            if not good:
                sys.exit(f"they differ:\n{text}\n{json.dumps(on)}\nPython {kind} {json.dumps(wanted)}\ncella  {line}")
            seen[kind] = seen.get(kind, 0) + 1
    print(f"{options['--count']} queries: {seen}, {skipped} beyond the specification")
    if seen.get("result", 0) * 4 < options["--count"]:
        sys.exit("too few give results: the cases do not test them")


main()
