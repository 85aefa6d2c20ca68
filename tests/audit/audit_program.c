/* Writes an audit log for the tests: audit_program FILE COUNT [SYNC_MS
 * [FOLDER]]; with the key of a data folder when one is given. Prints the number of each
 * line once it is appended, so that a test knows what was acknowledged when it kills us. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/audit.h"
#include "service/config.h"
#include "store/database.h"
#include "store/sealer.h"

static struct cella_result append(struct cella_audit *audit, int i) {
    json_t *record =
        json_pack("{s:s, s:s, s:i, s:s, s:{s:b, s:[i,i]}, s:s}", "who", "Gr\xc3\xbc\xc3\x9f \"e\"",
                  "action", "attest", "index", i, "verdict", i % 3 ? "permit" : "deny", "nested",
                  "b", 1, "a", 1, 2, "request", i % 5 ? "r-1" : "r-0");
    struct cella_result r = cella_audit_append(audit, record);
    json_decref(record);
    return r;
}

static struct cella_result read_key(const char *folder, struct cella_secret *key) {
    CELLA_DATABASE database = NULL;
    CELLA_SEALER sealer = NULL;
    if (!folder) return cella_secret_from(cella_bytes("the tests' key, which is no key", 32), key);
    TRY(cella_service_open_store(folder, &database, &sealer));
    return cella_service_audit_key(database, sealer, key);
}

static struct cella_result write_lines(const char *path, int count, uint32_t sync_ms,
                                       const char *folder) {
    CELLA_SECRET key = {0};
    struct cella_audit *audit = NULL;
    struct cella_result r = CELLA_SUCCESS;
    TRY(read_key(folder, &key));
    TRY(cella_audit_open(path, sync_ms, cella_secret_bytes(&key), &audit));
    for (int i = 0; i < count && !cella_failed(r); i++) {
        r = append(audit, i);
        if (!cella_failed(r)) dprintf(STDOUT_FILENO, "%d\n", i);
    }
    cella_audit_close(&audit);
    return r;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    signal(SIGXFSZ, SIG_IGN);
    struct cella_result r =
        write_lines(argv[1], atoi(argv[2]), argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 100,
                    argc > 4 ? argv[4] : NULL);
    cella_result_print(r);
    int status = cella_failed(r);
    cella_result_drop(r);
    return status;
}
