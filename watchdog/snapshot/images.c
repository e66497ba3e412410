/* Archives of images. See images.h. */

#include "watchdog/snapshot/images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/compressed.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/docker/image.h"
#include "watchdog/snapshot/contents.h"
#include "watchdog/snapshot/document.h"
#include "watchdog/snapshot/store.h"

#define TAR_BLOCK 512
#define RECORD_LIMIT ((size_t)64 * 1024)

void image_archive_done(struct image_archive *archive) {
    free(archive->image_id);
    free(archive->path);
    free(archive->sha256);
    *archive = (struct image_archive){ 0 };
}

/* images/sha256-HEX, to which suffixes are added. */
static char *archive_base(const char *state, const char *image_id) {
    if (!string_starts_with(image_id, "sha256:") || !digest_valid(image_id + 7))
        return NULL;
    return xasprintf("%s/images/sha256-%s", state, image_id + 7);
}

static int bad_id(const char *image_id, struct error *err) {
    return error_set(err, EINVAL, "\"%s\" is no image id, expected sha256: and 64 digits", image_id);
}

int image_archive_find(const char *state, const char *image_id, struct image_archive *ret,
                       struct error *err) {
    _cleanup_free_ char *base = archive_base(state, image_id), *text = NULL;
    _cleanup_json_ json_t *record = NULL;
    struct stat status;
    size_t size;
    if (!base)
        return bad_id(image_id, err);
    _cleanup_free_ char *path = xasprintf("%s.json", base), *archive = xasprintf("%s.tar.zst", base);
    int r = file_read(AT_FDCWD, path, RECORD_LIMIT, &text, &size, err);
    if (r < 0)
        return r == -ENOENT ? error_set(err, ENOENT, "there is no archive of the image \"%s\"", image_id) : r;
    r = json_parse(text, size, path, &record, err);
    if (r < 0)
        return r;
    const char *sha256 = json_get_string(record, "sha256", "");
    json_int_t bytes = json_get_integer(record, "size", -1);
    if (bytes < 0 || !digest_valid(sha256))
        return error_set(err, EBADMSG, "\"%s\" is no record of an archive", path);
    if (stat(archive, &status) < 0)
        return error_errno(err, errno, "cannot look at the archive \"%s\"", archive);
    if (status.st_size != bytes)
        return error_set(err, EBADMSG, "the archive \"%s\" has %lld bytes, expected %lld", archive,
                         (long long)status.st_size, (long long)bytes);
    *ret = (struct image_archive){ .image_id = xstrdup(image_id),
                                   .path = take_ptr(archive),
                                   .size = (uint64_t)bytes,
                                   .uncompressed = (uint64_t)json_get_integer(record, "uncompressed", 0),
                                   .sha256 = xstrdup(sha256) };
    return 0;
}

struct saving {
    struct compressed_writer *writer;
    struct work work;
    char tail[2 * TAR_BLOCK]; /* the last bytes: a whole tar archive ends with two blocks of zeros */
    size_t tail_size;
    struct error *err;
};

static int save_block(void *userdata, const char *data, size_t size) {
    struct saving *saving = userdata;
    int r = compressed_write(saving->writer, data, size, saving->err);
    if (r < 0)
        return r;
    size_t kept = size >= sizeof(saving->tail)                      ? 0
                  : saving->tail_size + size > sizeof(saving->tail) ? sizeof(saving->tail) - size
                                                                    : saving->tail_size;
    size_t fresh = size < sizeof(saving->tail) ? size : sizeof(saving->tail);
    memmove(saving->tail, saving->tail + saving->tail_size - kept, kept);
    memcpy(saving->tail + kept, data + size - fresh, fresh);
    saving->tail_size = kept + fresh;
    return work_add(&saving->work, 0, size, saving->err);
}

static bool tar_is_whole(const struct saving *saving) {
    for (size_t i = 0; i < saving->tail_size; i++)
        if (saving->tail[i])
            return false;
    return saving->tail_size == sizeof(saving->tail) &&
           compressed_writer_bytes(saving->writer) % TAR_BLOCK == 0;
}

static int save(const char *partial, struct engine *engine, const char *image_id, const struct tree_run *run,
                struct compressed_file *ret, struct error *err) {
    _cleanup_compressed_writer_ struct compressed_writer *writer = NULL;
    char *const images[] = { (char *)image_id, NULL };
    int r = durable_unlink(AT_FDCWD, partial, err);
    if (r < 0 || (r = compressed_writer_new(AT_FDCWD, partial, 0600, &writer, err)) < 0)
        return r;
    _cleanup_error_ struct error inner = ERROR_NONE;
    struct saving saving = { .writer = writer, .work = { .run = run }, .err = &inner };
    r = engine_image_save(engine, images, save_block, &saving, run ? run->deadline : USEC_INFINITY, err);
    if (r < 0 && inner.number) /* ours came first, and says more */
        return error_move(err, &inner);
    if (r < 0)
        return r;
    work_end(&saving.work);
    if (!tar_is_whole(&saving))
        return error_set(err, EPROTO, "what Docker gave of the image \"%s\" is no whole tar archive",
                         image_id);
    return compressed_finish(writer, ret, err);
}

