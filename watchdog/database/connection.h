#pragma once

/* One attempt to get into a server, with a deadline and the reason of its failure. */

#include "watchdog/database/query.h"

/* Why a server did not let us in: what to try next depends on it. */
enum connection_refusal {
    REFUSAL_NONE = 0,
    REFUSAL_AUTHENTICATION, /* password wrong or missing, or no rule for us in pg_hba.conf */
    REFUSAL_UNREACHABLE,    /* nobody answers there */
    REFUSAL_FINAL,          /* the server answered: another way in would not help */
};

struct connection_target {
    const char *host; /* numeric address, or the directory of a socket; with @parameters a name, too */
    /* For libpq besides: keyword and value in turn, NULL-ended; NULL: none. */
    char *const *parameters;
    const char *port;
    const char *user;
    const char *password; /* NULL: none */
    const char *database;
    const char *application_name;
    const char *options; /* as of libpq's "options"; NULL: those that server_connect() describes */
};

/* Opens a session as server_connect() describes it. Errors as there; the text is one line, the server's own
 * words without libpq's preamble. @ret_refusal is set on failure. */
int connection_open(const struct connection_target *target, usec_t deadline, PGconn **ret,
                    enum connection_refusal *ret_refusal, struct error *err);

/* Pure: takes apart what libpq says of a failed connection with PQERRORS_VERBOSE: the last SQLSTATE in it
 * ("" when the failure is not the server's) and the words after it. @ret_words is owned by the caller. */
void connection_failure(const char *message, char ret_sqlstate[6], char **ret_words);
