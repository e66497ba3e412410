#pragma once

/* One name copied into a snapshot, and the files of an earlier tree that need not be copied again. */

#include <stdbool.h>

#include "watchdog/base/error.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/work.h"

/* Copies @entry (anything but a directory) from below @source to @to_name in @to_fd, where nothing is yet,
 * and reads into it what the walk did not: the metadata of the very file that was opened, digest, xattrs.
 * Returns 0, or 1 when it is gone or has become something else; nothing was made then. */
int entry_copy(struct beneath *source, struct manifest_entry *entry, int to_fd, const char *to_name,
               struct work *work, struct error *err);

/* A hard link at @path to @leader, both below @root. */
int entry_link(struct beneath *root, const char *leader, const char *path, struct error *err);

/* The regular files of an earlier tree, by inode. Zero-initialised is empty. */
struct entry_index {
    struct beneath content;
    const struct manifest_entry **entries;
    size_t count;
};
#define ENTRY_INDEX_NONE                                                                                     \
    (struct entry_index) {                                                                                   \
        .content = BENEATH_NONE                                                                              \
    }
/* @manifest has to outlive the index, @content is the copy that it describes. Files that were written up to 2
 * s before their pass began are not in it: a change within the same tick of the clock leaves ctime as it is.
 */
int entry_index_make(const struct manifest *manifest, const char *content, struct entry_index *ret,
                     struct error *err);
void entry_index_done(struct entry_index *index);

/* Whether the index has the same inode, unchanged. */
bool entry_is_known(const struct entry_index *index, const struct manifest_entry *entry);

/* Links the copy of the same inode to @to_name in @to_fd and takes over its digest and xattrs. Returns 1, or
 * 0 when there is none, or it cannot be linked: then it has to be copied. */
int entry_reuse(struct entry_index *index, struct manifest_entry *entry, int to_fd, const char *to_name);

/* Whether a change of this file since the pass that began at @started would show in its ctime. */
bool entry_is_settled(const struct manifest_entry *entry, struct timespec started);
/* Takes over what is known of the same inode. */
void entry_take_known(struct manifest_entry *entry, const struct manifest_entry *known);
