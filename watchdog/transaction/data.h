#pragma once

/* Where the places that Data= and Ignore= name are on the host, and which mounts they are. */

#include "watchdog/docker/project.h"
#include "watchdog/transaction/context.h"

struct data_place {
    char *path;    /* on the host; "" for a volume that is not made yet */
    char *volume;  /* its name for Docker; NULL: it was not named as one */
    char *problem; /* why no files can be kept there, the rest of a sentence; NULL: they can */
};

/* Of @value, a path, volume:NAME or SERVICE:/PATH. -ENOENT where no container has that mount. Zeroed on
 * error; else to be freed with data_place_done(). */
int data_place_find(struct context *context, const struct project *project, const char *value,
                    struct data_place *ret, struct error *err);
void data_place_done(struct data_place *place);
#define _cleanup_data_place_ __attribute__((cleanup(data_place_done)))

/* Is the mount this place, or does it lie in it? The same volume in another service is. */
bool data_place_covers(const struct data_place *place, const struct mount *mount);

/* The host path of a Data= value, which is there and stays there when nothing runs. -ENOENT with what was
 * looked for, -ENOTSUP with what to do. Owned by the caller. */
int data_path(struct context *context, const struct project *project, const char *data, char **ret,
              struct error *err);
