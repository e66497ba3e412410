#pragma once

/* What a transaction says while it runs, to the terminal and to the journal at once. */

#include "watchdog/audit/journal.h"
#include "watchdog/commands/measure.h"
#include "watchdog/commands/options.h"
#include "watchdog/commands/terminal.h"
#include "watchdog/transaction/supervisor.h"

struct watcher {
    struct terminal terminal;
    struct observer observer;
    const struct options *options; /* of the command that runs it; NULL: nobody is told of a beginning */
    bool json;
    bool requested;         /* a request (transaction/request.h) asked for this run */
    json_t *reports;        /* of the last round */
    char *phase;            /* that the terminal shows; NULL: none */
    char *app;              /* of the transaction that runs; NULL: none yet */
    char *status;           /* what systemd was told last */
    struct measure measure; /* .state borrowed, NULL: no metrics; .textfile is @textfile */
    char *textfile;         /* of the transaction @measured */
    char *measured;         /* its id */
};

/* @json: the terminal is standard error, as standard output belongs to the result. */
void watcher_init(struct watcher *watcher, bool json);
void watcher_done(struct watcher *watcher);

/* The end of a transaction for whoever reads it in the morning: what happened, in which state everything is,
 * what was lost, and the command that tells more; or the record as JSON. */
void watcher_result(struct watcher *watcher, const struct record *record);
