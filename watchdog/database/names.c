/* Names of our databases. See names.h. */

#include "watchdog/database/names.h"

#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"

#define HASH_DIGITS 8

/* The most bytes of @text, at most @limit, that end between two characters of UTF-8. */
static size_t cut(const char *text, size_t limit) {
    size_t size = strnlen(text, limit + 1);
    if (size <= limit)
        return size;
    size = limit;
    while (size > 0 && ((unsigned char)text[size] & 0xC0) == 0x80)
        size--;
    return size;
}

char *database_name_make(const char *database, const char *word, const char *id, unsigned attempt) {
    _cleanup_free_ char *suffix =
        attempt > 1 ? xasprintf("_%s_%s_%u", word, id, attempt) : xasprintf("_%s_%s", word, id);
    for (char *at = suffix; *at; at++)
        if (*at == '-')
            *at = '_';
    if (strlen(database) + strlen(suffix) <= DATABASE_NAME_LIMIT)
        return xasprintf("%s%s", database, suffix);
    char digest[DIGEST_TEXT_SIZE];
    digest_memory(database, strlen(database), digest);
    digest[HASH_DIGITS] = '\0';
    size_t taken = strlen(suffix) + HASH_DIGITS + 1;
    size_t left = taken < DATABASE_NAME_LIMIT ? DATABASE_NAME_LIMIT - taken : 0;
    return xasprintf("%.*s_%s%s", (int)cut(database, left), database, digest, suffix);
}

char *database_mark_make(const char *id) {
    char digits[33];
    random_text(digits, 16);
    return xasprintf("upgrade-watchdog/%s %s", id, digits);
}
