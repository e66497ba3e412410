#pragma once

/* How services want a message: each format is a jq program over the message (wording.h) that makes the body
 * of a POST. */

#include "watchdog/base/error.h"

struct format {
    const char *name; /* as in Url=: "slack" */
    /* The last part of the address's path is no part of it: the program gets it as .topic. */
    int topic;
    const char *program;
    const char *source; /* the page that says what the service expects */
};

extern const struct format formats[]; /* ended by a NULL name */

/* NULL: there is none. */
const struct format *format_find(const char *name);
