#pragma once

/* Inside this directory only: which Compose files are in force in a directory, found as Compose finds them
 * (compose-go's WithDefaultConfigPath and WithConfigFileEnv; only, parents of the directory are not looked
 * at). */

#include <stddef.h>

#include "watchdog/base/error.h"

/*
 * @ret: absolute paths in order, owned by the caller, NULL when there are none. @ret_from_environment:
 * COMPOSE_FILE= in one of @env_files (absolute paths, NULL-ended) named them. Returns 0, -ENOTSUP when its
 * value is made of other variables, or the error of a file that cannot be read.
 */
int compose_files_find(const char *directory, char *const *env_files, char ***ret, int *ret_from_environment,
                       struct error *err);

/*
 * Pure: the value of a variable in an environment file (docs.docker.com, "Syntax for environment files"): the
 * last assignment counts, quotes are taken off. Returns 1 with @ret owned by the caller, 0 when it is not
 * there, -ENOTSUP when the value contains a variable itself.
 */
int compose_variable(const char *text, const char *name, char **ret);

/* @path as it is when absolute, else below @directory; no symbolic link is resolved. Owned by the caller. */
char *path_below(const char *directory, const char *path);
