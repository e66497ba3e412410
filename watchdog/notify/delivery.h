#pragma once

/* One message by one way. */

#include "watchdog/notify/channels.h"
#include "watchdog/notify/message.h"

#define DELIVERY_TIME (45 * USEC_PER_SEC) /* of one attempt */

/* Tries it once, in a child of its own with a bound for time and memory: a jq program that runs away, a
 * server that never answers and a mail program that hangs cost one attempt. Returns 0 when it was taken, else
 * -errno with the reason, in which no secret stands. Ping= is told of starts and ends, and of nothing else:
 * 0. */
int deliver(const struct settings *settings, const struct channel *channel, const struct message *message,
            const char *host, struct error *err);

/* The address, headers and body of a POST to @channel, as they would be sent: with secrets. Owned by the
 * caller; *ret_body NULL: a GET. For deliver() and its test. */
int delivery_request(const struct settings *settings, const struct channel *channel,
                     const struct message *message, const char *host, char **ret_url, char ***ret_headers,
                     char **ret_body, struct error *err);
