#include "table.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 4096, COLUMNS = TABLE_FEATURES + 1 };

/* Cuts the line at its commas, in place. Returns how many fields there are, at most COLUMNS + 1. */
static size_t split(char *line, char *field[COLUMNS + 1]) {
    size_t count = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *at = line; at && count < COLUMNS + 1; count++) {
        field[count] = at;
        at = strchr(at, ',');
        if (at) *at++ = 0;
    }
    return count;
}

static bool header(struct table *table, const char *path, char *field[], size_t count) {
    if (count != COLUMNS || strcmp(field[TABLE_FEATURES], "benign") != 0) {
        fprintf(stderr, "%s:1: expected %d names, the last one \"benign\", found %zu\n", path,
                COLUMNS, count);
        return false;
    }
    for (size_t i = 0; i < TABLE_FEATURES; i++) {
        if (table->rows == 0) snprintf(table->name[i], TABLE_NAME, "%s", field[i]);
        if (strcmp(table->name[i], field[i]) != 0) {
            fprintf(stderr, "%s:1: column %zu is \"%s\"; expected \"%s\", as in the first file\n",
                    path, i + 1, field[i], table->name[i]);
            return false;
        }
    }
    return true;
}

static bool row(struct table *table, const char *path, size_t line, char *field[], size_t count) {
    if (count != COLUMNS) {
        fprintf(stderr, "%s:%zu: expected %d fields, found %zu%s\n", path, line, COLUMNS, count,
                count > COLUMNS ? " or more" : "");
        return false;
    }
    if (table->rows == TABLE_ROWS) {
        fprintf(stderr, "%s:%zu: more than %d rows\n", path, line, TABLE_ROWS);
        return false;
    }
    for (size_t i = 0; i < TABLE_FEATURES; i++) {
        char *end = NULL;
        errno = 0;
        double v = strtod(field[i], &end);
        if (end == field[i] || *end || errno || !isfinite(v)) {
            fprintf(stderr, "%s:%zu: column %zu (%s) is not a number\n", path, line, i + 1,
                    table->name[i]);
            return false;
        }
        table->value[table->rows][i] = v;
    }
    const char *benign = field[TABLE_FEATURES];
    if (strcmp(benign, "0") != 0 && strcmp(benign, "1") != 0) {
        fprintf(stderr, "%s:%zu: column %d (benign) is neither 0 nor 1\n", path, line, COLUMNS);
        return false;
    }
    table->malignant[table->rows++] = benign[0] == '0';
    return true;
}

bool table_append(struct table *table, const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "%s: cannot open: %s\n", path, strerror(errno));
        return false;
    }
    char text[LINE_MAX_BYTES], *field[COLUMNS + 1];
    size_t line = 0;
    bool good = true;
    while (good && fgets(text, sizeof(text), file)) {
        line++;
        if (!strchr(text, '\n') && !feof(file)) {
            fprintf(stderr, "%s:%zu: longer than %d bytes\n", path, line, LINE_MAX_BYTES - 2);
            good = false;
            break;
        }
        size_t count = split(text, field);
        good = line == 1 ? header(table, path, field, count) : row(table, path, line, field, count);
    }
    if (good && ferror(file)) {
        fprintf(stderr, "%s: cannot read after line %zu: %s\n", path, line, strerror(errno));
        good = false;
    }
    if (good && line < 2) {
        fprintf(stderr, "%s: no patients in it\n", path);
        good = false;
    }
    fclose(file);
    return good;
}
