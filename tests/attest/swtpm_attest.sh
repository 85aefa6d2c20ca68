#!/bin/sh
# A software TPM that keeps its keys in FOLDER between calls, for the tests of attestation:
#   swtpm_attest.sh FOLDER setup               ak.pub and enc.pub (TPM2B_PUBLIC), certify.msg, certify.sig
#   swtpm_attest.sh FOLDER quote PCRS EXTRA    attest, signature, pcrs; EXTRA: hexadecimal, or "" for none
#   swtpm_attest.sh FOLDER decrypt IN OUT      RSAES with the key of enc.pub
# Exit 77 where swtpm or tpm2-tools are not installed.
set -eu
folder=$1 what=$2
for tool in swtpm tpm2_quote tpm2_certify; do command -v "$tool" >/dev/null || exit 77; done
mkdir -p "$folder/state"
rm -f "$folder/sock" "$folder/sock.ctrl"
swtpm socket --tpm2 --tpmstate dir="$folder/state" --server type=unixio,path="$folder/sock" \
  --ctrl type=unixio,path="$folder/sock.ctrl" --flags not-need-init,startup-clear >"$folder/swtpm.log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true; wait $pid 2>/dev/null || true' EXIT
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -S "$folder/sock" ] && break; sleep 0.2; done
export TPM2TOOLS_TCTI="swtpm:path=$folder/sock"
cd "$folder"
case $what in
setup)
  tpm2_createek -c ek.ctx -G rsa -u ek.pub
  tpm2_flushcontext -t
  tpm2_createak -C ek.ctx -c ak.ctx -G rsa -g sha256 -s rsassa -u ak.pub -n ak.name
  tpm2_flushcontext -t
  tpm2_evictcontrol -C o -c ak.ctx 0x81010002
  tpm2_flushcontext -t
  tpm2_createprimary -C o -G rsa2048 -c enc.ctx \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|decrypt|noda'
  tpm2_flushcontext -t
  tpm2_evictcontrol -C o -c enc.ctx 0x81010003
  tpm2_flushcontext -t
  tpm2_certify -c 0x81010003 -C 0x81010002 -g sha256 -o certify.msg -s certify.sig
  tpm2_readpublic -c 0x81010003 -o enc.pub
  tpm2_readpublic -c 0x81010002 -o ak.pub
  ;;
quote)
  tpm2_pcrextend 0:sha256=1111111111111111111111111111111111111111111111111111111111111111
  if [ -n "$4" ]; then set -- "$1" "$2" "$3" -q "$4"; else set -- "$1" "$2" "$3"; fi
  pcrs=$3
  shift 3
  tpm2_quote -c 0x81010002 -l "sha256:$pcrs" "$@" -g sha256 -m attest -s signature -o pcrs -F values
  ;;
decrypt) tpm2_rsadecrypt -c 0x81010003 -s rsaes -o "$4" "$3" ;;
*) exit 2 ;;
esac >tools.log 2>&1
tpm2_shutdown # a TPM counts each end without it as an attempt to guess
