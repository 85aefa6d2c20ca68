/* T10, R08: handlers, masks, restart, faults, signals between threads, timers; a storm against
 * system calls. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t seen, last_code;
static volatile double floating;

static void note(int signal) {
    seen = signal;
    floating = floating * 1.5 + 1; /* vector registers of the interrupted code must survive this */
}

static void set(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void test_raise(void) {
    set(SIGUSR1, note, 0);
    CHECK(raise(SIGUSR1) == 0 && seen == SIGUSR1);
    sigset_t set_, old, pending;
    sigemptyset(&set_);
    sigaddset(&set_, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set_, &old) == 0);
    seen = 0;
    CHECK(kill(getpid(), SIGUSR1) == 0 && seen == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && seen == SIGUSR1);
    CHECK(kill(getpid(), 0) == 0);
    CHECK(kill(1 << 22, 0) == -1 && errno == ESRCH);
    signal(SIGUSR1, SIG_IGN);
    CHECK(raise(SIGUSR1) == 0);
}

static void on_info(int signal, siginfo_t *info, void *context) {
    (void)context;
    seen = signal;
    last_code = info->si_code;
    CHECK(info->si_signo == signal);
}

static sigjmp_buf back;
static void *volatile fault_address;
static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    seen = signal;
    last_code = info->si_code;
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

static void test_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGFPE, &action, NULL) == 0 &&
          sigaction(SIGILL, &action, NULL) == 0 && sigaction(SIGTRAP, &action, NULL) == 0);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    if (sigsetjmp(back, 1) == 0) *(volatile char *)(page + 5) = 1;
    CHECK(seen == SIGSEGV && last_code == SEGV_ACCERR && fault_address == page + 5);
    seen = 0;
    volatile uintptr_t low = 16;
    if (sigsetjmp(back, 1) == 0) *(volatile char *)low = 1;
    CHECK(seen == SIGSEGV && last_code == SEGV_MAPERR && fault_address == (void *)low);
    volatile int zero = 0, many = 1000;
    if (sigsetjmp(back, 1) == 0) zero = many / zero;
    CHECK(seen == SIGFPE && last_code == FPE_INTDIV);
    if (sigsetjmp(back, 1) == 0) __asm__ volatile("ud2");
    CHECK(seen == SIGILL);
    if (sigsetjmp(back, 1) == 0) __asm__ volatile("int3");
    CHECK(seen == SIGTRAP);
}

/* A handler that repairs the cause and returns: the context it edits is the one that goes on. */
static void skip_ud2(int signal, siginfo_t *info, void *context) {
    (void)info;
    ucontext_t *c = context;
    c->uc_mcontext.gregs[REG_RIP] += 2;
    c->uc_mcontext.gregs[REG_RBX] = 42;
    seen = signal;
}

static void test_edit(void) {
    struct sigaction action = {.sa_sigaction = skip_ud2, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGILL, &action, NULL) == 0);
    long v = 1;
    double before = 1.25, after;
    __asm__ volatile("movsd %2, %%xmm7; mov $7, %%rbx; ud2; mov %%rbx, %0; movsd %%xmm7, %1"
                     : "=r"(v), "=m"(after)
                     : "m"(before)
                     : "rbx", "xmm7");
    CHECK(v == 42 && after == before);
}

static void test_altstack(void) {
    static char stack[65536];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&s, NULL) == 0);
    set(SIGUSR2, note, SA_ONSTACK);
    seen = 0;
    CHECK(raise(SIGUSR2) == 0 && seen == SIGUSR2);
    stack_t off = {.ss_flags = SS_DISABLE}, old;
    CHECK(sigaltstack(&off, &old) == 0 && old.ss_sp == stack);
}

static pthread_t main_thread;
static void *poke(void *argument) {
    usleep(20000);
    pthread_kill(main_thread, (int)(intptr_t)argument);
    return NULL;
}

static void poke_later(int signal, pthread_t *thread) {
    main_thread = pthread_self();
    CHECK(pthread_create(thread, NULL, poke, (void *)(intptr_t)signal) == 0);
}

