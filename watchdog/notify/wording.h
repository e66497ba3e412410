#pragma once

/*
 * What a message says to a person who is woken by it: what happened, in which state everything is now,
 * whether anything is to be done, and the one command to look further. Pure.
 */

#include "watchdog/notify/message.h"

/*
 * The message as a JSON object, the input of Body= and of each format:
 *   "app", "host", "kind" (as in On=), "urgency" ("info", "warning", "urgent"), "created" (RFC 3339),
 *   "subject" (one line), "text" (several lines), "command" (to look further),
 *   "id", "outcome", "phase", "reason", "failed_probe", "change" ("qaid-server 1.2.4 → 1.3.0"): null where it
 * is about none, "transaction": the whole of it, as `report --json` prints it, or null. New reference.
 */
json_t *wording(const struct message *message, const char *host);
