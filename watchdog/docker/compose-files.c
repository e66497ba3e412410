/* Which Compose files are in force. See compose-files.h. */

#include "watchdog/docker/compose-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

#define ENV_FILE_LIMIT ((size_t)1024 * 1024)

char *path_below(const char *directory, const char *path) {
    while (string_starts_with(path, "./") && path[2])
        path += 2;
    if (path[0] == '/')
        return xstrdup(path);
    return string_ends_with(directory, "/") ? xasprintf("%s%s", directory, path)
                                            : xasprintf("%s/%s", directory, path);
}

/* A quoted value, over lines too, up to the other quote. */
static bool quoted_read(const char *at, struct buffer *value) {
    char quote = *at;
    for (at++; *at && *at != quote; at++) {
        if (*at == '$' && quote == '"')
            return false;
        if (*at == '\\' && quote == '"' && at[1])
            at++;
        buffer_append(value, at, 1);
    }
    return true;
}

/* A plain one: to the end of its line, or to a # after a blank. */
static bool plain_read(const char *at, const char *end, struct buffer *value) {
    const char *stop = at;
    while (stop < end && !(*stop == '#' && (stop == at || stop[-1] == ' ' || stop[-1] == '\t')))
        stop++;
    while (stop > at && strchr(" \t\r", stop[-1]))
        stop--;
    buffer_append(value, at, (size_t)(stop - at));
    return !memchr(at, '$', (size_t)(stop - at));
}

static int value_read(const char *at, const char *end, char **ret) {
    _cleanup_buffer_ struct buffer value = { 0 };
    if (!(*at == '"' || *at == '\'' ? quoted_read(at, &value) : plain_read(at, end, &value)))
        return -ENOTSUP;
    replace_string(*ret, buffer_take(&value));
    return 1;
}

int compose_variable(const char *text, const char *name, char **ret) {
    _cleanup_free_ char *found = NULL;
    size_t length = strlen(name);
    int r = 0;
    if (string_starts_with(text, "\xef\xbb\xbf"))
        text += 3;
    for (const char *line = text; *line;) {
        const char *end = line + strcspn(line, "\n");
        line += strspn(line, " \t");
        if (string_starts_with(line, "export ") || string_starts_with(line, "export\t"))
            line += strlen("export ");
        line += strspn(line, " \t");
        if (strncmp(line, name, length) == 0) {
            const char *at = line + length + strspn(line + length, " \t");
            if (*at == '=' || *at == ':') {
                at++;
                r = value_read(at + strspn(at, " \t"), end, &found);
            }
        }
        line = *end ? end + 1 : end;
    }
    if (r == 1)
        *ret = take_ptr(found);
    return r;
}

/* The last of the files that has it counts. */
static int environment_variable(char *const *env_files, const char *name, char **ret, struct error *err) {
    int found = 0;
    for (size_t i = 0; env_files && env_files[i]; i++) {
        _cleanup_free_ char *text = NULL;
        int r = file_read(AT_FDCWD, env_files[i], ENV_FILE_LIMIT, &text, NULL, err);
        if (r < 0)
            return r;
        _cleanup_free_ char *value = NULL;
        r = compose_variable(text, name, &value);
        if (r == -ENOTSUP)
            return error_set(
                err, ENOTSUP,
                "\"%s\" makes %s of other variables, expected plain names; name the files by File= "
                "in [App]",
                env_files[i], name);
        if (r > 0) {
            replace_string(*ret, take_ptr(value));
            found = 1;
        }
    }
    return found;
}

static int first_existing(const char *directory, const char *const names[], char ***list) {
    for (size_t i = 0; names[i]; i++) {
        _cleanup_free_ char *path = path_below(directory, names[i]);
        if (access(path, F_OK) == 0) {
            strings_append(list, path);
            return 1;
        }
    }
    return 0;
}

int compose_files_find(const char *directory, char *const *env_files, char ***ret, int *ret_from_environment,
                       struct error *err) {
    static const char *const bases[] = { "compose.yaml", "compose.yml", "docker-compose.yml",
                                         "docker-compose.yaml", NULL };
    static const char *const overrides[] = { "compose.override.yml", "compose.override.yaml",
                                             "docker-compose.override.yml", "docker-compose.override.yaml",
                                             NULL };
    _cleanup_free_ char *names = NULL, *separator = NULL;
    _cleanup_strings_ char **files = NULL;
    int r = environment_variable(env_files, "COMPOSE_FILE", &names, err);
    if (r >= 0)
        r = environment_variable(env_files, "COMPOSE_PATH_SEPARATOR", &separator, err);
    if (r < 0)
        return r;
    *ret_from_environment = names && *names;
    if (*ret_from_environment) {
        const char *between = separator && *separator ? separator : ":";
        for (const char *at = names; at;) {
            const char *next = strstr(at, between);
            _cleanup_free_ char *name = next ? xstrndup(at, (size_t)(next - at)) : xstrdup(at);
            _cleanup_free_ char *path = path_below(directory, name);
            if (*name)
                strings_append(&files, path);
            at = next ? next + strlen(between) : NULL;
        }
    } else if (first_existing(directory, bases, &files)) {
        first_existing(directory, overrides, &files);
    }
    *ret = take_ptr(files);
    return 0;
}
