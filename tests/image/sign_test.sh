#!/bin/sh
# usage: sign_test.sh CELLA - the commands keygen, sign, inspect and measure as a person uses them.
set -eu
case $1 in /*) cella=$1 ;; *) cella=$(pwd)/$1 ;; esac
cc=${CC:-cc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL: $*" >&2; exit 1; }
# refuse STATUS WORDS COMMAND...: it must fail with that status and say those words.
refuse() {
    want=$1 words=$2
    shift 2
    set +e
    "$@" >out 2>&1
    got=$?
    set -e
    [ "$got" = "$want" ] || { cat out; fail "status $got, expected $want: $*"; }
    grep -q -- "$words" out || { cat out; fail "does not say '$words': $*"; }
}

cat > app.c <<'END'
#include <stdio.h>
int main(void) { return puts("hello") < 0; }
END
$cc -O1 -static-pie app.c -o app
$cc -O1 -static -no-pie app.c -o app-fixed
$cc -O1 app.c -o app-dynamic
$cc -O1 -static-pie -Wl,-z,execstack app.c -o app-execstack

"$cella" keygen -o key.pem
[ "$(stat -c %a key.pem)" = 600 ] || fail "key.pem is not 0600"
refuse 1 exists "$cella" keygen -o key.pem
openssl pkey -in key.pem -noout -text | grep -q 'publicExponent: 3 ' || fail "the exponent is not 3"
"$cella" keygen --data -o data.key
[ "$(stat -c %a:%s data.key)" = 600:65 ] || fail "data.key is not 0600 of 65 bytes"
grep -Eqx '[0-9a-f]{64}' data.key || fail "data.key is not 64 hex digits"
refuse 2 'expected -o' "$cella" keygen

mkdir files
echo pinned > files/a.txt
cat > app.manifest <<'END'
[enclave]
product_id = 3
security_version = 4
[mount /etc/app]
type = trusted
host = files
files = *.txt
END

# The same inputs give the same bytes, from another folder, on another day, in another language.
"$cella" sign app -m app.manifest -k key.pem -o one.cella
mkdir -p elsewhere/files
cp app app.manifest elsewhere
cp files/a.txt elsewhere/files
touch -d 2001-01-01 elsewhere/app elsewhere/files/a.txt
(cd elsewhere && TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$cella" sign ./app -m ./app.manifest -k ../key.pem -o two.cella)
cmp one.cella elsewhere/two.cella || fail "not reproducible"
SOURCE_DATE_EPOCH=1700000000 "$cella" sign app -m app.manifest -k key.pem -o dated.cella
"$cella" inspect --json dated.cella | grep -q '"date": "20231114"' || fail "SOURCE_DATE_EPOCH is not the date"
refuse 2 SOURCE_DATE_EPOCH env SOURCE_DATE_EPOCH=x "$cella" sign app -k key.pem -o x.cella
[ "$("$cella" measure -q one.cella)" = "$("$cella" measure -q dated.cella)" ] || fail "the date changed MRENCLAVE"

"$cella" inspect one.cella | grep -q '^signature valid' || fail "inspect"
"$cella" inspect one.cella | grep -q "^mrenclave *$("$cella" measure -q one.cella)" || fail "inspect and measure differ"
"$cella" inspect --json one.cella | grep -q '"security_version": 4' || fail "inspect --json"
"$cella" sign app-fixed -k key.pem -o fixed.cella
"$cella" inspect fixed.cella | grep -q 'at address 0' || fail "a fixed program is not at address 0"

# What is pinned, the manifest and the program are measured.
measure=$("$cella" measure -q one.cella)
echo other > files/a.txt
"$cella" sign app -m app.manifest -k key.pem -o other.cella
[ "$("$cella" measure -q other.cella)" != "$measure" ] || fail "a pinned file is not measured"
sed 's/= 4/= 5/' app.manifest > new.manifest
echo pinned > files/a.txt
"$cella" sign app -m new.manifest -k key.pem -o other.cella
[ "$("$cella" measure -q other.cella)" != "$measure" ] || fail "the manifest is not measured"

# Two steps, the key used by openssl only.
openssl pkey -in key.pem -pubout -out pub.pem 2>/dev/null
"$cella" sign --digest app -m app.manifest -o app.digest
[ "$(stat -c %s app.digest)" = 256 ] || fail "app.digest is not 256 bytes"
refuse 3 'not signed yet' "$cella" inspect app.unsigned
"$cella" measure app.unsigned | grep -q 'not signed yet' || fail "measure of an unsigned image"
openssl dgst -sha256 -sign key.pem -out app.sig app.digest
"$cella" sign --attach app.unsigned --signature app.sig --public pub.pem -o attached.cella
cmp one.cella attached.cella || fail "two steps give another image than one"
openssl genrsa -3 -out wrong.pem 3072 2>/dev/null
openssl dgst -sha256 -sign wrong.pem -out wrong.sig app.digest
refuse 3 'does not match' "$cella" sign --attach app.unsigned --signature wrong.sig --public pub.pem -o x.cella
openssl genrsa -out f4.pem 3072 2>/dev/null
chmod 600 f4.pem
refuse 1 'exponent is not 3' "$cella" sign app -k f4.pem -o x.cella
openssl genrsa -3 -out short.pem 2048 2>/dev/null
chmod 600 short.pem
refuse 1 'of 3072 bits' "$cella" sign app -k short.pem -o x.cella
chmod 644 key.pem
refuse 1 key.pem "$cella" sign app -k key.pem -o x.cella
chmod 600 key.pem
[ ! -e x.cella ] || fail "a refused signing left a file"

# A folder means all files in it, in byte order, whatever order the file system has.
mkdir -p tree/sub/deep
for name in b.txt a.txt sub/z sub/B sub/deep/q; do echo "$name" > "tree/$name"; done
printf '[mount /t]\ntype = trusted\nhost = tree\nfiles = sub *.txt a.txt\n' > tree.manifest
"$cella" sign app -m tree.manifest -k key.pem -o tree.cella
"$cella" inspect tree.cella | sed -n 's/^pinned *\([^,]*\),.*/\1/p' | xargs > list
[ "$(cat list)" = "/t/a.txt /t/b.txt /t/sub/B /t/sub/deep/q /t/sub/z" ] || fail "pinned: $(cat list)"
hash=$(sha256sum < tree/sub/z | cut -d' ' -f1)
"$cella" inspect --json tree.cella | grep -q "\"$hash\"" || fail "the hash of a pinned file is not its SHA-256"

