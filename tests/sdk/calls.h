/* Functions of the test enclave (calls_inside.c), by their numbers. */
#ifndef TESTS_SDK_CALLS_H
#define TESTS_SDK_CALLS_H

enum calls_function {
    CALLS_EMPTY,            /* nothing in, nothing out */
    CALLS_ECHO,             /* the request is the reply */
    CALLS_SUM,              /* u64 sum of the request's bytes */
    CALLS_FILL,             /* u64 count -> count bytes */
    CALLS_TAKE,             /* the request is copied inside, and that is all */
    CALLS_GIVE,             /* u64 count -> count bytes of private memory */
    CALLS_OCALLS,           /* u64 count: empty calls of the host's, one after the other */
    CALLS_OCALL,            /* u32 host function, rest: its request -> its reply */
    CALLS_SLEEP,            /* u64 milliseconds */
    CALLS_SLEEP_THEN_OCALL, /* u64 milliseconds, then an empty call of the host */
    CALLS_SPIN,             /* for ever */
    CALLS_EXIT,             /* u32 status: the enclave ends */
    CALLS_CRASH,
    CALLS_THREAD, /* u32 slot that serves this call */
    CALLS_BREAK,  /* u32 how: breaks the format from inside, and stays */
    CALLS_LOG     /* the request's text, on stderr */
};

enum calls_host_function {
    CALLS_HOST_EMPTY,
    CALLS_HOST_ECHO,
    CALLS_HOST_NEST,      /* calls CALLS_ECHO inside, and gives back what that gave */
    CALLS_HOST_NAP,       /* 300 ms */
    CALLS_HOST_NEST_LATE, /* calls CALLS_SLEEP for longer than a call may take */
    CALLS_HOST_DEEP /* u32 n: calls CALLS_OCALL of CALLS_HOST_DEEP with n - 1, until 0 -> u32 n */
};

#endif
