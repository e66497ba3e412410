/* Secrets. See credentials.h. */

#include "watchdog/config/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/config/value.h"

void credential_free(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void cleanup_credential(char **secret) {
    credential_free(*secret);
}

static int is_foreign(const struct stat *status) {
    return status->st_uid != 0 && status->st_uid != geteuid();
}

static int check_secrecy(int fd, const char *path, int by_systemd, struct error *err) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return error_errno(err, errno, "cannot look at the credential \"%s\"", path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, EINVAL, "the credential \"%s\" is not a regular file", path);
    if (is_foreign(&status))
        return error_set(err, EPERM,
                         "the credential \"%s\" belongs to user %u, expected root: chown root \"%s\"", path,
                         status.st_uid, path);
    /* systemd's own files are 0440 where it could not use an ACL, in a directory that nobody else enters */
    mode_t forbidden = by_systemd ? S_IRWXO | S_IWGRP : S_IRWXO | S_IRWXG;
    if (status.st_mode & forbidden)
        return error_set(err, EPERM,
                         "the credential \"%s\" has mode %04o, expected 0600, others have a right to it: "
                         "chmod 600 \"%s\"",
                         path, status.st_mode & 07777, path);
    return 0;
}

/* Who can write to a directory can put another file in the place of what lies there; with the sticky bit only
 * into it (/tmp). */
static int check_directory(const char *directory, const char *path, struct error *err) {
    struct stat status;
    if (stat(directory, &status) < 0)
        return error_errno(err, errno, "cannot look at the directory \"%s\" of the credential \"%s\"",
                           directory, path);
    if (is_foreign(&status))
        return error_set(err, EPERM,
                         "the directory \"%s\" above the credential \"%s\" belongs to user %u, who could put "
                         "another in its place: chown root \"%s\"",
                         directory, path, status.st_uid, directory);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) && !(status.st_mode & S_ISVTX))
        return error_set(err, EPERM,
                         "the directory \"%s\" above the credential \"%s\" has mode %04o, others could put "
                         "another in its place: chmod go-w \"%s\"",
                         directory, path, status.st_mode & 07777, directory);
    return 0;
}

/* Every directory above @file, from the nearest to the root; @path is for the error. */
static int check_above(const char *file, const char *path, struct error *err) {
    _cleanup_free_ char *directory = xstrdup(file);
    int r = 0;
    for (char *slash; r == 0 && (slash = strrchr(directory, '/'));) {
        *slash = '\0';
        r = check_directory(*directory ? directory : "/", path, err);
    }
    return r;
}

/* As it is written, and where symbolic links have led to. */
static int check_place(int fd, const char *path, struct error *err) {
    _cleanup_free_ char *opened = xasprintf("/proc/self/fd/%d", fd), *real = realpath(opened, NULL);
    if (!real)
        return error_errno(err, errno, "cannot find out where the credential \"%s\" lies", path);
    int r = check_above(path, path, err);
    return r < 0 ? r : check_above(real, path, err);
}

static int read_secret(int fd, const char *path, char **ret, struct error *err) {
    /* one buffer of fixed size: none that grows leaves copies behind */
    char *secret = xcalloc(1, CREDENTIAL_LIMIT + 2);
    size_t size = 0;
    ssize_t got = 0;
    while (size <= CREDENTIAL_LIMIT && (got = read(fd, secret + size, CREDENTIAL_LIMIT + 1 - size)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        size += (size_t)got;
    }
    int r = 0;
    if (got < 0)
        r = error_errno(err, errno, "cannot read the credential \"%s\"", path);
    else if (size > CREDENTIAL_LIMIT)
        r = error_set(err, EINVAL, "the credential \"%s\" is longer than %d bytes", path, CREDENTIAL_LIMIT);
    else if (memchr(secret, '\0', size))
        r = error_set(err, EINVAL, "the credential \"%s\" holds a NUL byte, expected text", path);
    if (r < 0) {
        explicit_bzero(secret, CREDENTIAL_LIMIT + 2);
        free(secret);
        return r;
    }
    if (size > 0 && secret[size - 1] == '\n')
        secret[--size] = '\0';
    *ret = xstrndup(secret, size);
    explicit_bzero(secret, CREDENTIAL_LIMIT + 2);
    free(secret);
    return 0;
}

static int read_at(const char *path, int by_systemd, char **ret, struct error *err) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return -ENOENT;
    if (fd < 0)
        return error_errno(err, errno, "cannot open the credential \"%s\"", path);
    int r = check_secrecy(fd, path, by_systemd, err);
    if (r == 0 && !by_systemd)
        r = check_place(fd, path, err);
    return r < 0 ? r : read_secret(fd, path, ret, err);
}

int credential_read(const struct settings *settings, const char *name, char **ret, struct error *err) {
    if (!value_is_name(name))
        return error_set(
            err, EINVAL,
            "\"%s\" is not the name of a credential, expected letters, digits, \"-\", \"_\" and \".\"", name);
    _cleanup_free_ char *own =
        xasprintf("%s/credentials/%s/%s", settings->config_directory, settings->app, name);
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    if (directory && *directory) {
        _cleanup_free_ char *path = xasprintf("%s/%s", directory, name);
        int r = read_at(path, 1, ret, err);
        if (r != -ENOENT)
            return r;
    }
    int r = read_at(own, 0, ret, err);
    if (r == -ENOENT)
        return error_set(err, ENOENT, "there is no credential \"%s\", expected it from systemd or in \"%s\"",
                         name, own);
    return r;
}

static const struct credential *find(const struct credentials *credentials, const char *name) {
    for (size_t i = 0; i < credentials->count; i++)
        if (string_equal(credentials->list[i].name, name))
            return &credentials->list[i];
    return NULL;
}

void credentials_add(struct credentials *credentials, const struct settings *settings, const char *name) {
    if (find(credentials, name))
        return;
    credentials->list = xrealloc(credentials->list, credentials->count + 1, sizeof(*credentials->list));
    struct credential *credential = &credentials->list[credentials->count++];
    *credential = (struct credential){ .name = xstrdup(name) };
    credential_read(settings, name, &credential->value, &credential->error);
}

int credentials_get(const struct credentials *credentials, const char *name, char **ret, struct error *err) {
    const struct credential *credential = find(credentials, name);
    if (!credential)
        return error_set(err, ENOENT, "there is no value for \"%%{%s}\"", name);
    if (!credential->value)
        return error_set(err, credential->error.number, "%s", error_text(&credential->error));
    *ret = xstrdup(credential->value);
    return 0;
}

void credentials_done(struct credentials *credentials) {
    for (size_t i = 0; i < credentials->count; i++) {
        free(credentials->list[i].name);
        credential_free(credentials->list[i].value);
        error_done(&credentials->list[i].error);
    }
    free(credentials->list);
    *credentials = (struct credentials){ 0 };
}
