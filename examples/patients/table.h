/* A table of patients: rows of measurements and one outcome, read from CSV with care. */
#ifndef PATIENTS_TABLE_H
#define PATIENTS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum { TABLE_ROWS = 2048, TABLE_FEATURES = 30, TABLE_NAME = 40 };

struct table {
    double value[TABLE_ROWS][TABLE_FEATURES];
    size_t rows;
    char name[TABLE_FEATURES][TABLE_NAME];
    bool malignant[TABLE_ROWS];
};

/* Appends the rows of a CSV file: a header of TABLE_FEATURES names and "benign", then numbers, the
 * last 0 or 1. Every file must have the same header. False when the file cannot be read or a line
 * is not as expected: the message on stderr names file, line and column, and never a patient's
 * value. */
bool table_append(struct table *table, const char *path);

#endif
