/* Time. See clock.h. */

#include "watchdog/base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "watchdog/base/memory.h"

static usec_t clock_now(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (usec_t)now.tv_sec * USEC_PER_SEC + (usec_t)now.tv_nsec / 1000;
}

usec_t clock_realtime(void) {
    return clock_now(CLOCK_REALTIME);
}

usec_t clock_monotonic(void) {
    return clock_now(CLOCK_MONOTONIC);
}

usec_t clock_boottime(void) {
    return clock_now(CLOCK_BOOTTIME);
}

usec_t deadline_in(usec_t after) {
    usec_t now = clock_boottime();
    return after >= USEC_INFINITY - now ? USEC_INFINITY : now + after;
}

usec_t deadline_left(usec_t deadline) {
    usec_t now = clock_boottime();
    if (deadline == USEC_INFINITY)
        return USEC_INFINITY;
    return deadline > now ? deadline - now : 0;
}

int deadline_poll(usec_t deadline) {
    usec_t left = deadline_left(deadline);
    if (left == USEC_INFINITY)
        return -1;
    usec_t milliseconds = left / USEC_PER_MSEC + (left % USEC_PER_MSEC != 0);
    return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

int deadline_sleep(usec_t deadline, usec_t duration) {
    usec_t left = deadline_left(deadline);
    if (left == 0)
        return 0;
    usec_t until = deadline_in(duration < left ? duration : left);
    while (deadline_left(until) > 0)
        poll(NULL, 0, deadline_poll(until));
    return deadline_left(deadline) > 0;
}

char *timestamp_format(char text[TIMESTAMP_SIZE], usec_t realtime) {
    time_t seconds = (time_t)(realtime / USEC_PER_SEC);
    struct tm broken_down;
    gmtime_r(&seconds, &broken_down);
    strftime(text, TIMESTAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &broken_down);
    return text;
}

int timestamp_parse(const char *text, usec_t *ret_realtime) {
    struct tm broken_down = { 0 };
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &broken_down);
    if (!rest)
        return -EINVAL;
    usec_t fraction = 0, unit = USEC_PER_SEC / 10;
    if (*rest == '.') {
        for (rest++; isdigit((unsigned char)*rest); rest++, unit /= 10)
            fraction += (usec_t)(*rest - '0') * unit;
    }
    long offset = 0;
    if (*rest == 'Z') {
        rest++;
    } else if (*rest == '+' || *rest == '-') {
        int hours, minutes, used = 0;
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return -EINVAL;
        offset = (hours * 60L + minutes) * 60L * (*rest == '-' ? -1 : 1);
        rest += 6;
    } else {
        return -EINVAL;
    }
    time_t seconds = timegm(&broken_down);
    if (*rest || seconds - offset < 0)
        return -EINVAL;
    *ret_realtime = (usec_t)(seconds - offset) * USEC_PER_SEC + fraction;
    return 0;
}

static const struct {
    const char *name;
    usec_t size;
} units[] = {
    { "us", 1 },
    { "usec", 1 },
    { "ms", USEC_PER_MSEC },
    { "msec", USEC_PER_MSEC },
    { "s", USEC_PER_SEC },
    { "sec", USEC_PER_SEC },
    { "second", USEC_PER_SEC },
    { "seconds", USEC_PER_SEC },
    { "min", USEC_PER_MINUTE },
    { "m", USEC_PER_MINUTE },
    { "minute", USEC_PER_MINUTE },
    { "minutes", USEC_PER_MINUTE },
    { "h", USEC_PER_HOUR },
    { "hr", USEC_PER_HOUR },
    { "hour", USEC_PER_HOUR },
    { "hours", USEC_PER_HOUR },
    { "d", USEC_PER_DAY },
    { "day", USEC_PER_DAY },
    { "days", USEC_PER_DAY },
    { "w", 7 * USEC_PER_DAY },
    { "week", 7 * USEC_PER_DAY },
    { "weeks", 7 * USEC_PER_DAY },
};

static usec_t unit_find(const char *name, size_t size) {
    for (size_t i = 0; i < ELEMENTS(units); i++)
        if (strlen(units[i].name) == size && memcmp(units[i].name, name, size) == 0)
            return units[i].size;
    return 0;
}

char *duration_format(char text[DURATION_SIZE], usec_t duration) {
    if (duration == USEC_INFINITY)
        snprintf(text, DURATION_SIZE, "for ever");
    else if (duration < USEC_PER_SEC)
        snprintf(text, DURATION_SIZE, "%ums", (unsigned)(duration / USEC_PER_MSEC));
    else if (duration < USEC_PER_MINUTE && duration % USEC_PER_SEC == 0)
        snprintf(text, DURATION_SIZE, "%us", (unsigned)(duration / USEC_PER_SEC));
    else if (duration < USEC_PER_MINUTE)
        snprintf(text, DURATION_SIZE, "%.1fs", (double)duration / (double)USEC_PER_SEC);
    else {
        static const struct {
            const char *name;
            usec_t size;
        } parts[] = {
            { "d", USEC_PER_DAY }, { "h", USEC_PER_HOUR }, { "min", USEC_PER_MINUTE }, { "s", USEC_PER_SEC }
        };
        size_t used = 0, shown = 0;
        text[0] = '\0';
        for (size_t i = 0; i < ELEMENTS(parts) && shown < 2; i++) {
            usec_t count = duration / parts[i].size;
            if (count) {
                used += (size_t)snprintf(text + used, DURATION_SIZE - used, "%s%llu%s", used ? " " : "",
                                         (unsigned long long)count, parts[i].name);
                shown++;
            } else if (shown) {
                break;
            }
            duration %= parts[i].size;
        }
    }
    return text;
}

int duration_parse(const char *text, usec_t *ret, struct error *err) {
    static const char expected[] = "a time with its unit, such as 30s, 10min, 24h or 14d";
    usec_t total = 0;
    const char *at = text + strspn(text, " \t");
    if (string_equal(at, "0")) {
        *ret = 0;
        return 0;
    }
    if (!*at)
        return error_set(err, EINVAL, "empty, expected %s", expected);
    while (*at) {
        if (!isdigit((unsigned char)*at))
            return error_set(err, EINVAL, "\"%s\" is not %s", text, expected);
        usec_t number = 0;
        for (; isdigit((unsigned char)*at); at++)
            if (__builtin_mul_overflow(number, 10, &number) ||
                __builtin_add_overflow(number, (usec_t)(*at - '0'), &number))
                return error_set(err, EINVAL, "\"%s\" is too large", text);
        at += strspn(at, " \t");
        size_t size = 0;
        while (isalpha((unsigned char)at[size]))
            size++;
        usec_t unit = unit_find(at, size);
        if (!unit)
            return size ? error_set(err, EINVAL, "\"%s\" has the unknown unit \"%.*s\", expected %s", text,
                                    (int)size, at, expected)
                        : error_set(err, EINVAL, "\"%s\" has no unit, expected %s", text, expected);
        if (__builtin_mul_overflow(number, unit, &number) || __builtin_add_overflow(total, number, &total))
            return error_set(err, EINVAL, "\"%s\" is too large", text);
        at += size;
        at += strspn(at, " \t");
    }
    *ret = total;
    return 0;
}

void clock_boot_id(char text[37]) {
    memset(text, '0', 36);
    text[36] = '\0';
    _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, 36) != 36)
        memset(text, '0', 36);
}
