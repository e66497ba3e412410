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

/* Fills real_path and file_system of the manifest from its host_path. */
int tree_note_place(struct manifest *manifest, struct error *err);

/* Is what @host_path leads to still the place that the manifest is of? -ENXIO where its file system is not
 * mounted (what is there then only looks emptied) or is hidden by another one, -ESTALE where a symbolic link
 * leads elsewhere. A manifest that does not say is not compared, nor one of another @host_path: somebody
 * moved the application. */
int tree_check_place(const struct manifest *manifest, const char *host_path, struct error *err);

/* Puts the metadata of all directories of the manifest on those below @content, inner ones first. */
int tree_apply_directories(struct beneath *content, const struct manifest *manifest, struct error *err);
