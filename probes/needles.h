#pragma once

/*
 * Which of many strings stand in a text, in one pass over it: Aho and Corasick, "Efficient string matching"
 * (CACM 1975), as a table of transitions. Patterns that name a string without which they cannot match are
 * only tried where it stands: a hundred of them cost what one does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NEEDLES_MOST 256

struct needles;

struct needles_found {
    uint64_t bits[NEEDLES_MOST / 64]; /* by their place in the list */
};

/* At most NEEDLES_MOST, none empty; the strings are not kept. Owned by the caller. */
struct needles *needles_new(const char *const *list, size_t count);
void needles_free(struct needles *needles);

/* Adds those in @text to @ret. Returns whether there are any. */
bool needles_find(const struct needles *needles, const char *text, size_t size, struct needles_found *ret);
static inline bool needles_has(const struct needles_found *found, size_t index) {
    return found->bits[index / 64] >> index % 64 & 1;
}
