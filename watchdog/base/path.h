#pragma once

/*
 * Where a path of the host leads. What is compared here are real paths: absolute, without symbolic links, "."
 * and "..".
 */

#include <stdbool.h>

/* realpath(3), but what is not there (not yet, or not any more) stays as it is written behind the nearest
 * directory that is. @path is absolute; *ret is owned by the caller. -ELOOP, -EACCES, without a message. */
int path_real(const char *path, char **ret);

/* The directory that the file system of @real is mounted on: the topmost one on the way there from which on
 * the device is the same. Of what is not there, the nearest directory's. Bind mounts of the same device (a
 * unit's ReadWritePaths=) do not count, so that it is the same in each mount namespace. Owned by the caller.
 * -errno without a message. */
int path_file_system(const char *real, char **ret);

/* Is @path the same as @directory, or somewhere in it? Both are real paths. */
bool path_covers(const char *directory, const char *path);
