#pragma once

/*
 * Trees for tests: made and changed at random from a seed, and described by what is really on disk, in words
 * of their own: nothing here uses the code that is tested.
 */

#include <stddef.h>

/* A scratch directory under $UNIT_SCRATCH, or /var/tmp: /tmp may be a tmpfs without user.* attributes. Owned
 * by the caller. */
char *trees_scratch(const char *name);

/* @usual rounds of a test with seeds, times what UNIT_ROUNDS in the environment says. */
unsigned trees_rounds(unsigned usual);

void trees_write(const char *path, const char *text);
/* Makes a varied tree at @path: files, holes, links of both kinds, fifo, device, attributes, odd names. */
void trees_make(const char *path, unsigned seed, int names);
/* Changes it in @count random ways, as a bad release would. */
void trees_mutate(const char *path, unsigned *seed, int count);

/* Everything of a tree but times of access, ctime and inode numbers, as sorted lines. Owned by the caller. */
char *trees_describe(const char *path);
/* Contents' digests of all regular files below @path, as a NULL-ended list. Owned by the caller. */
char **trees_digests(const char *path);
