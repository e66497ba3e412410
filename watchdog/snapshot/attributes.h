#pragma once

/*
 * What belongs to a name besides its contents: read into a manifest entry, and put on a file. Nothing here
 * follows a symbolic link, and nothing opens a device.
 */

#include <stdbool.h>

#include "watchdog/base/error.h"
#include "watchdog/snapshot/manifest.h"

/* Identity of the file system that an entry lies on, for finding mounts. */
struct attributes_place {
    uint64_t mount;
    dev_t device;
};

/* statx(2) of @name in @directory_fd ("" with a descriptor of the file itself). Fills all of *entry but path,
 * target, link, digest and xattrs. -errno without a message. @ret_place may be NULL. */
int attributes_stat(int directory_fd, const char *name, struct manifest_entry *entry,
                    struct attributes_place *ret_place);

/* Reads the target of a symbolic link. -errno without a message. */
int attributes_target(int directory_fd, const char *name, char **ret);

/* Reads all extended attributes into *entry, replacing those that it has. -errno without a message. */
int attributes_xattrs(int directory_fd, const char *name, struct manifest_entry *entry);

/* Puts owner, mode, extended attributes and times on @name, in the order in which none takes another one
 * away; not the flags. With @lenient, attributes that this file system does not have are left out (the copy
 * in a snapshot, whose manifest knows them). -errno without a message. */
int attributes_apply(int directory_fd, const char *name, const struct manifest_entry *entry, bool lenient);

/* Sets the MANIFEST_* flags on a regular file or directory, and takes those not in @flags away. -errno
 * without a message; a file system that has no flags is no error where none are wanted. */
int attributes_flags(int directory_fd, const char *name, unsigned flags);

bool attributes_same_xattrs(const struct manifest_entry *a, const struct manifest_entry *b);

/* Whether nothing has happened to the inode: number, type, size, owner, mode, links, times, flags. */
bool attributes_same_inode(const struct manifest_entry *a, const struct manifest_entry *b);
