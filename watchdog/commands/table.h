#pragma once

/* A table of texts in aligned columns. */

#include "watchdog/commands/terminal.h"

struct table {
    char **headers; /* one that begins with ">" stands to the right, without it */
    size_t columns;
    struct table_cell {
        char *text;
        enum tone tone;
    } * cells; /* row by row */
    size_t cells_count;
};

/* @headers: a NULL-ended list, copied. */
void table_init(struct table *table, const char *const *headers);
void table_done(struct table *table);
#define _cleanup_table_ __attribute__((cleanup(table_done)))

/* The next cell; after the last of a row comes the first of the next one. */
void table_cell(struct table *table, enum tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints header and rows; nothing when there are no rows. */
void table_print(const struct table *table, struct terminal *terminal);