# Shims that are none.
refuse 1 'shim' "$cella" sign app --shim app.c -k key.pem -o x.cella
refuse 1 'shim: expected' "$cella" sign app --shim app-fixed -k key.pem -o x.cella

# Refusals.
refuse 1 'dynamic program' "$cella" sign app-dynamic -k key.pem -o x.cella
refuse 1 'executable stack' "$cella" sign app-execstack -k key.pem -o x.cella
refuse 1 'not an ELF' "$cella" sign app.c -k key.pem -o x.cella
printf '[enclave]\nheap = much\n' > bad.manifest
refuse 2 'bad.manifest:2: heap' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
printf '[mount /x]\ntype = trusted\nhost = files\nfiles = none*\n' > bad.manifest
refuse 1 'no file matches' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
ln -s a.txt files/link.txt
refuse 2 'symbolic link' "$cella" sign app -m app.manifest -k key.pem -o x.cella
rm files/link.txt
refuse 2 'no -k' "$cella" sign --digest app -k key.pem -o x.digest
refuse 2 'expected -k' "$cella" sign app -o x.cella
refuse 2 'expected one program' "$cella" sign app app -k key.pem -o x.cella

# A changed byte in the program's text.
cp one.cella bad.cella
printf 'X' | dd of=bad.cella bs=1 seek=40000 conv=notrunc 2>/dev/null
refuse 3 'MRENCLAVE' "$cella" inspect bad.cella
refuse 3 'differs' "$cella" measure bad.cella

# Two programs; two that want the same addresses.
printf '[program /bin/sub]\nfile = app\n' > two.manifest
"$cella" sign app-fixed -m two.manifest -k key.pem -o two.cella
"$cella" inspect two.cella | grep -q '/bin/sub' || fail "the second program is not there"
printf '[program /bin/sub]\nfile = app-fixed\n' > two.manifest
refuse 2 'same addresses' "$cella" sign app-fixed -m two.manifest -k key.pem -o x.cella

# Keys of a vault: the program that gets them, the settings and the authorities are in the image, are measured, and are shown.
authority() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.pem" -subj "$2" -days 9 2>/dev/null; }
authority ca1 '/O=Hospitals/CN=Root 1'
authority ca2 "/CN=$(printf 'Root\0332J 2')"
cat ca1.pem ca2.pem > ca.pem
cat > vault.manifest <<'END'
[vault]
attest = https://attest.example:8445
ca = ca.pem
[key a]
vault = https://vault.example/keys/hospital/0123456789abcdef
id = 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
[enclave]
keys = owned
[mount /data]
type = protected
host = data
key = vault:https://other.example:8444/keys/b
END
"$cella" sign app -m vault.manifest -k key.pem -o vault.cella
"$cella" inspect vault.cella > shown
print_of() { openssl x509 -in "$1" -outform DER | sha256sum | cut -d' ' -f1; }
for line in 'program           /cella/fetch at ' \
    'key               a, from the vault https://vault.example/keys/hospital/0123456789abcdef, with the id 00112233445566778899aabb' \
    'key               owned, from its owner, any (no id is pinned)' \
    'key               b, from the vault https://other.example:8444/keys/b, any (no id is pinned)' \
    'vault             keys are got by /cella/fetch, before the first program, on a token of https://attest.example:8445' \
    "authority         CN=Root 1,O=Hospitals, SHA-256 $(print_of ca1.pem)" \
    "authority         CN=Root\\1B2J 2, SHA-256 $(print_of ca2.pem)" \
    'mount             /data: protected under named:b, read-only'; do
    grep -qF -- "$line" shown || { cat shown; fail "inspect does not show '$line'"; }
