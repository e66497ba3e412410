#pragma once

/* A rollback by a person's word: the transaction that leads back to a snapshot. */

#include "watchdog/config/settings.h"
#include "watchdog/transaction/state.h"

/*
 * Makes @record (new, KIND_ROLLBACK) one that goes back to the snapshot @id, or NULL: to the one before the
 * newest upgrade, else the newest that is complete. Looks at the application as it is now, for what stands
 * aside; takes images, pins, clone and files from the snapshot and the transaction that made it. Touches
 * nothing. -ENOENT: no such snapshot; -EBADMSG: it is damaged.
 */
int by_hand_prepare(struct state *state, const struct settings *settings, const char *id,
                    struct record *record, struct error *err);

/* Sees to it that the images it goes back to are on this host, from their archives where somebody removed
 * them: before anything is stopped. Running containers and names that somebody uses are not touched. */
int by_hand_images(struct state *state, const struct settings *settings, struct record *record,
                   struct error *err);

/* Copies into the new transaction's directory what it needs of the old one: Compose files and baseline. */
int by_hand_keep(struct state *state, const struct record *record, struct error *err);

/* The real time to which it leads back: of the freeze where the clone is there, else of the dump. */
usec_t by_hand_moment(const struct record *record);
