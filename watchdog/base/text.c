/* Text from outside. See text.h. */

#include "watchdog/base/text.h"

#include <string.h>
#include <ctype.h>

#include "watchdog/base/memory.h"

/* Longer names are nobody's typing error. */
#define NEAREST_LIMIT 64

size_t utf8_decode(const char *text, size_t size, uint32_t *ret) {
    if (size == 0)
        return 0;
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0x80   ? 1
                    : first < 0xC2 ? 0
                    : first < 0xE0 ? 2
                    : first < 0xF0 ? 3
                    : first < 0xF5 ? 4
                                   : 0;
    if (length == 0 || length > size)
        return 0;
    uint32_t character = length == 1 ? first : first & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        unsigned char next = (unsigned char)text[i];
        if ((next & 0xC0) != 0x80)
            return 0;
        character = character << 6 | (next & 0x3F);
    }
    static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (character < smallest[length] || character > 0x10FFFF || (character >= 0xD800 && character <= 0xDFFF))
        return 0;
    if (ret)
        *ret = character;
    return length;
}

int utf8_valid(const char *text, size_t size) {
    for (size_t at = 0, length; at < size; at += length) {
        length = utf8_decode(text + at, size - at, NULL);
        if (length == 0)
            return 0;
    }
    return 1;
}

static int is_harmful(uint32_t character) {
    return character < 0x20 || (character >= 0x7F && character < 0xA0) || character == 0x2028 ||
           character == 0x2029 || character == 0x200E || character == 0x200F || character == 0x61C ||
           (character >= 0x202A && character <= 0x202E) || (character >= 0x2066 && character <= 0x2069);
}

char *text_harmless(const char *text, int lines) {
    struct buffer shown = { 0 };
    size_t left = strlen(text);
    for (size_t length; left > 0; text += length, left -= length) {
        uint32_t character = 0;
        length = utf8_decode(text, left, &character);
        if (length == 0) {
            length = 1;
            buffer_printf(&shown, "\\x%02x", (unsigned char)*text);
        } else if (character == '\t') {
            buffer_append(&shown, " ", 1);
        } else if (character == '\n') {
            buffer_append(&shown, lines ? "\n" : "\\n", lines ? 1 : 2);
        } else if (is_harmful(character)) {
            buffer_printf(&shown, character < 0x80 ? "\\x%02x" : "\\u{%04x}", character);
        } else {
            buffer_append(&shown, text, length);
        }
    }
    return buffer_take(&shown);
}

/* Levenshtein's distance, where upper and lower case are the same. */
static size_t distance_between(const char *a, const char *b) {
    size_t row[NEAREST_LIMIT + 1];
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > NEAREST_LIMIT || b_size > NEAREST_LIMIT)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t above = row[j];
            size_t best = diagonal + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            if (above + 1 < best)
                best = above + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[b_size];
}

void nearest_consider(struct nearest *nearest, const char *candidate) {
    size_t distance = distance_between(nearest->wanted, candidate);
    size_t tolerated = strlen(nearest->wanted) / 3 + 1;
    if (distance > tolerated || distance >= strlen(candidate) ||
        (nearest->best && distance >= nearest->distance))
        return;
    nearest->best = candidate;
    nearest->distance = distance;
}
