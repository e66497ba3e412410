#pragma once

/*
 * Where a path of the host leads. What is compared here are real paths: absolute, without symbolic links, "."
 * and "..".
 */

#include <stdbool.h>
#include <stdint.h>

/* realpath(3), but what is not there (not yet, or not any more) stays as it is written behind the nearest
 * directory that is. @path is absolute; *ret is owned by the caller. -ELOOP, -EACCES, without a message. */
int path_real(const char *path, char **ret);

/* The directory that the file system of @real is mounted on: the topmost one on the way there from which on
 * the device is the same. Of what is not there, the nearest directory's. Bind mounts of the same device (a
 * unit's ReadWritePaths=) do not count, so that it is the same in each mount namespace. Owned by the caller.
 * -errno without a message. */
int path_file_system(const char *real, char **ret);

/* The innermost place at or above @real where something is mounted, bind mounts of the same device too, and
 * the inode of what is there. -ENOTSUP where the kernel does not tell (before Linux 5.8), without a message.
 */
int path_mount(const char *real, char **ret, uint64_t *ret_inode);
/* Is something mounted at @path still? 1 also where nothing is, but @inode is there: in another mount
 * namespace the same files need no mount. 0, or -errno without a message. */
int path_is_mount(const char *path, uint64_t inode);

/* Is @path the same as @directory, or somewhere in it? Both are real paths. */
bool path_covers(const char *directory, const char *path);
