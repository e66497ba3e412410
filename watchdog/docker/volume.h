#pragma once

/*
 * Named and anonymous volumes, and where on the host their files are.
 *
 * What a reader would get wrong: a volume of the `local` driver whose options name a device is mounted while
 * a container uses it, and only then. Its mountpoint is an empty directory else, which looks like data
 * emptied.
 */

#include <stdbool.h>

#include "watchdog/docker/engine.h"

struct volume {
    char *name, *driver, *mountpoint;
    json_t *options; /* driver_opts; NULL or an object; may hold passwords (of CIFS) */
    bool anonymous;
};

/* GET /volumes/NAME. -ENOENT. */
int engine_volume(struct engine *engine, const char *name, usec_t deadline, struct volume *ret,
                  struct error *err);
void volume_done(struct volume *volume);
#define _cleanup_volume_ __attribute__((cleanup(volume_done)))

/* Whether its mountpoint shows the files only while a container uses it. */
bool volume_comes_and_goes(const struct volume *volume);

/* Where its files are whether or not a container uses it: the mountpoint, or the directory that is bound
 * there. NULL and *ret_problem, the rest of a sentence that says what to do ("lives in memory: …"), where
 * there is no such place. Both are owned by the caller. */
char *volume_place(const struct volume *volume, char **ret_problem);
