-- Declared types as they occur in the wild, names as nobody would choose them, and values that agree with neither.
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, customer NVARCHAR(160), total NUMERIC(10,2), price DECIMAL, odd MONEY, placed DATETIME,
    updated_at INTEGER, created_at INTEGER, day DATE, hour TIME, active BOOLEAN, tri BOOLEAN, doc JSON, id UUID, y YEAR,
    f FLOAT, mix INTEGER_OR_TEXT, b BLOB SUB_TYPE TEXT, "nothing", page_start INTEGER, updatedAt TEXT, empty DATETIME,
    due_at INTEGER, sum GENERATED ALWAYS AS (total + 1) STORED
);
CREATE INDEX orders_updated_at ON orders (updated_at);
INSERT INTO orders VALUES
    (1, 'Ada', 12.5, 0.1, 1.0/3, '2020-01-01 00:00:00', 1767225600, 1767225600, '2020-02-03', '12:30', 1, 1,
     '{"a": 1}', 'abc', 2020, 1.5, 1, 'text', 'x', 12, '2026-01-01T00:00:00Z', NULL, NULL),
    (2, 'Grace', 0.3, 7, 2, '2020-01-01 00:00:01.5', 1767225660, 1767225600, '1969-12-31', '12:31:15', 0, NULL,
     '[1, null]', '12', 2021, 2, 'two', NULL, 3, 13, '2026-01-01T00:00:01Z', NULL, NULL),
    (3, '', -0.01, 1e-9, 0, NULL, 1767225720, 1767225700, NULL, NULL, NULL, 2, NULL, NULL, NULL, 9e999, NULL, '', 2.5,
     NULL, NULL, NULL, NULL);

CREATE TABLE "order details" (
    "Order ID" INTEGER, "Größe" TEXT, "名前" TEXT, "住所" TEXT, "select" TEXT, _table_x TEXT, "Order-ID" INTEGER, fooBar,
    foo_bar, _fooBar, "a""b", "1st", _bqsync_key, message, PRIMARY KEY ("Order ID", "Order-ID")
) WITHOUT ROWID;
INSERT INTO "order details" VALUES (1, 'g', 'n', 'a', 's', 't', 2, 1, 2, 3, x'00', 4, 5, 6),
    (1, 'G', 'N', 'A', 'S', 'T', 3, 1, 2, 3, x'01', 4, 5, 6);

CREATE TABLE "名前" (k PRIMARY KEY, v);
INSERT INTO "名前" VALUES (1, 1), ('1', 2), ('x', 3), (NULL, 4);

CREATE TABLE "order-details" (code TEXT COLLATE NOCASE PRIMARY KEY, at DATETIME);
INSERT INTO "order-details" VALUES ('a', 1700000000000), ('B', 1700000000001);

CREATE TABLE days (day DATE, moment DATETIME, n DECIMAL, PRIMARY KEY (day, moment, n));
INSERT INTO days VALUES ('2024-02-29', '2024-02-29', 1), ('2024-02-29', '2024-02-29 00:00:00', 1),
    ('2024-02-29', '2024-02-29', 1.5);

CREATE TABLE blobs (id TEXT NOT NULL UNIQUE, all_blobs TEXT, mixed TEXT, texts BLOB, created DATETIME);
INSERT INTO blobs VALUES ('a', x'00', 'x', 'y', 1700000000), ('b', x'01', x'ff', 'z', 1700000001),
    ('c', x'02', CAST(x'ff' AS TEXT), '', 1700000002);

CREATE TABLE bare (a, b);
CREATE VIRTUAL TABLE letters USING fts5(body);
CREATE VIEW numbers AS SELECT number FROM orders;
CREATE TABLE "nothing in it" (k TEXT PRIMARY KEY, moment TIMESTAMP, price DECIMAL, doc JSON, seen_at INTEGER);
