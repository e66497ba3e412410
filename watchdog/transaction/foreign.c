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

/* The worker's parent is the supervisor: whatever descends from it is ours. */
static bool is_ours(pid_t pid) {
    pid_t supervisor = getppid(), self = getpid();
    for (int depth = 0; pid > 1 && depth < 64; depth++, pid = parent_of(pid))
        if (pid == self || (supervisor > 1 && pid == supervisor))
            return true;
    return false;
}

/* Words that change containers; `logs`, `ps`, `config` and the like do not matter. */
static bool is_acting(char *const *words) {
    static const char *const acting[] = { "up",  "start", "restart", "down",  "stop", "create",
                                          "run", "kill",  "rm",      "watch", "pull", "unpause" };
    for (size_t i = 0; i < ELEMENTS(acting); i++)
        if (strings_contain(words, acting[i]))
            return true;
    return false;
}

static bool is_compose(char *const *words) {
    if (!words || !words[0])
        return false;
    const char *slash = strrchr(words[0], '/'), *name = slash ? slash + 1 : words[0];
    if (string_equal(name, "docker-compose") || string_equal(name, "compose"))
        return true;
    if (string_equal(name, "docker") && strings_contain(words, "compose"))
        return true;
    /* Compose v1 is a Python script. */
    slash = words[1] ? strrchr(words[1], '/') : NULL;
    return string_starts_with(name, "python") && words[1] &&
           string_equal(slash ? slash + 1 : words[1], "docker-compose");
}

static bool is_of_project(pid_t pid, char *const *words, const char *directory, const char *project) {
    _cleanup_free_ char *link = xasprintf("/proc/%d/cwd", pid);
    _cleanup_free_ char *real = realpath(directory, NULL);
    const char *wanted = real ? real : directory;
    char place[4096];
    ssize_t size = readlink(link, place, sizeof(place) - 1);
    place[size > 0 ? size : 0] = '\0';
    if (string_equal(place, wanted))
        return true;
    for (; *words; words++)
        if (string_equal(*words, project) || strstr(*words, wanted) || strstr(*words, directory))
            return true;
    return false;
}

static char **words_of(const char *line, size_t size) {
    char **words = NULL;
    for (size_t at = 0; at < size; at += strlen(line + at) + 1)
        strings_append(&words, line + at);
    return words;
}

static void look_at(pid_t pid, const char *directory, const char *project, char ***found) {
    _cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", pid), *line = NULL;
    size_t size;
    if (file_read(AT_FDCWD, path, COMMAND_LINE_LIMIT, &line, &size, NULL) < 0 || size == 0)
        return;
    _cleanup_strings_ char **words = words_of(line, size);
    if (!is_compose(words) || !is_acting(words) || !is_of_project(pid, words, directory, project) ||
        is_ours(pid))
        return;
    _cleanup_free_ char *text = strings_join(words, " ");
    strings_appendf(found, "process %d (%.120s)", pid, text);
}

char **foreign_compose(const char *directory, const char *project) {
    char **found = NULL;
    DIR *proc = opendir("/proc");
    if (!proc)
        return NULL;
    for (struct dirent *entry; (entry = readdir(proc));)
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at((pid_t)strtol(entry->d_name, NULL, 10), directory, project, &found);
    closedir(proc);
    return found;
}
