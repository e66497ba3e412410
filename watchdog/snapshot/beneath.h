#pragma once

/*
 * Opening what lies below a directory, and nothing else: openat2(2) with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS, whatever a running application plants meanwhile.
 */

#include <stddef.h>

#include "watchdog/base/error.h"

/* A root: a directory, or a single file in one. Zero-initialise with BENEATH_NONE. */
struct beneath {
    int fd;       /* of the root directory, or of the directory that holds the single file */
    char *file;   /* name of the single file; NULL: the root is a directory */
    char *path;   /* for messages */
    char *cached; /* path of the directory that was opened last */
    int cached_fd;
};
#define BENEATH_NONE                                                                                         \
    (struct beneath) {                                                                                       \
        .fd = -1, .cached_fd = -1                                                                            \
    }

/* Opens the root at @path, which may itself lead over symbolic links. -ENOENT; -EINVAL when it is neither a
 * directory nor a regular file. */
int beneath_open(const char *path, struct beneath *ret, struct error *err);
/* The same where @path need not be there yet and will be a single file. */
int beneath_open_file(const char *path, struct beneath *ret, struct error *err);
void beneath_done(struct beneath *root);
#define _cleanup_beneath_ __attribute__((cleanup(beneath_done)))

/* The directory that holds @path (relative to the root, "" is the root itself) and the name in it: "." for
 * the root. The descriptor is the root's own, valid until the next call. -ENOENT, -ENOTDIR, -ELOOP where the
 * way is not there or leads over a link, without a message: in a first pass that is no error. */
int beneath_parent(struct beneath *root, const char *path, const char **ret_name);

/* Opens the directory @path; owned by the caller. -errno without a message. */
int beneath_directory(struct beneath *root, const char *path);

/* Forgets the directory that was opened last, before it is renamed or removed. */
void beneath_forget(struct beneath *root);

/* ROOT/PATH for a message. Owned by the caller. */
char *beneath_name(const struct beneath *root, const char *path);
