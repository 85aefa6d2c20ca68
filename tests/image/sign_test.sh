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
echo "sign_test: passed"
