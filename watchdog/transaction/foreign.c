/* Foreign Compose processes. See foreign.h. Nothing here is certain (a process may begin a moment later):
 * that is what the looks at the containers are for. */

#include "watchdog/transaction/foreign.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

#define COMMAND_LINE_LIMIT ((size_t)128 * 1024)

/* The parent of a process, 0 when it is gone (proc(5): the command may hold anything but is in parentheses).
 */
static pid_t parent_of(pid_t pid) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/stat", pid), *text = NULL;
    if (file_read(AT_FDCWD, path, 4096, &text, NULL, NULL) < 0)
        return 0;
    const char *rest = strrchr(text, ')');
    int parent = 0;
    char state;
    if (!rest || sscanf(rest + 1, " %c %d", &state, &parent) != 2)
        return 0;
    return parent;
}

/* A descendant of this process, or of the supervisor that it works for? */
static bool is_ours(pid_t pid, pid_t supervisor) {
    pid_t self = getpid();
    for (int depth = 0; pid > 1 && depth < 64; depth++, pid = parent_of(pid))
        if (pid == self || (supervisor > 1 && pid == supervisor))
            return true;
    return false;
}

/* A command line of Compose, up to its command. */
struct call {
    const char *command;             /* NULL: none, or it is no call of Compose */
    const char *project, *directory; /* NULL: not said */
    char **files;                    /* as written; NULL: not said */
};