static void test_interrupt(void) {
    pthread_t thread;
    struct timespec long_time = {5, 0}, left;
    set(SIGUSR1, note, 0);
    poke_later(SIGUSR1, &thread);
    CHECK(nanosleep(&long_time, &left) == -1 && errno == EINTR && left.tv_sec == 4);
    pthread_join(thread, NULL);
    poke_later(SIGUSR1, &thread);
    sigset_t none;
    sigemptyset(&none);
    CHECK(sigsuspend(&none) == -1 && errno == EINTR);
    pthread_join(thread, NULL);
    poke_later(SIGUSR1, &thread);
    CHECK(pause() == -1 && errno == EINTR);
    pthread_join(thread, NULL);
    /* An ignored signal interrupts nothing. */
    signal(SIGUSR1, SIG_IGN);
    poke_later(SIGUSR1, &thread);
    struct timespec short_time = {0, 60000000};
    CHECK(nanosleep(&short_time, NULL) == 0);
    pthread_join(thread, NULL);
}

static void *post(void *argument) {
    usleep(60000);
    for (int i = 0; i < 1000 && !seen; i++) usleep(1000); /* on a busy machine */
    __atomic_store_n((int *)argument, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, argument, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
    return NULL;
}

/* SA_RESTART: the wait goes on after the handler; without it the caller sees EINTR. */
static void test_restart(void) {
    pthread_t poker, poster;
    int word = 0;
    set(SIGUSR1, note, SA_RESTART);
    seen = 0;
    poke_later(SIGUSR1, &poker);
    CHECK(pthread_create(&poster, NULL, post, &word) == 0);
    long result = syscall(SYS_futex, &word, 0 /* FUTEX_WAIT */, 0, NULL, NULL, 0);
    CHECK((result == 0 || errno == EAGAIN) && seen == SIGUSR1 && word == 1);
    pthread_join(poker, NULL);
    pthread_join(poster, NULL);
    word = 0;
    set(SIGUSR1, note, 0);
    poke_later(SIGUSR1, &poker);
    CHECK(syscall(SYS_futex, &word, 0, 0, NULL, NULL, 0) == -1 && errno == EINTR);
    pthread_join(poker, NULL);
}

static void test_wait(void) {
    sigset_t set_;
    siginfo_t info;
    struct timespec short_time = {0, 10000000};
    pthread_t thread;
    sigemptyset(&set_);
    sigaddset(&set_, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set_, NULL) == 0);
    CHECK(sigtimedwait(&set_, &info, &short_time) == -1 && errno == EAGAIN);
    poke_later(SIGUSR2, &thread);
    CHECK(sigwaitinfo(&set_, &info) == SIGUSR2);
    pthread_join(thread, NULL);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set_, NULL) == 0);
}

static volatile int alarms;
static void on_alarm(int signal) {
    (void)signal;
    alarms++;
}

/* A timer every 300 us against system calls and floating point, on two threads. */
static void *work(void *argument) {
    double sum = 0;
    for (int i = 1; i <= 40000; i++) {
        sum += 1.0 / i;
        if (i % 4 == 0) CHECK(syscall(SYS_gettid) > 0);
    }
    *(double *)argument = sum;
    return NULL;
}

static void test_storm(void) {
    struct itimerval fast = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
    double quiet, one, two;
    pthread_t thread;
    work(&quiet);
    set(SIGALRM, on_alarm, SA_RESTART);
    CHECK(setitimer(ITIMER_REAL, &fast, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, work, &one) == 0);
    work(&two);
    for (int i = 0; i < 20; i++) usleep(1000);
    pthread_join(thread, NULL);
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    CHECK(alarms > 10 && one == quiet && two == quiet);
}

static void test_siginfo(void) {
    struct sigaction action = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0 && raise(SIGUSR2) == 0);
    CHECK(seen == SIGUSR2 && last_code == SI_TKILL);
}

int main(void) {
    test_raise();
    test_siginfo();
    test_faults();
    test_edit();
    test_altstack();
    test_interrupt();
    test_restart();
    test_wait();
    test_storm();
    printf("signals ok\n");
    return 0;
}
