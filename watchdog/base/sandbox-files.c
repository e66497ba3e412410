/*
 * Landlock. It knows no exceptions: what is allowed is allowed with all that lies below. So everything that
 * lies beside a closed directory, and beside the directories above it, is allowed one by one. What comes to
 * be there later is not: a look does not live that long.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/sandbox-self.h"

/* All that the first version of Landlock (Linux 5.13) knows; newer rights are of no use to who can open
 * nothing for writing. */
#define HANDLED ((UINT64_C(1) << 13) - 1)
#define DIRECTORY_RIGHTS ((uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR))
#define FILE_RIGHTS ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)

bool sandbox_files_supported(void) {
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

/* A symbolic link needs no rule: what counts is where it leads. */
static void allow_at(int rules, int directory, const char *name) {
    _cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0 || S_ISLNK(status.st_mode))
        return;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(status.st_mode) ? DIRECTORY_RIGHTS : FILE_RIGHTS, .parent_fd = fd
    };
    syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* A closed directory, or one above it, gets no rule of its own. */
static bool is_beside(const char *path, char *const *closed) {
    size_t size = strlen(path);
    for (; *closed; closed++)
        if (strncmp(*closed, path, size) == 0 && ((*closed)[size] == '/' || (*closed)[size] == '\0'))
            return false;
    return true;
}

/* Every directory above a closed one, each once; "" is the root. */
static char **all_above(char *const *closed) {
    char **above = NULL;
    for (; *closed; closed++) {
        _cleanup_free_ char *path = xstrdup(*closed);
        for (char *slash; (slash = strrchr(path, '/'));) {
            *slash = '\0';
            if (!above || !strings_contain(above, path))
                strings_append(&above, path);
        }
    }
    return above;
}

static void allow_beside(int rules, const char *above, char *const *closed) {
    DIR *entries = opendir(*above ? above : "/");
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        _cleanup_free_ char *path = xasprintf("%s/%s", above, entry->d_name);
        if (!string_equal(entry->d_name, ".") && !string_equal(entry->d_name, "..") &&
            is_beside(path, closed))
            allow_at(rules, dirfd(entries), entry->d_name);
    }
    if (entries)
        closedir(entries);
}

/* Where they really are; what is not there needs no closing. */
static char **real_paths(char *const *paths) {
    char **real = NULL;
    for (; *paths; paths++) {
        _cleanup_free_ char *path = realpath(*paths, NULL);
        if (path)
            strings_append(&real, path);
    }
    return real;
}

int sandbox_files(char *const *closed, char *const *readable, struct error *err) {
    const struct landlock_ruleset_attr attributes = { .handled_access_fs = HANDLED };
    _cleanup_close_ int rules = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (rules < 0)
        return error_set(err, ENOTSUP, "this kernel has no Landlock: %s", strerror(errno));
    _cleanup_strings_ char **real = real_paths(closed), **files = readable ? real_paths(readable) : NULL;
    _cleanup_strings_ char **above = real ? all_above(real) : NULL;
    for (size_t i = 0; above && above[i]; i++)
        allow_beside(rules, above[i], real);
    if (!above)
        allow_at(rules, AT_FDCWD, "/");
    for (size_t i = 0; files && files[i]; i++)
        allow_at(rules, AT_FDCWD, files[i]);
    if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        return error_set(err, ENOTSUP, "files could not be closed: %s", strerror(errno));
    return 0;
}
