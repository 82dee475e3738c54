/*
 * Pages of a table, read and encoded by compiled code: what Python calls, by ctypes.
 *
 * A page is filled by `bqsync_scan`, from one read transaction, and then encoded by `bqsync_encode`. Neither calls
 * Python, so that other threads go on meanwhile. What of a page is not certain makes it UNFIT: it is read by rows then.
 */

#ifndef BQSYNC_PAGES_H
#define BQSYNC_PAGES_H

#include <stddef.h>
#include <stdint.h>

/* SQLite's numbers of its storage classes. Source: https://www.sqlite.org/c3ref/c_blob.html */
enum { CELL_INTEGER = 1, CELL_REAL = 2, CELL_TEXT = 3, CELL_BLOB = 4, CELL_NULL = 5 };

enum result { DONE, UNFIT, SQLITE_SAYS, NO_MEMORY };

/* What a cell may be, and how it goes onto the wire. */
enum kind { AS_INT64, AS_DOUBLE, AS_BOOL, AS_TEXT, AS_BYTES, AS_INSTANT };

/* What becomes of a NULL. */
enum null_rule { NULL_ABSENT, NULL_UNFIT, NULL_ZERO };

/* A value as SQLite has it. Texts and blobs of a page stand in its heap. */
struct cell {
    int32_t type;
    uint32_t size;
    union {
        int64_t integer;
        double real;
        uint64_t offset;
        const uint8_t *bytes; /* of a parameter */
    };
};

struct query {
    const char *sql;
    const struct cell *parameters;
    int32_t count;
};

struct column {
    int32_t cell; /* its number among those of a row */
    int32_t kind;
    int32_t null_rule;
    int32_t tag_size;
    uint8_t tag[8];
    int64_t unit_us; /* of an instant, as a number */
};

struct key {
    int32_t cell;
    int32_t type; /* that its values have: what is converted may meet another one's key */
};

struct bytes {
    uint8_t *at;
    uint64_t size, room;
};

struct page {
    const char *why; /* of UNFIT */
    int32_t column;  /* of UNFIT: the cell's number, or -1 */
    int32_t code;    /* of SQLITE_SAYS */
    int64_t rows;
    int32_t width;
    int32_t key_size; /* of each key, where all have one and they ascend; else 0 */
    void *connection; /* that it was read by */
    struct bytes cells, heap;
    struct bytes body;     /* rows as they are staged, each framed; or their data alone */
    struct bytes row;      /* the one in hand */
    struct bytes keys;     /* one after the other */
    struct bytes key_ends; /* uint32_t for each row, as are all places below */
    struct bytes prints;   /* uint64_t for each row */
    struct bytes bounds;   /* from where to where its data stand in the body */
    struct bytes ends;     /* where its frame ends in the body */
    struct bytes column_texts, column_ends;
};

/* Which table, and how much of it. */
struct scan {
    const char *uri;      /* of the file, for SQLite */
    const char *settings; /* SQL that every connection begins with */
    struct query rows;
    const char *behind; /* the place of the next row, behind the place that it is given */
    const int32_t *places;
    int32_t place_count;
    int32_t width; /* cells of a row */
    int64_t most_rows, most_bytes, most_row_bytes;
};

struct encoding {
    const struct column *columns; /* in the order of their numbers on the wire */
    int32_t count;
    const struct key *keys;
    int32_t key_count;
    int32_t is_staged;
    int64_t first_sequence;
    int64_t most_row_bytes;
};

/* How large a structure is, in the order in which they stand here, from cell to encoding: 0 behind the last one. */
int32_t bqsync_size_of(int32_t number);

/* The name of a function that a library lacks; NULL where it is an SQLite that can be used from now on. */
const char *bqsync_use(const char *library);

struct page *bqsync_page(void);
void bqsync_free(struct page *page);
/* Forget what was read, and give back memory that is more than a page usually takes. */
void bqsync_empty(struct page *page);

/* Read a page. The connection stays open, and its lock with it, until it is closed. */
int bqsync_scan(struct page *page, const struct scan *scan);
void bqsync_close(struct page *page);
int bqsync_encode(struct page *page, const struct encoding *encoding);

/* Gather the texts of a column in `column_texts`, and where each ends in `column_ends`. */
int bqsync_texts(struct page *page, int32_t column);
/* Put other values into a column; those of texts stand in `heap`. */
int bqsync_replace(struct page *page, int32_t column, const struct cell *cells, const uint8_t *heap, uint64_t size);

uint64_t bqsync_xxh3(const uint8_t *data, uint64_t size);

/* Of `page.c`: room for more behind what is there; NULL where there is no memory. */
uint8_t *bqsync_room(struct bytes *bytes, uint64_t more);
int bqsync_append(struct bytes *bytes, const void *what, uint64_t size);

static inline int bqsync_unfit(struct page *page, int32_t column, const char *why)
{
    page->why = why;
    page->column = column;
    return UNFIT;
}

static inline const uint8_t *bqsync_text(const struct page *page, const struct cell *cell)
{
    /* An empty one may stand behind the end, or where there is no heap at all: SQLite takes no null pointer for it. */
    return cell->type >= CELL_TEXT && cell->size ? page->heap.at + cell->offset : (const uint8_t *)"";
}

#endif
