#pragma once

/* What each step of machine.h does. */

#include "watchdog/transaction/context.h"

/* Returns 0 when done, 1 when it saw what it looks for (the reason in *err), or -errno. Repeatable after a
 * crash at any point inside. */
typedef int step_function(struct context *context, struct error *err);

extern step_function *const steps[STEP_COUNT];

/* steps-prepare.c */
int step_inspect(struct context *context, struct error *err);
int step_check(struct context *context, struct error *err);
int step_resolve(struct context *context, struct error *err);
int step_fetch(struct context *context, struct error *err);
/* steps-backup.c */
int step_dump(struct context *context, struct error *err);
int step_copy_files(struct context *context, struct error *err);
int step_archive_images(struct context *context, struct error *err);
int step_seal_snapshot(struct context *context, struct error *err);
/* steps-stop.c */
int step_checkpoint(struct context *context, struct error *err);
int step_compare_running(struct context *context, struct error *err);
int step_policies_off(struct context *context, struct error *err);
int step_stop(struct context *context, struct error *err);
int step_see_stopped(struct context *context, struct error *err);
int step_await_foreign(struct context *context, struct error *err);
int step_see_never_started(struct context *context, struct error *err);
int step_keep_logs(struct context *context, struct error *err);
/* steps-fence.c */
int step_fence(struct context *context, struct error *err);
int step_end_sessions(struct context *context, struct error *err);
int step_lift(struct context *context, struct error *err);
/* What holds each of the application's names at this moment, in the order of the record; OID 0 where nothing
 * does. The list is owned by the caller, the names are the record's. */
struct database_identity;
int database_holders(struct context *context, struct database_identity **ret, size_t *ret_count,
                     struct error *err);
/* Statistics of each database at this moment, into the record, to be compared at a rollback: at the switch,
 * and again when the gate opens, since what is written from then on is what a rollback would lose. Losing
 * them loses a count, nothing else. */
void database_remember_written(struct context *context);
/* steps-database.c */
int step_clone(struct context *context, struct error *err);
int step_see_identity(struct context *context, struct error *err);
int step_count_writes(struct context *context, struct error *err);
int step_prepare_databases(struct context *context, struct error *err);
int step_swap(struct context *context, struct error *err);
int step_restore_roles(struct context *context, struct error *err);
int step_drop_clone(struct context *context, struct error *err);
int step_settle_clone(struct context *context, struct error *err);
/* steps-files.c */
int step_second_pass(struct context *context, struct error *err);
int step_restore_files(struct context *context, struct error *err);
int step_sync(struct context *context, struct error *err);
/* steps-pins.c */
int step_pins_new(struct context *context, struct error *err);
int step_pins_before(struct context *context, struct error *err);
int step_pins_old(struct context *context, struct error *err);
int step_tags_new(struct context *context, struct error *err);
int step_tags_old(struct context *context, struct error *err);
/* steps-start.c */
int step_start_database(struct context *context, struct error *err);
int step_database_health(struct context *context, struct error *err);
int step_create_new(struct context *context, struct error *err);
int step_create_old(struct context *context, struct error *err);
int step_policies_back(struct context *context, struct error *err);
int step_start_all(struct context *context, struct error *err);
int step_start_old(struct context *context, struct error *err);
int step_remove_twin(struct context *context, struct error *err);
int step_last_look(struct context *context, struct error *err);
/* steps-watch.c */
int step_baseline(struct context *context, struct error *err);
int step_start_new(struct context *context, struct error *err);
int step_watch(struct context *context, struct error *err);
int step_probe_old(struct context *context, struct error *err);
/* steps-tidy.c */
int step_retain(struct context *context, struct error *err);
int step_end_ours(struct context *context, struct error *err);
int step_repair_names(struct context *context, struct error *err);
int step_drop_holds(struct context *context, struct error *err);
