#pragma once

/*
 * Messages on their way: STATE/APP/spool/KEY.json, one file each, durable before the transaction that they
 * are about is closed. Whoever sends them holds the spool's lock; writing one needs none. What was sent once
 * is remembered in spool/told, so that a transaction that is closed a second time after a crash is not told
 * twice. Where the state directory takes no more (a full or a read-only disk), the same goes on below
 * SPOOL_MEMORY: a person is told of just that, and what does not outlive a boot has usually been sent by
 * then.
 */

#include <stddef.h>

#include "watchdog/notify/message.h"

#define SPOOL_MEMORY "/run/upgrade-watchdog" /* holds spool-APP; gone with a boot */

/* @directory is the application's state directory, STATE/APP. */

/* Writes @message; one of the same key is replaced. Nothing where it was told already. */
int spool_put(const char *directory, const struct message *message, struct error *err);

/* All of them, oldest first; an array of *ret_count pointers, freed with messages_free(). One that cannot be
 * read is set aside as KEY.json.damaged and named in @warnings. */
int spool_read(const char *directory, struct message ***ret, size_t *ret_count, char ***warnings,
               struct error *err);
void messages_free(struct message **messages, size_t count);

/* It is over: told (@told: never again), or given up. */
int spool_remove(const char *directory, const struct message *message, bool told, struct error *err);

/* Whether @key was told. */
bool spool_told(const char *directory, const char *key);
/* Remembers that it was. Only with the lock. */
int spool_remember(const char *directory, const char *key, struct error *err);

/* Whether something waits that is due at @now (real time). Takes no lock, and nothing where it cannot be
 * seen. */
bool spool_due(const char *directory, usec_t now);

/* For whoever sends: -EBUSY when somebody does already. *ret_fd is closed to let go. */
int spool_lock(const char *directory, int *ret_fd, struct error *err);
