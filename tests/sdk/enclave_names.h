/* Host and enclave in one program: the enclave's functions get names of their own. */
#define sum        enclave_sum
#define nothing    enclave_nothing
#define text       enclave_text
#define value      enclave_value
#define chain      enclave_chain
#define fill       enclave_fill
#define twice      enclave_twice
#define calls_host enclave_calls_host
#define leak       enclave_leak
#define hidden     enclave_hidden
#define product    enclave_product
#define ask        enclave_ask
#define tell       enclave_tell
