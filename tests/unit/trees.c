/* Trees for tests. See trees.h. */

#include "tests/unit/trees.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"

char *trees_scratch(const char *name) {
    const char *directory = getenv("UNIT_SCRATCH");
    char *path = xasprintf("%s/test-%s.XXXXXX", directory ? directory : "/var/tmp", name);
    if (!mkdtemp(path))
        abort();
    return path;
}

unsigned trees_rounds(unsigned usual) {
    const char *times = getenv("UNIT_ROUNDS");
    return times ? usual * (unsigned)atoi(times) : usual;
}

void trees_write(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        abort();
    close(fd);
}

/* POSIX ACL of version 2: owner rwx, user 1000 rw, group r, mask rw, others none. */
static const unsigned char acl[] = { 2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  6,
                                     0, 232, 3,   0,   0,   4,   0,  4, 0,   255, 255, 255, 255, 16, 0,
                                     6, 0,   255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255 };
/* CAP_NET_BIND_SERVICE permitted and effective, revision 2. */
static const unsigned char capability[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

static const char *const odd_names[] = {
    "plain", "with space", "\xC3\xA4\xC3\xB6", "\xFF\xFE-no-utf8", "line\nbreak",
    "-rf",   "%41",        "quo\"te\\back",    ".hidden",          "a",
    "a.b",   "a-b"
};

struct list {
    char **paths;
    size_t count;
};
static struct list *collecting;

static int collect(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status, (void)type, (void)where;
    collecting->paths = xrealloc(collecting->paths, collecting->count + 1, sizeof(char *));
    collecting->paths[collecting->count++] = xstrdup(path);
    return 0;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct list every_name(const char *path) {
    struct list list = { 0 };
    collecting = &list;
    nftw(path, collect, 64, FTW_PHYS);
    if (list.count > 1)
        qsort(list.paths, list.count, sizeof(char *), compare);
    return list;
}

static void list_done(struct list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
}

static const char *pick(const struct list *list, unsigned *seed, int directories) {
    for (int attempt = 0; attempt < 200; attempt++) {
        const char *path = list->paths[(size_t)rand_r(seed) % list->count];
        struct stat status;
        if (lstat(path, &status) == 0 && (directories ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode)))
            return path;
    }
    return NULL;
}

static char *new_name(const struct list *list, unsigned *seed) {
    const char *directory = pick(list, seed, 1);
    return xasprintf("%s/%s%d", directory, odd_names[(size_t)rand_r(seed) % ELEMENTS(odd_names)],
                     rand_r(seed) % 40);
}

static void write_random(const char *path, unsigned *seed) {
    int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat status;
    if (fd < 0)
        return;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) { /* a device or fifo has this name */
        close(fd);
        return;
    }
    char block[3000];
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (char)rand_r(seed);
    if (rand_r(seed) % 4 == 0) { /* a hole before, sometimes behind */
        if (pwrite(fd, block, 100, 1024 * 1024) != 100 ||
            (rand_r(seed) % 2 && ftruncate(fd, 3 * 1024 * 1024) < 0))
            abort();
    } else if (pwrite(fd, block, (size_t)rand_r(seed) % sizeof(block), 0) < 0) {
        abort();
    }
    close(fd);
}

static void set_random_attributes(const char *path, unsigned *seed) {
    struct stat status;
    if (lstat(path, &status) < 0)
        return;
    int r = lchown(path, (uid_t)(rand_r(seed) % 3) * 1000, (gid_t)(rand_r(seed) % 3) * 1000);
    if (!S_ISLNK(status.st_mode)) {
        static const mode_t modes[] = { 0644, 0600, 04755, 02775, 01777, 0, 0444 };
        r |= chmod(path, modes[(size_t)rand_r(seed) % ELEMENTS(modes)]);
        if (rand_r(seed) % 3 == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
            r |= setxattr(path, "user.note", path, (size_t)rand_r(seed) % strlen(path), 0);
        if (rand_r(seed) % 6 == 0 && S_ISREG(status.st_mode))
            r |= setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0);
        if (rand_r(seed) % 6 == 0 && S_ISDIR(status.st_mode))
            r |= setxattr(path, "system.posix_acl_default", acl, sizeof(acl), 0);
        if (rand_r(seed) % 6 == 0 && S_ISREG(status.st_mode))
            r |= setxattr(path, "security.capability", capability, sizeof(capability), 0);
    }
    const struct timespec times[2] = { { 1500000000 + rand_r(seed) % 1000, rand_r(seed) % 1000000000 },
                                       { rand_r(seed) % 1700000000 - 1000, rand_r(seed) % 1000000000 } };
    r |= utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW);
    if (r != 0)
        abort();
}

static void add_one(const struct list *list, unsigned *seed) {
    _cleanup_free_ char *path = new_name(list, seed);
    const char *file = pick(list, seed, 0);
    switch (rand_r(seed) % 10) {
    case 0:
    case 1:
        mkdir(path, 0755);
        break;
    case 2:
        symlink(rand_r(seed) % 2 ? "/etc/passwd" : "../../../outside", path);
        break;
    case 3:
        mkfifo(path, 0600);
        break;
    case 4:
        mknod(path, S_IFCHR | 0600, makedev(1, 3 + (unsigned)rand_r(seed) % 3));
        break;
    case 5:
        if (file)
            link(file, path);
        break;
    default:
        write_random(path, seed);
    }
    if (rand_r(seed) % 2)
        set_random_attributes(path, seed);
}

