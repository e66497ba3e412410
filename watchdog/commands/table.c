/* Tables. See table.h. */

#include "watchdog/commands/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/base/text.h"

void table_init(struct table *table, const char *const *headers) {
    *table = (struct table){ 0 };
    for (; *headers; headers++)
        strings_append(&table->headers, *headers);
    table->columns = strings_count(table->headers);
}

void table_done(struct table *table) {
    for (size_t i = 0; i < table->cells_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    strings_free(table->headers);
    *table = (struct table){ 0 };
}

void table_cell(struct table *table, enum tone tone, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    table->cells = xrealloc(table->cells, table->cells_count + 1, sizeof(struct table_cell));
    table->cells[table->cells_count++] = (struct table_cell){ text_harmless(text, 0), tone };
}

static bool to_the_right(const struct table *table, size_t column) {
    return table->headers[column][0] == '>';
}

static void append_cell(struct buffer *line, const struct table *table, size_t column, const char *text,
                        size_t width, const char *begin, const char *end) {
    size_t used = terminal_width(text), blanks = width > used ? width - used : 0;
    bool right = to_the_right(table, column), last = column + 1 == table->columns;
    if (right)
        buffer_printf(line, "%*s", (int)blanks, "");
    buffer_printf(line, "%s%s%s", begin, text, end);
    if (!right && !last)
        buffer_printf(line, "%*s", (int)blanks, "");
    if (!last)
        buffer_printf(line, "  ");
}

static const char *header(const struct table *table, size_t column) {
    return table->headers[column] + to_the_right(table, column);
}

void table_print(const struct table *table, struct terminal *terminal) {
    if (table->cells_count == 0)
        return;
    size_t *widths = xcalloc(table->columns, sizeof(size_t));
    for (size_t column = 0; column < table->columns; column++)
        widths[column] = terminal_width(header(table, column));
    for (size_t i = 0; i < table->cells_count; i++) {
        size_t width = terminal_width(table->cells[i].text);
        if (width > widths[i % table->columns])
            widths[i % table->columns] = width;
    }
    _cleanup_buffer_ struct buffer text = { 0 };
    for (size_t column = 0; column < table->columns; column++)
        append_cell(&text, table, column, header(table, column), widths[column],
                    terminal_tone(terminal, TONE_STRONG), terminal_tone_end(terminal, TONE_STRONG));
    for (size_t i = 0; i < table->cells_count; i++) {
        const struct table_cell *cell = &table->cells[i];
        if (i % table->columns == 0)
            buffer_append(&text, "\n", 1);
        append_cell(&text, table, i % table->columns, cell->text, widths[i % table->columns],
                    terminal_tone(terminal, cell->tone), terminal_tone_end(terminal, cell->tone));
    }
    buffer_append(&text, "\n", 1);
    free(widths);
    terminal_write(terminal, text.text, text.size);
}
