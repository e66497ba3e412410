#pragma once

/* What the passes over a tree have in common. */

#include "watchdog/base/error.h"
#include "watchdog/snapshot/beneath.h"
#include "watchdog/snapshot/manifest.h"

/* DIRECTORY/manifest.jsonl and DIRECTORY/content. Owned by the caller. */
char *tree_manifest_path(const char *directory);
char *tree_content_path(const char *directory);

/* -EINVAL when @directory, which must be there, lies in what is copied from @host_path: it would hold itself.
 */
int tree_check_apart(const char *host_path, const char *directory, struct error *err);

/* Puts the metadata of all directories of the manifest on those below @content, inner ones first. */
int tree_apply_directories(struct beneath *content, const struct manifest *manifest, struct error *err);
