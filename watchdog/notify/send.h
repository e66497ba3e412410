#pragma once

/* Empties an application's spool, as far as those who are to be told can be reached. */

#include <stdbool.h>

#include "watchdog/config/settings.h"

#define SEND_GIVEN_UP_AFTER (3 * USEC_PER_DAY)

struct send_result {
    unsigned sent;    /* messages that everybody has who is to have them */
    unsigned waiting; /* messages that are tried again later */
    char **failures;  /* "Mail=root: …", a sentence each */
};
void send_result_done(struct send_result *result);

/* Sends what is due in the spool of settings->app below @state_directory (with @now: whatever waits), oldest
 * first, until
 * @deadline: no attempt is begun after it. A message that could not be sent stays and is tried again later,
 * less and less often, until SEND_GIVEN_UP_AFTER. What happened goes to the journal. Returns 0, -EBUSY when
 * another process does it already, or -errno. What is in *ret is added to. */
int send_spool(const char *state_directory, const struct settings *settings, bool now, usec_t deadline,
               struct send_result *ret, struct error *err);

/* The name by which messages call this machine. Owned by the caller. */
char *send_host(void);
