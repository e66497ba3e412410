#pragma once

/*
 * The state directory of one application, and the locks.
 *
 *   APP/lock                 flock: one run at a time; every child inherits the descriptor
 *   APP/transaction.json     the open transaction; its absence is "there is none"
 *   APP/reserve              room for the record on a full disk
 *   APP/known-bad.json       releases that probes have failed
 *   APP/transactions/ID.json closed ones, as people and scripts see them
 *   APP/transactions/ID/     configuration, Compose files, baseline, logs, the full record
 *   APP/snapshots/, APP/images/, APP/quarantine/
 *
 * All of it belongs to root and is readable by nobody else.
 */

#include <sys/types.h>

#include "watchdog/transaction/record.h"

#define STATE_DIRECTORY "/var/lib/upgrade-watchdog"
#define STATE_LOCK_DIRECTORY "/run/upgrade-watchdog" /* locks of the host; gone with a boot */

struct state {
    char *root, *app;
    char *directory; /* root/app */
    int lock_fd;     /* -1: not held. Not close-on-exec: every child holds it too */
    int project_fd, server_fd, slot_fd;
};

/* Makes the directories where @create; else -ENOENT when the application has no state yet. */
int state_open(const char *root, const char *app, bool create, struct state **ret, struct error *err);
void state_free(struct state *state); /* releases the locks */
void cleanup_state(struct state **state);
#define _cleanup_state_ __attribute__((cleanup(cleanup_state)))

/* "directory/…", owned by the caller. */
char *state_path(const struct state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The transaction's own directory, owned by the caller. */
char *state_transaction_path(const struct state *state, const char *id, const char *name);

/*
 * Takes the application's lock. Where another run is alive: -EBUSY at once. Where only descendants of a dead
 * run hold it, they are awaited until the deadline. The lock is for writers: status and history take none.
 */
int state_lock(struct state *state, usec_t deadline, struct error *err);
/* Whether a run holds the lock at this moment, and which process it is; takes no lock and waits for none. */
bool state_is_locked(const struct state *state, pid_t *ret_pid);
/* One per Compose project and one per database server, whatever the state directory: -EBUSY. */
int state_lock_project(struct state *state, const char *project, struct error *err);
int state_lock_server(struct state *state, const char *system_identifier, struct error *err);
/* One of so many runs that may be under way on this host at once, of all applications: -EBUSY when each of
 * the slots 1 to @slots is taken. */
int state_lock_slot(struct state *state, unsigned slots, struct error *err);

/* The open transaction. -ENOENT: none. -EBADMSG: the file is damaged or of a newer version. */
int state_load(const struct state *state, struct record **ret, struct error *err);
int state_save(const struct state *state, const struct record *record, struct error *err);
/* transactions/ID.json and the full record, then transaction.json goes. Repeatable. */
int state_close(const struct state *state, const struct record *record, struct error *err);
/* The full record of a closed transaction. -ENOENT. */
int state_load_closed(const struct state *state, const char *id, struct record **ret, struct error *err);

/* Our pins in Compose files: what the user had written where a pin of ours stands now. A comment beside the
 * pin says the same, where there was room for one. */
int state_remember_pin(const struct state *state, const char *service, const char *value,
                       const char *original, struct error *err);
/* 1 with what the user had written (owned by the caller) when @value is a pin of ours for @service, else 0.
 * @state may be NULL: 0. */
int state_find_pin(const struct state *state, const char *service, const char *value, char **ret_original,
                   struct error *err);

/* The open transaction goes without a trace: nothing of it is left to be told. */
int state_forget(const struct state *state, const struct record *record, struct error *err);

/* Known-bad releases: a release is bad when all digests of one that failed are in it. */
int state_add_bad(const struct state *state, const struct record *record, struct error *err);
/* 1 with the id and reason of the transaction that failed (owned by the caller), 0 when it is not known bad.
 */
int state_is_bad(const struct state *state, const struct record *record, char **ret_id, char **ret_reason,
                 struct error *err);
