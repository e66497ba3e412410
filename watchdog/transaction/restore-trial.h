#pragma once

/*
 * The proof that a snapshot's dumps restore: each is restored to a database of its own beside the
 * application's, counted, and dropped again. The application goes on meanwhile.
 */

#include "watchdog/transaction/context.h"

/* Tries every database of the record with context->snapshot, and says in it that this was done. The names of
 * the databases that are made must be on disk in the record. -EBADMSG and others when one does not restore;
 * the databases made here are gone in any case but -errno of dropping them. */
int restore_trial(struct context *context, struct error *err);

/* Drops what a trial of this record left behind. */
int restore_trial_drop(struct context *context, struct error *err);
