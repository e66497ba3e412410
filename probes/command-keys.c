/* Command=: words and files. See command.h. */

#include "probes/command.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int command_words(const char *line, char ***ret, struct error *err) {
    _cleanup_strings_ char **words = NULL;
    for (const char *at = line + strspn(line, " \t"); *at; at += strspn(at, " \t")) {
        _cleanup_buffer_ struct buffer word = { 0 };
        char quote = '\0';
        buffer_append(&word, "", 0);
        for (; *at && (quote || !strchr(" \t", *at)); at++) {
            if (!quote && strchr("'\"", *at)) {
                quote = *at;
            } else if (quote && *at == quote) {
                quote = '\0';
            } else if (*at == '\\' && quote != '\'') {
                if (!*++at)
                    return error_set(err, EINVAL, "expected a character behind the backslash at the end");
                buffer_append(&word, at, 1);
            } else {
                buffer_append(&word, at, 1);
            }
        }
        if (quote)
            return error_set(err, EINVAL, "expected another %c: one is not closed", quote);
        _cleanup_free_ char *text = buffer_take(&word);
        strings_append(&words, text);
    }
    *ret = take_ptr(words);
    return 0;
}

int key_command(const char *value, void *target, struct error *err) {
    char ***argv = target, **words = NULL;
    int r = command_words(value, &words, err);
    if (r < 0)
        return r;
    if (!words || *words[0] != '/') {
        strings_free(words);
        return error_set(err, EINVAL, "expected an absolute path and arguments, not \"%s\"", value);
    }
    if (strstr(value, "%{")) {
        strings_free(words);
        return error_set(err, EINVAL,
                         "expected no \"%%{name}\": arguments can be read by everybody; put it in "
                         "Environment= or Input=");
    }
    strings_free(*argv);
    *argv = words;
    return 0;
}

int key_environment(const char *value, void *target, struct error *err) {
    const char *equals = strchr(value, '=');
    bool good = equals && equals > value && !isdigit((unsigned char)*value);
    for (const char *at = value; good && at < equals; at++)
        good = isalnum((unsigned char)*at) || *at == '_';
    if (!good)
        return error_set(err, EINVAL, "expected \"NAME=value\", not \"%s\"", value);
    int r = placeholders_check(equals + 1, err);
    if (r >= 0)
        strings_append(target, value);
    return r;
}

int key_input(const char *value, void *target, struct error *err) {
    int r = placeholders_check(value, err);
    return r < 0 ? r : key_text(value, target, err);
}

static bool is_ours(const struct stat *status) {
    return status->st_uid == 0 || status->st_uid == geteuid();
}

int command_check_file(const char *path, struct error *err) {
    struct stat status, directory;
    const char *slash = strrchr(path, '/');
    _cleanup_free_ char *parent = slash > path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
    if (stat(path, &status) < 0 || stat(parent, &directory) < 0)
        return error_errno(err, errno, "\"%s\"", path);
    if (!S_ISREG(status.st_mode) || access(path, X_OK) < 0)
        return error_set(err, EACCES, "\"%s\": expected a file that can be executed", path);
    if (!is_ours(&status) || !is_ours(&directory))
        return error_set(err, EPERM, "\"%s\": expected that it and its directory belong to root", path);
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return error_set(err, EPERM, "\"%s\": expected that only its owner can write to it (chmod go-w)",
                         path);
    if ((directory.st_mode & S_IWOTH) && !(directory.st_mode & S_ISVTX))
        return error_set(err, EPERM, "\"%s\": expected a directory that not everybody can write to", path);
    return 0;
}
