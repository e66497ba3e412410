#pragma once

/*
 * The parts of the `sql` kind: its settings, the statement with its parameters, and rows as JSON.
 *
 * What one gets wrong: a database that cannot be reached is the host's trouble and `unknown`; one that
 * answers with an error was looked at, and the release failed: it is the migration that dropped the table.
 */

#include <libpq-fe.h>

#include "probes/answer.h"

struct sql_settings {
    struct answer_settings judge; /* the first, for ANSWER_KEYS */
    char *query;
    char *database; /* NULL: the first of [Database] Name= */
    char *role;     /* NULL: the one that connects */
};

/* A parser of keys.h's kind for Query=. */
int key_query(const char *value, void *target, struct error *err);

/* Pure: each `%{name}` of @query outside of quotes and comments becomes `$1`, `$2`…, the same name the same
 * number;
 * `%%{` becomes `%{`. Returns 0, or -EINVAL where one stands inside quotes or is not closed. @ret and
 * @ret_names (in the order of their numbers) are owned by the caller. */
int sql_statement(const char *query, char **ret, char ***ret_names, struct error *err);

/* Appends the rows of @result to the array @rows as objects, values typed as JSON has them: numbers,
 * booleans, null, json and jsonb as what they hold, all others as text. -EEXIST when two columns have one
 * name. */
int sql_rows(const PGresult *result, json_t *rows, struct error *err);
/* The answer: the value where it is one row of one column, else the rows. New reference. */
json_t *sql_answer(const json_t *rows, int columns);

/* Whose trouble an error of the server is: its SQLSTATE says. true: the release's. */
bool sql_state_is_fault(const char *sqlstate);
