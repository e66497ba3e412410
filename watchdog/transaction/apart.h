#pragma once

/*
 * Data= must be apart from what a rollback may not move: it would take the database's files away under the
 * running server, or the Compose files that have just been pinned.
 */

#include "watchdog/database/finding.h"
#include "watchdog/docker/project.h"
#include "watchdog/transaction/context.h"

enum claim_kind {
    CLAIM_DATABASE, /* a mount that the database service can write to */
    CLAIM_FILE,     /* a Compose file, or an environment file of the project */
    CLAIM_STATE,    /* snapshots and quarantine */
    CLAIM_OFF_HOST, /* copies of snapshots */
};

/* A place that is somebody else's. */
struct claim {
    enum claim_kind kind;
    char *path; /* real */
};

/* What is wrong with Data=@data at the real path @path: NULL where it neither holds one of the claims, nor is
 * one, nor lies in one. Else a sentence for a person, owned by the caller, and *ret_cure, borrowed. */
char *apart_problem(const char *data, const char *path, const struct claim *claims, size_t count,
                    const char **ret_cure);

/* Looks at each tree of the record, after inspect_application(), and appends a finding. */
void apart_look(const struct context *context, const struct project *project, struct finding **findings,
                size_t *count);

/* The same for those that do not ask for findings: -EPERM with the first that is wrong. */
int apart_check(const struct context *context, const struct project *project, struct error *err);
