#!/bin/sh
# Makes a quote with a software TPM of its own: swtpm_quote.sh FOLDER EXTRADATA-HEX SCHEME
# Leaves ak.pem, attest, signature and pcrs (SHA-256 values of PCR 0 to 7, one after the other) in FOLDER.
# Exit 77 where swtpm or tpm2-tools are not installed.
set -eu
folder=$1 extra=$2 scheme=$3
for tool in swtpm tpm2_quote; do command -v "$tool" >/dev/null || exit 77; done
mkdir -p "$folder/state"
swtpm socket --tpm2 --tpmstate dir="$folder/state" --server type=unixio,path="$folder/sock" \
  --ctrl type=unixio,path="$folder/sock.ctrl" --flags not-need-init,startup-clear >"$folder/swtpm.log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "$folder/sock" ] && break; sleep 0.2; done
export TPM2TOOLS_TCTI="swtpm:path=$folder/sock"
cd "$folder"
case $scheme in rsa*) kind=rsa ;; *) kind=ecc ;; esac
{
  tpm2_pcrextend 0:sha256=1111111111111111111111111111111111111111111111111111111111111111
  tpm2_createek -c ek.ctx -G $kind -u ek.pub
  tpm2_createak -C ek.ctx -c ak.ctx -G $kind -g sha256 -s "$scheme" -u ak.pem -f pem -n ak.name
  tpm2_flushcontext -t
  tpm2_quote -c ak.ctx -l sha256:0,1,2,3,4,5,6,7 -q "$extra" --scheme "$scheme" -g sha256 -m attest -s signature -o pcrs -F values
} >tools.log 2>&1
