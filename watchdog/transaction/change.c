/* What kind of change a new version is. See change.h. */

#include "watchdog/transaction/change.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/memory.h"

/* The first three numbers of a version; returns how many there are. "22.04-lts" has two. */
static int numbers_of(const char *version, unsigned long numbers[3]) {
    int count = 0;
    if (*version == 'v' || *version == 'V')
        version++;
    while (count < 3 && isdigit((unsigned char)*version)) {
        char *end;
        numbers[count++] = strtoul(version, &end, 10);
        version = *end == '.' ? end + 1 : "";
    }
    return count;
}

const char *change_class(const char *from, const char *to) {
    unsigned long a[3] = { 0 }, b[3] = { 0 };
    if (!from || !to || !*from || !*to)
        return "digest";
    if (string_equal(from, to))
        return "none";
    if (numbers_of(from, a) < 2 || numbers_of(to, b) < 2)
        return "digest";
    if (a[0] != b[0])
        return "major";
    if (a[1] != b[1])
        return "minor";
    return a[2] != b[2] ? "patch" : "digest";
}
