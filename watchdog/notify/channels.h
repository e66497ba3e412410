#pragma once

/* The ways by which [Notify] tells somebody. */

#include <stdbool.h>

#include "watchdog/config/settings.h"
#include "watchdog/notify/formats.h"

enum channel_kind {
    CHANNEL_URL,
    CHANNEL_MAIL,
    CHANNEL_COMMAND,
    CHANNEL_PING,
};

struct channel {
    enum channel_kind kind;
    /* Names it in records and messages, holds no secret and does not change as long as its key is as it was:
     * "Url=slack %{hook}", or "Url=https://ntfy.example.org/…" where an address stands there in full. */
    char *name;
    const char *value;           /* borrowed from the settings: address, mail address, command line */
    const struct format *format; /* of CHANNEL_URL; NULL: Body= */
};

/* All of them; freed with channels_free(). */
void channels_of(const struct settings *settings, struct channel **ret, size_t *ret_count);
void channels_free(struct channel *channels, size_t count);

/* What only jq, PCRE2 and the file system know of [Notify]: 0, or -EINVAL with the key's place and what was
 * expected. */
int channels_check(const struct settings *settings, struct error *err);

/* Whether there are any. */
bool channels_any(const struct settings *settings);
