/*
 * What is used of SQLite: of the very library that Python's sqlite3 has loaded, since no process may have two of them
 * at one file. Its interface keeps for all of version 3, so that these few lines of it are all that is needed.
 *
 * Source: https://www.sqlite.org/capi3ref.html
 */

#ifndef BQSYNC_SQLITE_H
#define BQSYNC_SQLITE_H

#include <stdint.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
typedef struct sqlite3_value sqlite3_value;

enum { SQLITE_OK = 0, SQLITE_NOMEM = 7, SQLITE_ROW = 100, SQLITE_DONE = 101 };
enum { SQLITE_LIMIT_ATTACHED = 7, SQLITE_LIMIT_TRIGGER_DEPTH = 10 };
enum { SQLITE_DBCONFIG_ENABLE_TRIGGER = 1003, SQLITE_DBCONFIG_DEFENSIVE = 1010, SQLITE_DBCONFIG_ENABLE_VIEW = 1015 };
/* Read only, by URI, for one thread, with a cache of its own. */
enum { OPEN_FLAGS = 0x00000001 | 0x00000040 | 0x00008000 | 0x00040000 };

struct sqlite {
    int (*open_v2)(const char *, sqlite3 **, int, const char *);
    int (*close)(sqlite3 *);
    int (*exec)(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    int (*limit)(sqlite3 *, int, int);
    int (*db_config)(sqlite3 *, int, ...);
    int (*extended_errcode)(sqlite3 *);
    int (*prepare_v2)(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
    int (*finalize)(sqlite3_stmt *);
    int (*step)(sqlite3_stmt *);
    int (*bind_int64)(sqlite3_stmt *, int, int64_t);
    int (*bind_double)(sqlite3_stmt *, int, double);
    int (*bind_text)(sqlite3_stmt *, int, const char *, int, void (*)(void *));
    int (*bind_blob)(sqlite3_stmt *, int, const void *, int, void (*)(void *));
    int (*column_count)(sqlite3_stmt *);
    sqlite3_value *(*column_value)(sqlite3_stmt *, int);
    int (*value_type)(sqlite3_value *);
    int64_t (*value_int64)(sqlite3_value *);
    double (*value_double)(sqlite3_value *);
    const unsigned char *(*value_text)(sqlite3_value *);
    const void *(*value_blob)(sqlite3_value *);
    int (*value_bytes)(sqlite3_value *);
};

extern struct sqlite sqlite;

#endif
