/* Logging drivers. See log-driver.h. */

#include "watchdog/docker/log-driver.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

/* At most: json-file's member names and time, and "<" as "\u003c". */
#define LINE_OVERHEAD 120
#define ESCAPED_MOST 6

/* As Docker reads "10m", "1.5g": decimal units. 0: unlimited, or nonsense that Docker would have refused. */
static uint64_t size_of(const char *text) {
    char *end;
    double number = strtod(text, &end), factor = 1;
    switch (tolower((unsigned char)*end)) {
    case 'k':
        factor = 1e3;
        break;
    case 'm':
        factor = 1e6;
        break;
    case 'g':
        factor = 1e9;
        break;
    default:
        break;
    }
    return number > 0 && number * factor < 1e18 ? (uint64_t)(number * factor) : 0;
}

static uint64_t count_of(const char *text) {
    long number = strtol(text, NULL, 10);
    return number > 0 ? (uint64_t)number : 1;
}

struct log_driver log_driver_of(const json_t *inspect) {
    const json_t *config = json_path(inspect, "HostConfig.LogConfig");
    const json_t *options = json_get_object(config, "Config");
    struct log_driver driver = { .name = json_get_string(config, "Type", "") };
    bool file = string_equal(driver.name, "json-file"), local = string_equal(driver.name, "local");
    driver.readable = true;
    if (file || local) {
        driver.size = size_of(json_get_string(options, "max-size", local ? "20m" : "-1"));
        driver.files = count_of(json_get_string(options, "max-file", local ? "5" : "1"));
    } else if (string_equal(driver.name, "none")) {
        driver.readable = false;
    } else if (*driver.name && !string_equal(driver.name, "journald")) {
        driver.readable = !string_equal(json_get_string(options, "cache-disabled", "false"), "true");
        driver.size = size_of(json_get_string(options, "cache-max-size", "20m"));
        driver.files = count_of(json_get_string(options, "cache-max-file", "5"));
    }
    return driver;
}

char *log_driver_problem(const json_t *inspect) {
    struct log_driver driver = log_driver_of(inspect);
    if (driver.readable)
        return NULL;
    if (string_equal(driver.name, "none"))
        return xstrdup("its logging driver \"none\" keeps nothing; give it \"json-file\", \"local\" or "
                       "\"journald\" (logging: in the Compose file), or leave it out of the probe with "
                       "Service=");
    return xasprintf(
        "its logging driver \"%s\" has cache-disabled=true, so Docker keeps no copy that could be "
        "read; take that option away, or leave it out of the probe with Service=",
        driver.name);
}

static double stored_at_most(const struct log_extent *extent) {
    return (double)extent->bytes * ESCAPED_MOST + (double)extent->lines * LINE_OVERHEAD;
}

/* Bytes that fit into @span at the rate of what was read. */
static double filled_in(const struct log_extent *extent, usec_t span) {
    usec_t seconds = extent->now > extent->first ? extent->now - extent->first : 0;
    if (seconds < USEC_PER_SEC / 10)
        seconds = USEC_PER_SEC / 10;
    return stored_at_most(extent) * (double)span / (double)seconds;
}

bool log_may_be_cut(const struct log_driver *driver, const struct log_extent *extent) {
    if (driver->size == 0 || extent->first == 0)
        return false;
    if (driver->files > 1)
        return stored_at_most(extent) >= (double)((driver->files - 1) * driver->size);
    usec_t before = extent->first > extent->began ? extent->first - extent->began : 0;
    return filled_in(extent, before) >= (double)driver->size;
}

bool log_rotates_within(const struct log_driver *driver, const struct log_extent *extent, usec_t span) {
    if (driver->size == 0 || extent->first == 0 || extent->began + span > extent->now)
        return false;
    uint64_t least = extent->bytes + extent->lines * (LINE_OVERHEAD / 2);
    double stored = (double)least;
    usec_t seen = extent->now > extent->first ? extent->now - extent->first : 1;
    return log_may_be_cut(driver, extent) &&
           stored * (double)span / (double)seen >= (double)(driver->files * driver->size);
}
