#pragma once

/* Whether a message is worth a person's attention, and whether he had it already. Pure. */

#include <stdbool.h>

#include "watchdog/config/settings.h"
#include "watchdog/notify/message.h"

#define OCCASION_REFUSALS 3 /* in a row: one or two pass by themselves, a registry was down */

/*
 * The word of On= that @message is about, or NULL where it is nothing for a person: "refused-again" for the
 * third refusal in a row, "refused" for each other one; none for a start, for a rollback that a person asked
 * for, and for an end that was told before.
 * @history: the closed transactions, newest first, as history_read() gives them: those before it count;
 * refusals of a known-bad release neither count in a row nor end it.
 */
const char *occasion_word(const struct message *message, const json_t *history);

/* What is told once only: the key under which spool_remember() keeps it; NULL: each time. A release that was
 * rejected is the same while its digests are. Owned by the caller. */
char *occasion_once(const struct message *message);

/* Whether [Notify] On= has it. A test is always wanted. */
bool occasion_wanted(const struct settings *settings, const struct message *message, const json_t *history);
