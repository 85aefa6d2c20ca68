#!/bin/sh
# usage: measure_vm_test.sh CELLA - `cella measure snp` and `cella measure tdx` as a person uses them.
set -eu
case $1 in /*) cella=$1 ;; *) cella=$(pwd)/$1 ;; esac
vectors=${CELLA_VECTORS:-$(dirname "$0")/../../../shared/vectors}/snp-measure
[ -f "$vectors/ovmf_AmdSev_suffix.bin" ] || { echo "no vectors at $vectors"; exit 77; }
cd "$vectors"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "FAIL: $*" >&2; exit 1; }
is() { # WANTED ARGUMENTS...
    want=$1
    shift
    got=$("$cella" measure "$@" -q) || fail "$*"
    [ "$got" = "$want" ] || fail "$got, expected $want: $*"
}
refuse() { # STATUS WORDS ARGUMENTS...
    want=$1 words=$2
    shift 2
    set +e
    said=$("$cella" measure "$@" 2>&1)
    got=$?
    set -e
    [ "$got" = "$want" ] || fail "status $got, expected $want: $*: $said"
    case $said in *"$words"*) ;; *) fail "does not say '$words': $*: $said" ;; esac
}

sev=ovmf_AmdSev_suffix.bin x64=ovmf_OvmfX64_suffix.bin
is 803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977 \
    snp --ovmf $sev --kernel /dev/null --initrd /dev/null --cmdline "console=ttyS0 loglevel=7" \
    --vcpu-type EPYC --guest-features 0x21
is d8147f72654b9d8ae330f21e9ab99d976fd8648e9b3b6782673f21cb2c709541f9afd28b44e4cbbc6e2f3af6e2749d93 \
    snp --ovmf $sev --kernel kernel.dat --initrd initrd.dat --cmdline "console=ttyS0 root=/dev/sda1 ro 1" \
    --vcpu-type EPYC-Rome
is 5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5 \
    snp --ovmf $sev --kernel /dev/null --cmdline "" --vcpus 4 --vcpu-sig 0x00800f12
is 5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d \
    snp --ovmf $sev --kernel /dev/null --vcpus 4 --flavor gce
is 0dccbcaba8e90b261bd0d2e1863a2f9da714768b7b2a19363cd6ae35aa90de91 \
    snp --mode sev-es --ovmf $sev --kernel /dev/null --vcpus 4 --vcpu-type EPYC
is ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5 \
    snp --ovmf $sev --kernel /dev/null --vcpu-type EPYC \
    --ovmf-digest 086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74

openssl pkey -in id_key_test.pem -pubout -out "$work/id.pem"
is 870b7e35c53f8a72d0d322f75ab2af8262792aaf6579622ce4131c3f21f289e77cb0560a5e3b90b3932e674ec709cb14 snp --id-key "$work/id.pem"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null | openssl pkey -pubout -out "$work/p256.pem"
refuse 1 "P-384" snp --id-key "$work/p256.pem"
refuse 1 "PEM" snp --id-key kernel.dat

refuse 1 "would not be measured" snp --ovmf $x64 --kernel kernel.dat --vcpu-type EPYC
refuse 2 "--vcpu-type" snp --ovmf $x64
refuse 2 "--ovmf" snp --vcpu-type EPYC
refuse 2 "only with --kernel" snp --ovmf $sev --cmdline quiet --vcpu-type EPYC
refuse 2 "4096" snp --ovmf $sev --vcpus 5000 --vcpu-type EPYC
refuse 2 "number" snp --ovmf $sev --vcpus -1 --vcpu-type EPYC
refuse 2 "virtual processors" snp --ovmf $sev --vcpus 0 --vcpu-type EPYC
refuse 2 "choices" snp --ovmf $sev --vcpu-type EPYC --flavor xen
refuse 2 "--svsm" snp --ovmf $sev --vcpu-type EPYC --mode snp-svsm
refuse 1 "whole pages" snp --ovmf cases.json --vcpu-type EPYC
refuse 1 "no processor type" snp --ovmf $sev --vcpu-type Pentium
refuse 1 "TDX" tdx --firmware $sev
refuse 2 "--firmware" tdx
refuse 2 "--extend" tdx --firmware $sev --extend 4=00
refuse 1 "hex" tdx --firmware $sev --extend 1=00
