#pragma once

/* Inside this directory only: PostgreSQL's programs of an image, for a server that is none of our containers.
 */

#include "watchdog/database/programs.h"

struct programs_image {
    struct engine *engine;
    char *image, *id;
    char **files;    /* of the host, seen in there read-only under the same name */
    char *container; /* NULL: not made yet */
};

void programs_image_new(struct engine *engine, const char *image, const char *id, char **files,
                        struct programs_image **ret);
/* Removes the container. */
void programs_image_free(struct programs_image *image);

/* A program_runner; @context is the struct programs_image. -ENOENT with what to do when the image is not
 * there. */
int programs_run_in_image(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                          struct error *err);
