// The software backend's gate: entry, signal handler, way back, raw system calls.
//
// All `syscall` instructions of the shim stand here, in .text.gate: seccomp lets calls through from this range only.

#include <asm/unistd.h>

/* Asserted against the headers in gate_software.c. */
#define SLOT_STRIDE 0x10000
#define SLOT_THREAD 0x4000
#define ATTENTION 4 /* offset in struct shim_thread */
#define FIRST_FRAME 1024
#define EINTR 4

    .section .text.gate, "ax", @progbits

// long shim_syscall(number, a, b, c, d, e, f)
    .globl shim_syscall
    .hidden shim_syscall
    .type shim_syscall, @function
shim_syscall:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    syscall
    ret
    .size shim_syscall, .-shim_syscall

// long shim_syscall_wait(number, a, b, c, d, e, f): the same, unless the attention word is set. A signal that hits
// between gate_wait_check and gate_wait_end, where the call has not been made (or is to be made again), moves the
// instruction pointer to gate_wait_interrupted: nothing is slept over (R47).
    .globl shim_syscall_wait
    .hidden shim_syscall_wait
    .type shim_syscall_wait, @function
shim_syscall_wait:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    mov %r8, %r10
    mov %r9, %r8
    mov 8(%rsp), %r9
    .globl gate_wait_check
    .hidden gate_wait_check
gate_wait_check:
    mov %rsp, %rcx
    and $-SLOT_STRIDE, %rcx
    cmpl $0, (SLOT_THREAD + ATTENTION)(%rcx)
    jne gate_wait_interrupted
    syscall
    .globl gate_wait_end
    .hidden gate_wait_end
gate_wait_end:
    ret
    .globl gate_wait_interrupted
    .hidden gate_wait_interrupted
gate_wait_interrupted:
    mov $-EINTR, %rax
    ret
    .size shim_syscall_wait, .-shim_syscall_wait

// void gate_exit(frame): back into the program by the frame. A signal between gate_exit_check and gate_exit_end
// starts it again at gate_exit_check, so that what it made pending is seen.
    .globl gate_exit
    .hidden gate_exit
    .type gate_exit, @function
gate_exit:
    lea 8(%rdi), %rsp
    .globl gate_exit_check
    .hidden gate_exit_check
gate_exit_check:
    mov %rsp, %rax
    and $-SLOT_STRIDE, %rax
    cmpl $0, (SLOT_THREAD + ATTENTION)(%rax)
    jne 1f
    mov $__NR_rt_sigreturn, %eax
    syscall
    .globl gate_exit_end
    .hidden gate_exit_end
gate_exit_end:
    ud2
1:  lea -8(%rsp), %rsp
    and $-16, %rsp
    xor %ebp, %ebp
    call gate_exit_attend
    ud2
    .size gate_exit, .-gate_exit

// void gate_handler(signal, siginfo, ucontext): what the kernel enters, on the thread's own shim stack.
    .globl gate_handler
    .hidden gate_handler
    .type gate_handler, @function
gate_handler:
    cld                         // R01
    pushq $0x202
    popfq                       // R02: AC, TF and all else off
    ldmxcsr gate_mxcsr(%rip)    // R03
    fninit                      // R03
    mov %rsp, %rbx
    sub $8, %rsp
    xor %ebp, %ebp
    mov %rbx, %rcx
    call gate_signal            // comes back only when it hit the shim itself
    lea 8(%rbx), %rsp
    mov $__NR_rt_sigreturn, %eax
    syscall
    ud2
    .size gate_handler, .-gate_handler

// long gate_clone(flags, stack, child_tid): the child goes on in gate_child on the new stack.
    .globl gate_clone
    .hidden gate_clone
    .type gate_clone, @function
gate_clone:
    mov %rdx, %r10
    xor %edx, %edx
    xor %r8d, %r8d
    mov $__NR_clone, %eax
    syscall
    test %rax, %rax
    jnz 1f
    cld
    xor %ebp, %ebp
    call gate_child
    ud2
1:  ret
    .size gate_clone, .-gate_clone

// Where the loader jumps: rdi base, rsi CONFIG offset, rdx its size, rcx START offset, rsp end of slot 0's stack.
    .globl gate_start
    .hidden gate_start
    .type gate_start, @function
gate_start:
    cld
    pushq $0x202
    popfq
    ldmxcsr gate_mxcsr(%rip)
    fninit
    lea -FIRST_FRAME(%rsp), %rsp   // room for the frame by which the program is first entered
    and $-16, %rsp
    xor %ebp, %ebp
    call shim_start
    ud2
    .size gate_start, .-gate_start

    .section .rodata.gate, "a", @progbits
    .align 4
gate_mxcsr:
    .long 0x1f80

    .section .note.GNU-stack, "", @progbits
