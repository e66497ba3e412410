#pragma once

/*
 * Durable files: what returned 0 here is there after a power cut. Temporary file, fsync, rename, fsync of the
 * directory; a reader sees the old or the new contents, never a part.
 */

#include <stddef.h>
#include <sys/types.h>

#include "watchdog/base/error.h"

/* Writes @size bytes to @path (relative to @directory_fd, or AT_FDCWD) with @mode, replacing what is there.
 */
int durable_write(int directory_fd, const char *path, const void *data, size_t size, mode_t mode,
                  struct error *err);

/* Makes @path and its missing parents with @mode; one that is there is left as it is. */
int durable_mkdir(const char *path, mode_t mode, struct error *err);

/* renameat, then fsync of both directories. */
int durable_rename(int from_fd, const char *from, int to_fd, const char *to, struct error *err);

/* Removes a file. Returns 1 when there was one, 0 when not. */
int durable_unlink(int directory_fd, const char *path, struct error *err);

/* Removes a tree, following no symbolic link and crossing no mount. Returns 0 also when there was none. */
int durable_remove_tree(int directory_fd, const char *path, struct error *err);

/* fsync of the directory that holds @path. */
int durable_sync_parent(int directory_fd, const char *path, struct error *err);

/* syncfs of the file system that @path is on: everything on it. */
int durable_sync_filesystem(const char *path, struct error *err);

/* Reads a whole file of at most @limit bytes; the contents end with a NUL that is not counted. ENOENT is not
 * said differently from other errors: look at the returned value. @ret is owned by the caller. */
int file_read(int directory_fd, const char *path, size_t limit, char **ret, size_t *ret_size,
              struct error *err);

/* write(2) until all is written. */
int write_all(int fd, const void *data, size_t size);