done
"$cella" inspect --json vault.cella | python3 -c '
import json, sys
d = json.load(sys.stdin)
keys = {k["name"]: (k["from"], k.get("url"), bool(k["id"])) for k in d["keys"]}
assert keys == {"a": ("vault", "https://vault.example/keys/hospital/0123456789abcdef", True), "owned": ("owner", None, False),
                "b": ("vault", "https://other.example:8444/keys/b", False)}, keys
v = d["vault"]
assert v["attest"] == "https://attest.example:8445" and v["program"] == "/cella/fetch" == d["programs"][-1]["path"], v
assert [a["sha256"] for a in v["authorities"]] == sys.argv[1:], v
' "$(print_of ca1.pem)" "$(print_of ca2.pem)" || fail "inspect --json of keys of a vault"
"$cella" inspect --json one.cella | grep -q '"vault": null' || fail "an image without a vault shows one"
"$cella" inspect one.cella | grep -q '^vault\|^authority\|/cella/fetch' && fail "an image without a vault shows one"

measure=$("$cella" measure -q vault.cella)
mkdir -p elsewhere/certs
cp vault.manifest elsewhere
sed -i "s,^ca = .*,ca = $PWD/elsewhere/certs/x.pem," elsewhere/vault.manifest
cp ca.pem elsewhere/certs/x.pem
touch -d 2001-01-01 elsewhere/certs/x.pem
(cd elsewhere && TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$cella" sign app -m vault.manifest -k ../key.pem -o two.cella)
cmp vault.cella elsewhere/two.cella || fail "an image with keys of a vault is not reproducible"
changed() { # WHAT: the manifest on standard input
    cat > new.manifest
    "$cella" sign app -m new.manifest -k key.pem -o other.cella
    [ "$("$cella" measure -q other.cella)" != "$measure" ] || fail "$1 is not measured"
}
sed 's/8445/8446/' vault.manifest | changed "the attestation service"
sed 's/cdef$/cdee/' vault.manifest | changed "a key's version"
sed 's/^ca = .*/ca = ca1.pem/' vault.manifest | changed "the file of authorities"
sed 's/^\[key a/[key c/' vault.manifest | changed "a key's name"
"$cella" sign app -m vault.manifest -k key.pem --fetch app -o other.cella
[ "$("$cella" measure -q other.cella)" != "$measure" ] || fail "the program that gets the keys is not measured"

authorities() { sed "s,^ca = .*,ca = $1," vault.manifest > bad.manifest; }
authorities none.pem
refuse 1 'none.pem' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
authorities files
refuse 1 'files' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
authorities ca1.key
refuse 1 'ca1.key: expected certificates in PEM: number 1 is none' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
openssl x509 -in ca1.pem -outform DER -out ca.der
authorities ca.der
refuse 1 'ca.der' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
authorities damaged.pem
: > damaged.pem
refuse 1 'number 1 is none' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
echo '-----BEGIN CERTIFICATE-----' > damaged.pem
refuse 1 'number 1 is none or damaged' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
sed '5s/^..../AAAA/' ca1.pem | sed '2s/^./A/' | cat ca1.pem - ca2.pem > damaged.pem
refuse 1 'number 2 is none or damaged' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
head -n 4 ca2.pem | cat ca1.pem - > damaged.pem
refuse 1 'number 2 is none or damaged' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
{ cat ca1.pem; printf '\0'; } > damaged.pem
refuse 1 'a NUL byte' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
for _ in $(seq 60); do cat ca1.pem; done > damaged.pem
refuse 1 'damaged.pem' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
# Certificates under a label that only some readers take are read by the enclave, so they are shown as well.
sed 's/ CERTIFICATE/ X509&/' ca2.pem | cat ca1.pem - > damaged.pem
"$cella" sign app -m bad.manifest -k key.pem -o hidden.cella
"$cella" inspect hidden.cella | grep -q "$(print_of ca2.pem)" || fail "an authority is hidden by its label"

{ cat vault.manifest; printf '[program /cella/fetch]\nfile = app\n'; } > bad.manifest
refuse 1 'is the name of the program that gets keys from the vault' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
{ cat vault.manifest; for i in 1 2 3 4 5 6 7; do printf '[program /p%s]\nfile = app\n' $i; done; } > bad.manifest
refuse 1 'more than 8 programs' "$cella" sign app -m bad.manifest -k key.pem -o x.cella
[ ! -e x.cella ] || fail "a refused signing left a file"
echo "sign_test: passed"
