/* A page of a table is read, in one transaction of a connection of its own. */

#include "pages.h"
#include "sqlite.h"

#include <string.h>

static int sqlite_says(struct page *page, sqlite3 *db, int code)
{
    page->code = db ? sqlite.extended_errcode(db) : code;
    return SQLITE_SAYS;
}

static int bind(sqlite3_stmt *statement, int place, const struct cell *value, const uint8_t *bytes)
{
    /* What is bound outlives the statement: no copy is made (SQLITE_STATIC is a null pointer). */
    switch (value->type) {
    case CELL_INTEGER: return sqlite.bind_int64(statement, place, value->integer);
    case CELL_REAL: return sqlite.bind_double(statement, place, value->real);
    case CELL_TEXT: return sqlite.bind_text(statement, place, (const char *)bytes, (int)value->size, NULL);
    case CELL_BLOB: return sqlite.bind_blob(statement, place, bytes, (int)value->size, NULL);
    default: return SQLITE_OK; /* what is not bound is NULL */
    }
}

static int keep_cell(struct page *page, sqlite3_stmt *statement, int column, uint64_t most_row_bytes)
{
    /* The connection is this thread's alone, so that the value needs no lock, which a look at the column would take. */
    sqlite3_value *value = sqlite.column_value(statement, column);
    struct cell cell = {.type = sqlite.value_type(value)};
    const void *bytes = NULL;
    switch (cell.type) {
    case CELL_INTEGER: cell.integer = sqlite.value_int64(value); break;
    case CELL_REAL: cell.real = sqlite.value_double(value); break;
    case CELL_TEXT: bytes = sqlite.value_text(value); break;
    case CELL_BLOB: bytes = sqlite.value_blob(value); break;
    default: break;
    }
    if (cell.type == CELL_TEXT || cell.type == CELL_BLOB) {
        cell.size = (uint32_t)sqlite.value_bytes(value);
        if (cell.size > most_row_bytes)
            return bqsync_unfit(page, column, "a row that is too large");
        if (!bytes && (cell.size || cell.type == CELL_TEXT))
            return NO_MEMORY;
        uint8_t *room = bqsync_room(&page->heap, cell.size);
        if (!room)
            return NO_MEMORY;
        if (cell.size)
            memcpy(room, bytes, cell.size);
        cell.offset = page->heap.size;
        page->heap.size += cell.size;
    }
    uint8_t *room = bqsync_room(&page->cells, sizeof cell);
    if (!room)
        return NO_MEMORY;
    memcpy(room, &cell, sizeof cell);
    page->cells.size += sizeof cell;
    return DONE;
}

static int keep_row(struct page *page, sqlite3_stmt *statement, uint64_t most_row_bytes)
{
    for (int column = 0; column < page->width; column++) {
        int outcome = keep_cell(page, statement, column, most_row_bytes);
        if (outcome != DONE)
            return outcome;
    }
    page->rows++;
    return DONE;
}

static int is_same(sqlite3_value *one, sqlite3_value *other)
{
    int type = sqlite.value_type(one);
    if (type != sqlite.value_type(other))
        return 0;
    if (type == CELL_INTEGER)
        return sqlite.value_int64(one) == sqlite.value_int64(other);
    if (type == CELL_REAL)
        return sqlite.value_double(one) == sqlite.value_double(other);
    if (type == CELL_NULL)
        return 1;
    const void *left = sqlite.value_blob(one), *right = sqlite.value_blob(other);
    int size = sqlite.value_bytes(one);
    return size == sqlite.value_bytes(other) && (!size || (left && right && !memcmp(left, right, (size_t)size)));
}

/* Whether the row that follows the page is found again by the place of its last row: else the order leads nowhere. */
static int check_following(struct page *page, sqlite3 *db, sqlite3_stmt *following, const struct scan *scan)
{
    sqlite3_stmt *again = NULL;
    int code = sqlite.prepare_v2(db, scan->behind, -1, &again, NULL);
    const struct cell *last = (const struct cell *)page->cells.at + (page->rows - 1) * page->width;
    for (int at = 0; code == SQLITE_OK && at < scan->place_count; at++) {
        const struct cell *cell = last + scan->places[at];
        code = bind(again, at + 1, cell, bqsync_text(page, cell));
    }
    if (code == SQLITE_OK)
        code = sqlite.bind_int64(again, scan->place_count + 1, 1);
    if (code == SQLITE_OK)
        code = sqlite.step(again);
    int outcome = DONE;
    if (code == SQLITE_ROW) {
        for (int at = 0; outcome == DONE && at < scan->place_count; at++)
            if (!is_same(sqlite.column_value(following, scan->places[at]), sqlite.column_value(again, at)))
                outcome = bqsync_unfit(page, -1, "a page ends at a row that is not found again");
    } else if (code == SQLITE_DONE) {
        outcome = bqsync_unfit(page, -1, "a page ends at a row that is not found again");
    } else {
        outcome = sqlite_says(page, db, code);
    }
    sqlite.finalize(again);
    return outcome;
}

static int is_full(const struct page *page, const struct scan *scan)
{
    /* Half of a cell is what it takes on the wire, about: wide rows of numbers fill a page too. */
    uint64_t size = page->heap.size + page->cells.size / 2;
    return page->rows >= scan->most_rows || size >= (uint64_t)scan->most_bytes;
}

static int read_rows(struct page *page, sqlite3 *db, const struct scan *scan)
{
    sqlite3_stmt *statement = NULL;
    const struct query *query = &scan->rows;
    int outcome = DONE, code = sqlite.prepare_v2(db, query->sql, -1, &statement, NULL);
    for (int at = 0; code == SQLITE_OK && at < query->count; at++)
        code = bind(statement, at + 1, query->parameters + at, query->parameters[at].bytes);
    if (code == SQLITE_OK && sqlite.column_count(statement) != page->width)
        outcome = bqsync_unfit(page, -1, "a table of another width");
    while (outcome == DONE && code == SQLITE_OK) {
        int step = sqlite.step(statement);
        if (step == SQLITE_DONE)
            break;
        if (step != SQLITE_ROW)
            code = step;
        else if (is_full(page, scan)) {
            outcome = check_following(page, db, statement, scan);
            break;
        } else
            outcome = keep_row(page, statement, (uint64_t)scan->most_row_bytes);
    }
    if (code != SQLITE_OK)
        outcome = sqlite_says(page, db, code);
    sqlite.finalize(statement);
    return outcome;
}

/* No other file is opened, and nothing is run: as `capture.connections` has it. */
static void distrust(sqlite3 *db)
{
    sqlite.limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite.limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 0);
    sqlite.db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite.db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite.db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
}

int bqsync_scan(struct page *page, const struct scan *scan)
{
    bqsync_close(page);
    bqsync_empty(page);
    page->width = scan->width;
    sqlite3 *db = NULL;
    int code = sqlite.open_v2(scan->uri, &db, OPEN_FLAGS, NULL);
    page->connection = db;
    if (code == SQLITE_OK) {
        distrust(db);
        code = sqlite.exec(db, scan->settings, NULL, NULL, NULL);
    }
    return code == SQLITE_OK ? read_rows(page, db, scan) : sqlite_says(page, db, code);
}

void bqsync_close(struct page *page)
{
    /* Whatever transaction there is, ends with it. */
    if (page->connection)
        sqlite.close(page->connection);
    page->connection = NULL;
}
