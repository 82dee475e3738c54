/* Bytes that grow; and the page that is made of them. */

#include "pages.h"

#include <stdlib.h>

enum { KEPT = 1 << 24 }; /* of one page's buffer, for the next page */

uint8_t *bqsync_room(struct bytes *bytes, uint64_t more)
{
    if (bytes->room - bytes->size < more) {
        uint64_t room = bytes->size + more;
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
