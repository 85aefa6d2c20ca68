/* R12: forges signals at a process: each number by kill, tgkill and sigqueue, with every si_code
 * the kernel lets a sender choose, and then the kernel-made codes, which it must refuse. Skips
 * SIGKILL and SIGSTOP. usage: forge PID [SIGNAL...]; prints "sent N, refused N" */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sent, refused;

static void count(long result) {
    if (result == 0)
        sent++;
    else
        refused++;
}

static void forge(pid_t pid, int number) {
    static const int codes[] = {SI_QUEUE, SI_TIMER, SI_MESGQ,  SI_ASYNCIO, SI_SIGIO,
                                SI_TKILL, SI_USER,  SI_KERNEL, 1,          2,
                                3,        4,        5,         6};
    count(kill(pid, number));
    count(syscall(SYS_tgkill, pid, pid, number));
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        siginfo_t info;
        memset(&info, 0x41, sizeof(info));
        info.si_signo = number;
        info.si_errno = 0;
        info.si_code = codes[i];
        count(syscall(SYS_rt_sigqueueinfo, pid, number, &info));
        count(syscall(SYS_rt_tgsigqueueinfo, pid, pid, number, &info));
    }
}

int main(int argc, char **argv) {
    pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
    if (pid <= 1) {
        fprintf(stderr, "usage: forge PID [SIGNAL...]\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) forge(pid, atoi(argv[i]));
    for (int number = 1; argc == 2 && number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP) forge(pid, number);
    printf("sent %d, refused %d\n", sent, refused);
    return 0;
}