static const char *last_component(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The options with a value that may stand before the command: those of docker and of docker compose. */
static bool takes_value(const char *option, size_t size) {
    static const char *const options[] = { "--ansi",
                                           "--config",
                                           "--context",
                                           "--env-file",
                                           "--file",
                                           "--host",
                                           "--log-level",
                                           "--parallel",
                                           "--profile",
                                           "--progress",
                                           "--project-directory",
                                           "--project-name",
                                           "--tlscacert",
                                           "--tlscert",
                                           "--tlskey",
                                           "--workdir",
                                           "-H",
                                           "-c",
                                           "-f",
                                           "-l",
                                           "-p" };
    for (size_t i = 0; i < ELEMENTS(options); i++)
        if (strlen(options[i]) == size && strncmp(option, options[i], size) == 0)
            return true;
    return false;
}

static void keep_option(struct call *call, const char *option, const char *value) {
    if (string_starts_with(option, "--project-name") || string_starts_with(option, "-p"))
        call->project = value;
    else if (string_starts_with(option, "--project-directory") || string_starts_with(option, "--workdir"))
        call->directory = value;
    else if (string_starts_with(option, "--file") || string_starts_with(option, "-f"))
        strings_append(&call->files, value);
}

/* Options as Docker's programs take them: "--file x", "--file=x", "-f x", "-f=x", "-fx". */
static void parse_words(char *const *words, bool is_docker, struct call *ret) {
    for (bool compose = false; *words; words++) {
        const char *word = *words;
        /* Docker starts its plug-in with this word too. */
        if (!compose && string_equal(word, "compose")) {
            compose = true;
            continue;
        }
        if (word[0] != '-') {
            ret->command = is_docker && !compose ? NULL : word;
            return;
        }
        size_t size = word[1] == '-' ? strcspn(word, "=") : strnlen(word, 2);
        if (!takes_value(word, size))
            continue;
        const char *value = word[size] == '=' ? word + size + 1 : word[size] ? word + size : *++words;
        if (!value)
            return;
        keep_option(ret, word, value);
    }
}

static void parse_call(char *const *words, struct call *ret) {
    const char *name = words && words[0] ? last_component(words[0]) : "";
    *ret = (struct call){ 0 };
    /* Compose v1 is a Python script. */
    if (string_starts_with(name, "python") && words[1])
        name = last_component(*++words);
    bool is_docker = string_equal(name, "docker");
    if (is_docker || string_equal(name, "docker-compose") || string_equal(name, "compose"))
        parse_words(words + 1, is_docker, ret);
}

/* Commands that change containers; `logs`, `ps`, `exec` and the like do not matter. */
static bool is_acting(const char *command) {
    static const char *const acting[] = { "up",   "start", "restart", "down", "stop",  "create",  "run",
                                          "kill", "rm",    "watch",   "pull", "pause", "unpause", "scale" };
    for (size_t i = 0; command && i < ELEMENTS(acting); i++)
        if (string_equal(command, acting[i]))
            return true;
    return false;
}

/* @path as seen from @place, without "." and "..", so that two names can be compared. */
static char *absolute(const char *place, const char *path) {
    _cleanup_free_ char *whole = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", place, path);
    char *plain = xstrdup("");
    char *rest = whole;
    for (char *part; (part = strsep(&rest, "/"));) {
        char *slash = strrchr(plain, '/');
        if (string_equal(part, "..") && slash)
            *slash = '\0';
        else if (*part && !string_equal(part, ".") && !string_equal(part, ".."))
            replace_string(plain, xasprintf("%s/%s", plain, part));
    }
    return plain;
}

static bool is_below(const char *place, const char *path, const char *directory) {
    _cleanup_free_ char *found = absolute(place, path), *wanted = absolute("", directory);
    return string_starts_with(found, wanted) &&
           (found[strlen(wanted)] == '\0' || found[strlen(wanted)] == '/');
}

/* In the order in which Compose itself decides: its name, else its directory, else its files, else where it
 * was typed. */
static bool is_of_project(const struct call *call, const char *place, const char *directory,
                          const char *project) {
    if (call->project)
        return string_equal(call->project, project);
    if (call->directory) {
        _cleanup_free_ char *found = absolute(place, call->directory), *wanted = absolute("", directory);
        return string_equal(found, wanted);
    }
    for (char **file = call->files; file && *file; file++)
        if (is_below(place, *file, directory))
            return true;
    return !call->files && string_equal(place, directory);
}

bool foreign_acts(char *const *words, const char *place, const char *directory, const char *project) {
    struct call call;
    parse_call(words, &call);
    bool acts = is_acting(call.command) && is_of_project(&call, place, directory, project);
    strings_free(call.files);
    return acts;
}

static char **words_of(const char *line, size_t size) {
    char **words = NULL;
    for (size_t at = 0; at < size; at += strlen(line + at) + 1)
        strings_append(&words, line + at);
    return words;
}

static bool acts_here(pid_t pid, char *const *words, const char *directory, const char *project) {
    _cleanup_free_ char *link = xasprintf("/proc/%d/cwd", pid);
    _cleanup_free_ char *real = realpath(directory, NULL);
    char place[4096];
    ssize_t size = readlink(link, place, sizeof(place) - 1);
    place[size > 0 ? size : 0] = '\0';
    /* By the name that it was given too: a file may be named through a symbolic link. */
    return foreign_acts(words, place, directory, project) ||
           (real && foreign_acts(words, place, real, project));
}

static void look_at(pid_t pid, const char *directory, const char *project, pid_t supervisor, char ***found) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", pid), *line = NULL;
    size_t size;
    if (file_read(AT_FDCWD, path, COMMAND_LINE_LIMIT, &line, &size, NULL) < 0 || size == 0)
        return;
    _cleanup_strings_ char **words = words_of(line, size);
    if (!acts_here(pid, words, directory, project) || is_ours(pid, supervisor))
        return;
    _cleanup_free_ char *text = strings_join(words, " ");
    strings_appendf(found, "process %d (%.120s)", pid, text);
}

char **foreign_compose(const char *directory, const char *project, pid_t supervisor) {
    char **found = NULL;
    DIR *proc = opendir("/proc");
    if (!proc)
        return NULL;
    for (struct dirent *entry; (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at((pid_t)strtol(entry->d_name, NULL, 10), directory, project, supervisor, &found);
    closedir(proc);
    return found;
}
