#pragma once

/*
 * Memory and ownership: cleanup attributes, handing over, and allocation that aborts when there is none
 * (every step of the program can be repeated, so an abort is a crash like any other).
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

void *xcalloc(size_t count, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *memory, size_t count, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((returns_nonnull)); /* NULL gives "" */
char *xstrndup(const char *text, size_t size) __attribute__((returns_nonnull));
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
char *xvasprintf(const char *format, va_list arguments)
    __attribute__((format(printf, 1, 0), returns_nonnull));

/* A NULL-ended list of strings, owned: append copies @text; the list may start as NULL. */
void strings_append(char ***list, const char *text);
void strings_appendf(char ***list, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t strings_count(char *const *list);
int strings_contain(char *const *list, const char *text);
char *strings_join(char *const *list, const char *separator); /* owned by the caller */
void strings_free(char **list);

/* A text that grows. Zero-initialised is empty; text is NULL or NUL-ended. */
struct buffer {
    char *text;
    size_t size; /* bytes in use, without the NUL */
    size_t capacity;
};
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *buffer_take(struct buffer *buffer); /* the text, owned by the caller; never NULL */
void buffer_done(struct buffer *buffer);

static inline int string_equal(const char *a, const char *b) {
    return a == b || (a && b && __builtin_strcmp(a, b) == 0);
}
int string_starts_with(const char *text, const char *prefix);
int string_ends_with(const char *text, const char *suffix);

void cleanup_free(void *pointer_to_pointer);
void cleanup_close(const int *fd);
void cleanup_file(FILE **file);
void cleanup_strings(char ***list);

#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
#define _cleanup_file_ __attribute__((cleanup(cleanup_file)))
#define _cleanup_strings_ __attribute__((cleanup(cleanup_strings)))
#define _cleanup_buffer_ __attribute__((cleanup(buffer_done)))

/* Hands over: returns the value and leaves NULL (or -1) behind. */
#define take_ptr(pointer)                                                                                    \
    ({                                                                                                       \
        __auto_type take_ptr_value = (pointer);                                                              \
        (pointer) = NULL;                                                                                    \
        take_ptr_value;                                                                                      \
    })
#define take_fd(fd)                                                                                          \
    ({                                                                                                       \
        int take_fd_value = (fd);                                                                            \
        (fd) = -1;                                                                                           \
        take_fd_value;                                                                                       \
    })
/* Replaces an owned string. */
#define replace_string(target, value)                                                                        \
    do {                                                                                                     \
        char *replace_string_value = (value);                                                                \
        free(target);                                                                                        \
        (target) = replace_string_value;                                                                     \
    } while (0)