void trees_make(const char *path, unsigned seed, int names) {
    mkdir(path, 0755);
    for (int i = 0; i < names; i++) {
        struct list list = every_name(path);
        add_one(&list, &seed);
        list_done(&list);
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where) {
    (void)status, (void)type, (void)where;
    return remove(path);
}

static void mutate_one(const char *root, const struct list *list, unsigned *seed) {
    const char *victim = list->paths[(size_t)rand_r(seed) % list->count];
    const char *file = pick(list, seed, 0), *other = pick(list, seed, 0);
    struct stat status;
    if (lstat(victim, &status) < 0)
        return;
    _cleanup_free_ char *fresh = new_name(list, seed);
    switch (rand_r(seed) % 12) {
    case 0:
        if (strcmp(victim, root) != 0)
            nftw(victim, remove_one, 64, FTW_PHYS | FTW_DEPTH);
        break;
    case 1:
    case 2:
        if (file)
            write_random(file, seed);
        break;
    case 3: { /* the same contents under another inode, or other contents with the same size and time */
        if (!file || stat(file, &status) < 0)
            break;
        int fd = open(file, O_WRONLY | O_CLOEXEC);
        const struct timespec times[2] = { status.st_atim, status.st_mtim };
        if (fd < 0 || pwrite(fd, "X", status.st_size > 0, status.st_size / 2) < 0 || futimens(fd, times) < 0)
            abort();
        close(fd);
        break;
    }
    case 4:
        set_random_attributes(victim, seed);
        break;
    case 5:
        if (strcmp(victim, root) != 0)
            rename(victim, fresh);
        break;
    case 6: /* another type in its place */
        if (strcmp(victim, root) == 0)
            break;
        nftw(victim, remove_one, 64, FTW_PHYS | FTW_DEPTH);
        if (rand_r(seed) % 2)
            mkdir(victim, 0700);
        else
            symlink("/etc", victim);
        break;
    case 7: /* hard links made and broken */
        if (file)
            link(file, fresh);
        break;
    case 8:
        if (file && other && strcmp(file, other) != 0 && unlink(file) == 0)
            link(other, file);
        break;
    case 9: /* an exact copy under a new inode */
        if (file && !strchr(file, '\'')) {
            _cleanup_free_ char *twin = xasprintf("%s/twin", root);
            char *const arguments[] = { "cp", "-a", (char *)file, twin, NULL };
            pid_t pid = fork();
            if (pid == 0) {
                execvp("cp", arguments);
                _exit(127);
            }
            int exit_status;
            while (waitpid(pid, &exit_status, 0) < 0)
                ;
            rename(twin, file);
        }
        break;
    default:
        add_one(list, seed);
    }
}

void trees_mutate(const char *path, unsigned *seed, int count) {
    for (int i = 0; i < count; i++) {
        struct list list = every_name(path);
        mutate_one(path, &list, seed);
        list_done(&list);
    }
}

static void describe_xattrs(struct buffer *text, const char *path) {
    char names[4096], value[65536], digest[DIGEST_TEXT_SIZE];
    ssize_t size = llistxattr(path, names, sizeof(names));
    struct list list = { 0 };
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t value_size = lgetxattr(path, name, value, sizeof(value));
        list.paths = xrealloc(list.paths, list.count + 1, sizeof(char *));
        list.paths[list.count++] =
            xasprintf(" %s=%s", name, digest_memory(value, value_size < 0 ? 0 : (size_t)value_size, digest));
    }
    if (list.count > 1)
        qsort(list.paths, list.count, sizeof(char *), compare);
    for (size_t i = 0; i < list.count; i++)
        buffer_append(text, list.paths[i], strlen(list.paths[i]));
    list_done(&list);
}

char *trees_describe(const char *path) {
    struct buffer text = { 0 };
    struct list list = every_name(path);
    for (size_t i = 0; i < list.count; i++) {
        struct stat status, other;
        if (lstat(list.paths[i], &status) < 0)
            abort();
        if (S_ISSOCK(status.st_mode))
            continue;
        buffer_printf(&text, "%s: %o %u:%u %ld.%09ld", list.paths[i] + strlen(path), status.st_mode,
                      status.st_uid, status.st_gid, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
        char target[4096] = "", digest[DIGEST_TEXT_SIZE];
        if (S_ISLNK(status.st_mode) && readlink(list.paths[i], target, sizeof(target) - 1) > 0)
            buffer_printf(&text, " -> %s", target);
        if (S_ISREG(status.st_mode)) {
            if (digest_file(AT_FDCWD, list.paths[i], digest, NULL, NULL) < 0)
                abort();
            buffer_printf(&text, " %ld %s", status.st_size, digest);
        }
        if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
            buffer_printf(&text, " %lx", status.st_rdev);
        for (size_t j = 0; j < i && !S_ISDIR(status.st_mode) && status.st_nlink > 1; j++)
            if (lstat(list.paths[j], &other) == 0 && other.st_ino == status.st_ino) {
                buffer_printf(&text, " = %s", list.paths[j] + strlen(path));
                break;
            }
        describe_xattrs(&text, list.paths[i]);
        buffer_append(&text, "\n", 1);
    }
    list_done(&list);
    return buffer_take(&text);
}

char **trees_digests(const char *path) {
    char **digests = NULL;
    struct list list = every_name(path);
    for (size_t i = 0; i < list.count; i++) {
        struct stat status;
        char digest[DIGEST_TEXT_SIZE];
        if (lstat(list.paths[i], &status) == 0 && S_ISREG(status.st_mode) &&
            digest_file(AT_FDCWD, list.paths[i], digest, NULL, NULL) == 0)
            strings_append(&digests, digest);
    }
    list_done(&list);
    return digests;
}
