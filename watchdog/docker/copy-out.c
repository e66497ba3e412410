/* One file out of a container, by the Engine's archive. See container.h. */

#include "watchdog/docker/container.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#include "watchdog/docker/transport.h"

#define LINKS_LIMIT 16

struct copy {
    struct buffer archive;
    size_t limit;
};

static int collect(void *userdata, const char *data, size_t size) {
    struct copy *copy = userdata;
    if (size > copy->limit - copy->archive.size)
        return -EFBIG;
    buffer_append(&copy->archive, data, size);
    return 0;
}

static int content_read(struct archive *archive, size_t limit, struct buffer *content) {
    for (;;) {
        char block[16384];
        ssize_t size = archive_read_data(archive, block, sizeof(block));
        if (size == 0)
            return 0;
        if (size < 0)
            return -EBADMSG;
        if ((size_t)size > limit - content->size)
            return -EFBIG;
        buffer_append(content, block, (size_t)size);
    }
}

/* The first entry. Returns 1 with its target when it is a symbolic link, 0 with its content, or -errno. */
static int entry_read(const struct buffer *data, size_t limit, struct buffer *content, char **ret_target) {
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    if (!archive)
        abort();
    int r = -EBADMSG;
    archive_read_support_format_tar(archive);
    if (archive_read_open_memory(archive, data->text, data->size) == ARCHIVE_OK &&
        archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        const char *target = archive_entry_symlink(entry);
        if (archive_entry_filetype(entry) == AE_IFLNK && target && *target) {
            *ret_target = xstrdup(target);
            r = 1;
        } else if (archive_entry_filetype(entry) == AE_IFREG) {
            r = content_read(archive, limit, content);
        } else {
            r = -EISDIR;
        }
    }
    archive_read_free(archive);
    return r;
}

/* Where a link at @path leads, within the container. */
static char *follow(const char *path, const char *target) {
    if (target[0] == '/')
        return xstrdup(target);
    const char *slash = strrchr(path, '/');
    return xasprintf("%.*s/%s", slash ? (int)(slash - path) : 0, path, target);
}

static int copy_once(struct engine *engine, const char *container, const char *path, size_t limit,
                     usec_t deadline, struct buffer *content, char **ret_target, struct error *err) {
    _cleanup_free_ char *name = url_escape(container), *escaped = url_escape(path);
    _cleanup_free_ char *address = xasprintf("/containers/%s/archive?path=%s", name, escaped);
    struct copy copy = { .limit = limit + 65536 }; /* the tar archive's own blocks */
    struct request request = {
        .method = "GET", .path = address, .on_data = collect, .userdata = &copy, .deadline = deadline
    };
    int r = transport_request(engine, &request, NULL, err);
    if (r == 0)
        r = entry_read(&copy.archive, limit, content, ret_target);
    buffer_done(&copy.archive);
    if (r == -EFBIG)
        return error_set(err, EFBIG, "\"%s\" in the container is larger than %zu bytes", path, limit);
    if (r == -EISDIR)
        return error_set(err, EISDIR, "\"%s\" in the container is no regular file", path);
    if (r == -EBADMSG)
        return error_set(err, EBADMSG, "Docker's archive of \"%s\" cannot be read", path);
    return r;
}

int engine_copy_file_out(struct engine *engine, const char *container, const char *path, size_t limit,
                         usec_t deadline, char **ret, size_t *ret_size, struct error *err) {
    _cleanup_free_ char *at = xstrdup(path);
    for (int links = 0; links < LINKS_LIMIT; links++) {
        _cleanup_buffer_ struct buffer content = { 0 };
        _cleanup_free_ char *target = NULL;
        int r = copy_once(engine, container, at, limit, deadline, &content, &target, err);
        if (r < 0)
            return r;
        if (r == 0) {
            if (ret_size)
                *ret_size = content.size;
            *ret = buffer_take(&content);
            return 0;
        }
        replace_string(at, follow(at, target));
    }
    return error_set(err, ELOOP, "\"%s\" in the container leads through too many symbolic links", path);
}
