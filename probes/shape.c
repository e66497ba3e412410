/* Shapes of lines. See shape.h. */

#include "probes/shape.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_word(unsigned char letter) {
    return isalnum(letter) || letter == '_' || letter >= 0x80;
}

/* An error's code says what went wrong: one to four capitals and up to six digits (P3009), or an SQLSTATE
 * with a letter (42P07). */
static bool is_code(const char *word, size_t size) {
    size_t capitals = 0, digits = 0;
    while (capitals < size && isupper((unsigned char)word[capitals]))
        capitals++;
    while (capitals + digits < size && isdigit((unsigned char)word[capitals + digits]))
        digits++;
    if (capitals >= 1 && capitals <= 4 && digits <= 6 && capitals + digits == size)
        return true;
    bool letter = false;
    for (size_t i = 0; i < size; i++) {
        letter = letter || isupper((unsigned char)word[i]);
        if (!isupper((unsigned char)word[i]) && !isdigit((unsigned char)word[i]))
            return false;
    }
    return letter && size == 5;
}

/* A word that is an id or a number: any digit in it, or six or more hexadecimal digits. After another one, as
 * in a time or a UUID, a few of them are enough, and it is no error code. */
static bool is_id(const char *word, size_t size, bool follows_id) {
    bool digit = false, hexadecimal = follows_id || size >= 6;
    for (size_t i = 0; i < size; i++) {
        digit = digit || isdigit((unsigned char)word[i]);
        hexadecimal = hexadecimal && isxdigit((unsigned char)word[i]);
    }
    return (digit || hexadecimal) && (follows_id || !is_code(word, size));
}

static uint64_t hash_more(uint64_t hash, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

uint64_t line_shape(uint64_t begin, const char *text, size_t size) {
    uint64_t hash = begin;
    bool was_id = false;
    for (size_t at = 0; at < size;) {
        size_t word = 0;
        while (at + word < size && is_word((unsigned char)text[at + word]))
            word++;
        if (word > 0 && is_id(text + at, word, was_id)) {
            /* the parts of a time, a UUID, a version count as one */
            if (!was_id)
                hash = hash_more(hash, "#", 1);
            was_id = true;
            at += word;
            continue;
        }
        size_t part = word ? word : 1;
        bool joins = was_id && !word && strchr("-:.,+/", text[at]) && at + 1 < size &&
                     is_word((unsigned char)text[at + 1]);
        if (!joins) {
            hash = hash_more(hash, text + at, part);
            was_id = false;
        }
        at += part;
    }
    return hash_more(hash, "\n", 1);
}

void shape_format(uint64_t shape, char ret[SHAPE_SIZE]) {
    snprintf(ret, SHAPE_SIZE, "%016" PRIx64, shape);
}
