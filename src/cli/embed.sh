#!/bin/sh
# usage: embed.sh ELF OUT.S NAME - between the symbols cella_NAME_elf_start and _end, an assembly file that holds the bytes of ELF. It names their hash, so that it
# changes, and is assembled again, whenever they do: build tools do not look inside .incbin.
set -eu
case $1 in /*) elf=$1 ;; *) elf=$(pwd)/$1 ;; esac
hash=$(sha256sum "$elf" | cut -d' ' -f1)
cat > "$2" <<END
/* $hash */
    .section .rodata
    .balign 4096
    .globl cella_$3_elf_start
cella_$3_elf_start:
    .incbin "$elf"
    .globl cella_$3_elf_end
cella_$3_elf_end:
    .byte 0
    .section .note.GNU-stack,"",@progbits
END
