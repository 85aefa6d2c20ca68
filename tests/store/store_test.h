/* Shared by the tests of the store: a folder of one's own, results that must be. */
#ifndef CELLA_TESTS_STORE_H
#define CELLA_TESTS_STORE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../results.h"
#include "store/database.h"

struct place {
    char folder[64], database[96];
};
static inline int place_make(void **state) {
    struct place *p = calloc(1, sizeof(*p));
    snprintf(p->folder, sizeof(p->folder), "/tmp/cella-store-XXXXXX");
    if (!mkdtemp(p->folder)) return -1;
    snprintf(p->database, sizeof(p->database), "%s/cella.db", p->folder);
    *state = p;
    return 0;
}
static inline int place_remove(void **state) {
    struct place *p = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", p->folder);
    int bad = system(command);
    free(p);
    return bad;
}

/* One table of numbers for all tests. */
static inline void open_numbers(const char *location, struct cella_database **out) {
    static const char *const steps[] = {
        "CREATE TABLE test_number (number BIGINT PRIMARY KEY, content BLOB)"};
    GOOD(cella_database_open(location, out));
    GOOD(cella_database_migrate(*out, "test", steps, 1));
}
static inline struct cella_result insert(struct cella_session *session, int64_t number,
                                         struct cella_bytes content) {
    const struct cella_value row[] = {cella_value_integer(number), cella_value_bytes(content)};
    return cella_execute(session, "INSERT INTO test_number (number, content) VALUES (?, ?)", row, 2,
                         NULL);
}
static inline struct cella_result insert_alone(struct cella_database *database, int64_t number,
                                               struct cella_bytes content) {
    CELLA_SESSION session = NULL;
    TRY(cella_session_begin(database, true, &session));
    TRY(insert(session, number, content));
    return cella_session_commit(&session);
}
static inline int64_t ask(struct cella_session *session, const char *sql) {
    CELLA_ROWS rows = NULL;
    bool there = false;
    GOOD(cella_query(session, sql, NULL, 0, &rows));
    GOOD(cella_rows_next(rows, &there));
    assert_true(there);
    return cella_rows_integer(rows, 0);
}
static inline int64_t count_alone(struct cella_database *database) {
    CELLA_SESSION session = NULL;
    GOOD(cella_session_begin(database, false, &session));
    return ask(session, "SELECT COUNT(*) FROM test_number");
}

#endif