static int write_record(const char *base, const char *image_id, const struct compressed_file *file,
                        struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s.json", base);
    _cleanup_json_ json_t *record =
        json_pack("{s:s, s:I, s:I, s:s}", "image_id", image_id, "size", (json_int_t)file->compressed,
                  "uncompressed", (json_int_t)file->bytes, "sha256", file->sha256);
    _cleanup_free_ char *text = json_text(record);
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

/* An archive is made once and then relied on for as long as the image is in use: it is read each time. */
static int find_whole(const char *state, const char *image_id, const struct tree_run *run,
                      struct image_archive *ret, struct error *err) {
    _cleanup_error_ struct error damaged = ERROR_NONE;
    int r = image_archive_find(state, image_id, ret, &damaged);
    if (r >= 0 && (r = image_archive_check(ret, run, &damaged)) < 0)
        image_archive_done(ret);
    if (r == -EBADMSG || r == -EIO)
        r = -ENOENT;
    return r >= 0 || r == -ENOENT ? r : error_move(err, &damaged);
}

int image_archive_make(const char *state, struct engine *engine, const char *image_id,
                       const struct tree_run *run, struct image_archive *ret, struct error *err) {
    _cleanup_free_ char *base = archive_base(state, image_id);
    if (!base)
        return bad_id(image_id, err);
    int r = find_whole(state, image_id, run, ret, err);
    if (r != -ENOENT)
        return r;
    struct image image = { 0 };
    r = engine_image(engine, image_id, run ? run->deadline : USEC_INFINITY, &image, err);
    if (r < 0)
        return r;
    image_done(&image);
    _cleanup_free_ char *directory = xasprintf("%s/images", state);
    _cleanup_free_ char *partial = xasprintf("%s.partial", base), *archive = xasprintf("%s.tar.zst", base),
                        *record = xasprintf("%s.json", base);
    struct compressed_file file;
    r = durable_mkdir(directory, 0700, err);
    if (r < 0 || (r = durable_unlink(AT_FDCWD, record, err)) < 0)
        return r;
    r = save(partial, engine, image_id, run, &file, err);
    if (r < 0) {
        error_prefix(err, "cannot archive the image \"%s\"", image_id);
        return r;
    }
    r = durable_rename(AT_FDCWD, partial, AT_FDCWD, archive, err);
    if (r < 0 || (r = write_record(base, image_id, &file, err)) < 0)
        return r;
    r = image_archive_find(state, image_id, ret, err);
    if (r >= 0)
        ret->made = true;
    return r;
}

int image_archive_check(const struct image_archive *archive, const struct tree_run *run, struct error *err) {
    struct work work = { .run = run };
    char digest[MANIFEST_DIGEST_SIZE];
    _cleanup_close_ int fd = open(archive->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", archive->path);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    int r = contents_digest(fd, &work, digest, err);
    if (r < 0) {
        error_prefix(err, "\"%s\"", archive->path);
        return r;
    }
    if (strcmp(digest, archive->sha256) != 0)
        return error_set(err, EBADMSG, "the archive \"%s\" is not what was written: its checksum is another",
                         archive->path);
    return 0;
}

struct loading {
    struct compressed_reader *reader;
    struct work work;
    struct error *err;
};

static int load_block(void *userdata, char *data, size_t size) {
    struct loading *loading = userdata;
    ssize_t got = compressed_read(loading->reader, data, size, loading->err);
    int r = got < 0 ? (int)got : work_add(&loading->work, 0, (uint64_t)got, loading->err);
    return r < 0 ? r : (int)got;
}

int image_archive_load(const struct image_archive *archive, struct engine *engine, const struct tree_run *run,
                       struct error *err) {
    _cleanup_compressed_reader_ struct compressed_reader *reader = NULL;
    _cleanup_error_ struct error inner = ERROR_NONE;
    /* The whole file first: Docker would keep layers of a damaged one. */
    int r = image_archive_check(archive, run, err);
    if (r < 0 || (r = compressed_reader_new(AT_FDCWD, archive->path, &reader, err)) < 0)
        return r;
    struct loading loading = { .reader = reader, .work = { .run = run }, .err = &inner };
    r = engine_image_load(engine, load_block, &loading, run ? run->deadline : USEC_INFINITY, NULL, err);
    if (r < 0 && inner.number)
        error_move(err, &inner);
    work_end(&loading.work);
    if (r < 0)
        error_prefix(err, "cannot load the archive \"%s\"", archive->path);
    return r < 0 ? r : 0;
}

static bool is_needed(const char *name, char *const *needed) {
    _cleanup_free_ char *hex = string_starts_with(name, "sha256-") ? xstrndup(name + 7, 64) : NULL;
    _cleanup_free_ char *id = xasprintf("sha256:%s", hex ? hex : "");
    return hex && !string_ends_with(name, ".partial") && !string_ends_with(name, ".new") &&
           strings_contain(needed, id);
}

int image_archives_collect(const char *state, char *const *needed, struct error *err) {
    _cleanup_free_ char *path = xasprintf("%s/images", state);
    _cleanup_strings_ char **over = NULL;
    DIR *directory = opendir(path);
    if (!directory)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot open \"%s\"", path);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (string_starts_with(entry->d_name, "sha256-") && !is_needed(entry->d_name, needed))
            strings_append(&over, entry->d_name);
    int r = 0;
    for (char **name = over; r >= 0 && name && *name; name++)
        r = durable_unlink(dirfd(directory), *name, err);
    closedir(directory);
    return r < 0 ? r : 0;
}

int image_archives_needed(const char *state, const char *app, char ***needed, struct error *err) {
    struct snapshot **list;
    size_t count;
    int r = snapshots_list(state, app, &list, &count, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        size_t j;
        json_t *entry;
        _cleanup_json_ json_t *document = NULL;
        _cleanup_free_ char *path = xasprintf("%s/snapshot.json", list[i]->directory);
        /* Also of one whose files are not whole: its dump may still be needed. */
        if (document_read(path, &document, NULL) < 0)
            continue;
        json_array_foreach(json_get_array(document, "images"), j, entry) {
            const char *id = json_get_string(entry, "image_id", "");
            if (!strings_contain(*needed, id))
                strings_append(needed, id);
        }
    }
    snapshots_free(list, count);
    return 0;
}
