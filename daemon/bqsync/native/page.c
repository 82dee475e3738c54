/* A page: bytes that grow, and its columns as Python takes them out and puts them back. */

#include "pages.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT = 1 << 24 }; /* of one page's buffer, for the next page */

uint8_t *bqsync_room(struct bytes *bytes, uint64_t more)
{
    /* Of nothing too: a null pointer says that there is no memory. */
    if (!bytes->at || bytes->room - bytes->size < more) {
        uint64_t room = bytes->size + more + !more;
#ifndef EXACT_ROOM /* so that a sanitizer sees each byte that is too many */
        room += room / 2 + 4096;
#endif
        uint8_t *at = realloc(bytes->at, room);
        if (!at)
            return NULL;
        bytes->at = at;
        bytes->room = room;
    }
    return bytes->at + bytes->size;
}

int bqsync_append(struct bytes *bytes, const void *what, uint64_t size)
{
    uint8_t *at = bqsync_room(bytes, size);
    if (!at)
        return NO_MEMORY;
    memcpy(at, what, size);
    bytes->size += size;
    return DONE;
}

static void emptied(struct bytes *bytes)
{
    bytes->size = 0;
    if (bytes->room > KEPT) {
        free(bytes->at);
        *bytes = (struct bytes){0};
    }
}

int32_t bqsync_size_of(int32_t number)
{
    static const int32_t sizes[] = {
        sizeof(struct cell),  sizeof(struct query), sizeof(struct column), sizeof(struct key),
        sizeof(struct bytes), sizeof(struct page),  sizeof(struct scan),   sizeof(struct encoding),
    };
    return number < (int32_t)(sizeof sizes / sizeof *sizes) ? sizes[number] : 0;
}

/* In the order of `struct page`. */
static struct bytes *first_of(struct page *page)
{
    return &page->cells;
}

static const int buffers = (sizeof(struct page) - offsetof(struct page, cells)) / sizeof(struct bytes);

struct page *bqsync_page(void)
{
    return calloc(1, sizeof(struct page));
}

void bqsync_free(struct page *page)
{
    bqsync_close(page);
    for (int at = 0; at < buffers; at++)
        free(first_of(page)[at].at);
    free(page);
}

void bqsync_empty(struct page *page)
{
    for (int at = 0; at < buffers; at++)
        emptied(first_of(page) + at);
    page->why = NULL;
    page->column = -1;
    page->code = 0;
    page->rows = 0;
    page->key_size = 0;
}

int bqsync_texts(struct page *page, int32_t column)
{
    page->column_texts.size = page->column_ends.size = 0;
    const struct cell *cell = (const struct cell *)page->cells.at + column;
    for (int64_t row = 0; row < page->rows; row++, cell += page->width) {
        if ((cell->type == CELL_TEXT || cell->type == CELL_BLOB) &&
            bqsync_append(&page->column_texts, bqsync_text(page, cell), cell->size))
            return NO_MEMORY;
        uint32_t end = (uint32_t)page->column_texts.size;
        if (bqsync_append(&page->column_ends, &end, sizeof end))
            return NO_MEMORY;
    }
    return DONE;
}

int bqsync_replace(struct page *page, int32_t column, const struct cell *cells, const uint8_t *heap, uint64_t size)
{
    uint64_t begin = page->heap.size;
    if (bqsync_append(&page->heap, heap, size))
        return NO_MEMORY;
    struct cell *cell = (struct cell *)page->cells.at + column;
    for (int64_t row = 0; row < page->rows; row++, cell += page->width) {
        *cell = cells[row];
        if (cell->type == CELL_TEXT || cell->type == CELL_BLOB)
            cell->offset += begin;
    }
    return DONE;
}
