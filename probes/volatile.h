#pragma once

/*
 * What of an answer changes although the release does not: ids, times, counters. Found by looking twice at
 * the running release, and then left out of every comparison.
 *
 * A place is a path, an array: a member's name, an index, or null for every index. An index is kept where the
 * element is a plain value (`["ok", 1700000000]`: the second one is a time), and is null where it is an
 * object or a list: what is a time in one row is a time in all.
 */

#include <jansson.h>
#include <stdbool.h>

/* Adds the paths at which two answers of the same release differ to the array @paths, each once. Where they
 * differ in more than 1,000 places it is the whole, the empty path. */
void volatile_find(const json_t *first, const json_t *second, json_t *paths);

/* Whether the path is among @paths (NULL: none). */
bool volatile_has(const json_t *paths, const json_t *path);

/*
 * Whether @now says what @baseline said, @paths (NULL: none) aside. Objects may have got more members: a
 * release may add to what it says. Returns false with @ret_where, owned by the caller: ".steps[1].status was
 * \"passed\", is null".
 */
bool volatile_same(const json_t *baseline, const json_t *now, const json_t *paths, char **ret_where);

/* The path as jq writes it, ".steps[].screenshot"; owned by the caller. */
char *volatile_show(const json_t *path);

/* A copy of @now in which the values at @paths are those of @baseline. New reference. */
json_t *volatile_settled(const json_t *now, const json_t *baseline, const json_t *paths);
