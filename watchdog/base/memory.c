/* Memory and ownership. See memory.h. */

#include "watchdog/base/memory.h"

#include <stdint.h>
#include <string.h>

static void *or_abort(void *memory) {
    if (!memory)
        abort();
    return memory;
}

void *xcalloc(size_t count, size_t size) {
    return or_abort(calloc(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *memory, size_t count, size_t size) {
    if (size && count > SIZE_MAX / size)
        abort();
    size_t bytes = count * size;
    return or_abort(realloc(memory, bytes > 0 ? bytes : 1));
}

char *xstrdup(const char *text) {
    return or_abort(strdup(text ? text : ""));
}

char *xstrndup(const char *text, size_t size) {
    return or_abort(strndup(text, size));
}

char *xvasprintf(const char *format, va_list arguments) {
    char *text;
    if (vasprintf(&text, format, arguments) < 0)
        abort();
    return text;
}

char *xasprintf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = xvasprintf(format, arguments);
    va_end(arguments);
    return text;
}

static void strings_append_owned(char ***list, char *text) {
    size_t count = strings_count(*list);
    *list = xrealloc(*list, count + 2, sizeof(char *));
    (*list)[count] = text;
    (*list)[count + 1] = NULL;
}

void strings_append(char ***list, const char *text) {
    strings_append_owned(list, xstrdup(text));
}

void strings_appendf(char ***list, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    strings_append_owned(list, xvasprintf(format, arguments));
    va_end(arguments);
}

size_t strings_count(char *const *list) {
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

int strings_contain(char *const *list, const char *text) {
    for (; list && *list; list++)
        if (string_equal(*list, text))
            return 1;
    return 0;
}

char *strings_join(char *const *list, const char *separator) {
    struct buffer joined = { 0 };
    for (size_t i = 0; list && list[i]; i++)
        buffer_printf(&joined, "%s%s", i ? separator : "", list[i]);
    return buffer_take(&joined);
}

void strings_free(char **list) {
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

void buffer_append(struct buffer *buffer, const void *data, size_t size) {
    if (size > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4)
        abort();
    if (buffer->size + size + 1 > buffer->capacity) {
        buffer->capacity = (buffer->size + size + 1) * 2;
        buffer->text = xrealloc(buffer->text, buffer->capacity, 1);
    }
    if (size)
        memcpy(buffer->text + buffer->size, data, size);
    buffer->size += size;
    buffer->text[buffer->size] = '\0';
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    buffer_append(buffer, text, strlen(text));
}

char *buffer_take(struct buffer *buffer) {
    char *text = buffer->text ? buffer->text : xstrdup("");
    *buffer = (struct buffer){ 0 };
    return text;
}

void buffer_done(struct buffer *buffer) {
    free(buffer->text);
    *buffer = (struct buffer){ 0 };
}

int string_starts_with(const char *text, const char *prefix) {
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

int string_ends_with(const char *text, const char *suffix) {
    size_t size = text ? strlen(text) : 0;
    return text && size >= strlen(suffix) && strcmp(text + size - strlen(suffix), suffix) == 0;
}

void cleanup_free(void *pointer_to_pointer) {
    free(*(void **)pointer_to_pointer);
}

void cleanup_close(const int *fd) {
    if (*fd >= 0)
        close(*fd);
}

void cleanup_file(FILE **file) {
    if (*file)
        fclose(*file);
}

void cleanup_strings(char ***list) {
    strings_free(*list);
}
